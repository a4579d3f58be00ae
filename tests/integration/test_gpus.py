"""The driver of the GPUs is asked beside the event loop: one that hangs holds nobody up."""

import threading
from types import SimpleNamespace
from typing import Any

from tests.live import until
from tiktokd.scheduler.gpus import Gpus

WAIT_S = 10.0


class Driver:
    """What `pynvml` offers, for one GPU; it answers once `answers` is set."""

    NVMLError = RuntimeError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUtilizationRates(self, _handle: int) -> Any:
        self.asked.set()
        assert self.answers.wait(WAIT_S)
        return SimpleNamespace(gpu=50)

    def nvmlDeviceGetMemoryInfo(self, _handle: int) -> Any:
        return SimpleNamespace(used=2**30, total=2**31)

    def nvmlDeviceGetPowerUsage(self, _handle: int) -> int:
        raise self.NVMLError("not supported")

    def nvmlDeviceGetName(self, _handle: int) -> str:
        return "H200"

    def nvmlDeviceGetTemperature(self, _handle: int, _which: int) -> int:
        return 40


def test_a_driver_that_hangs_holds_nobody_up_and_its_answers_count_once_they_come() -> None:
    driver = Driver()
    gpus = Gpus(driver)
    gpus.watch(["cuda:0"])
    assert driver.asked.wait(WAIT_S)
    assert gpus.snapshot(["cuda:0"])[0].name is None, "returned although the driver has not answered"
    driver.answers.set()
    until(lambda: gpus.snapshot(["cuda:0"])[0].name, "an answer", WAIT_S)
    shown = gpus.snapshot(["cuda:0", "cpu"])
    assert (shown[0].utilisation_ratio, shown[0].memory_used_mib, shown[0].power_w) == (0.5, 1024.0, None)
    assert (shown[1].device, shown[1].utilisation_ratio) == ("cpu", None)
