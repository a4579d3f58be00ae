"""Which GPUs there are and what they are doing, from NVML. Never loads torch: the daemon must stay small."""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tiktokd.errors import ConfigError
from tiktokd.protocol import GpuSnapshot

ASK_S = 2.0
"""How often the driver is asked."""
STALE_S = 10.0
"""An answer older than this is none: the driver hangs."""
_logger = logging.getLogger(__name__)


class Gpus:
    """NVML, or nothing where there is no driver.

    A driver with a broken GPU may take minutes for an answer. So it is asked in a thread of its own, which the end of
    the daemon does not wait for, and `snapshot` returns what that thread has heard lately.
    """

    def __init__(self, nvml: Any = None) -> None:
        """Args: nvml: what to ask instead of `pynvml`; it is initialised already."""
        self._nvml: Any = nvml
        self._heard: dict[str, GpuSnapshot] = {}
        self._heard_at = -STALE_S
        if nvml is not None:
            return
        with suppress(ImportError):
            import pynvml

            try:
                pynvml.nvmlInit()
            except pynvml.NVMLError as exc:
                _logger.debug("no NVIDIA driver: %s", exc)
            else:
                self._nvml = pynvml

    def count(self) -> int:
        """Return how many GPUs this machine has."""
        return 0 if self._nvml is None else int(self._nvml.nvmlDeviceGetCount())

    def devices(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return torch's names of the devices that `gpu.devices` means, one worker each.

        Raises:
            ConfigError: a GPU that is not there, or a name that is none.
        """
        if list(wanted) == ["auto"]:
            return tuple(f"cuda:{index}" for index in range(self.count()))
        for name in wanted:
            kind, _, index = name.partition(":")
            if name == "cpu":
                continue
            if kind != "cuda" or not index.isdigit():
                raise ConfigError(f'gpu.devices: "{name}" is none of "auto" (alone), "cuda:0", "cuda:1" …, "cpu"')
            if int(index) >= self.count():
                raise ConfigError(f'gpu.devices: there is no "{name}"; NVIDIA\'s driver shows {self.count()} GPUs')
        return tuple(wanted)

    def snapshot(self, devices: Sequence[str]) -> tuple[GpuSnapshot, ...]:
        """Return the state of these devices a moment ago; a value that the driver does not tell is `None`."""
        fresh = time.monotonic() - self._heard_at < STALE_S
        return tuple((self._heard.get(device) if fresh else None) or GpuSnapshot(device=device) for device in devices)

    def watch(self, devices: Sequence[str]) -> None:
        """Ask about these devices from now on, in a thread."""
        if self._nvml is not None and any(device.startswith("cuda:") for device in devices):
            threading.Thread(target=self._listen, args=(tuple(devices),), name="tiktokd-nvml", daemon=True).start()

    def _listen(self, devices: Sequence[str]) -> None:
        while True:
            self._heard = {device: self._one(device) for device in devices}
            self._heard_at = time.monotonic()
            time.sleep(ASK_S)

    def _one(self, device: str) -> GpuSnapshot:
        if self._nvml is None or not device.startswith("cuda:"):
            return GpuSnapshot(device=device)
        nvml = self._nvml
        handle = self._ask("nvmlDeviceGetHandleByIndex", int(device.removeprefix("cuda:")))
        if handle is None:
            return GpuSnapshot(device=device)
        use = self._ask("nvmlDeviceGetUtilizationRates", handle)
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        power_mw = self._ask("nvmlDeviceGetPowerUsage", handle)
        return GpuSnapshot(
            device=device,
            name=self._ask("nvmlDeviceGetName", handle),
            utilisation_ratio=None if use is None else use.gpu / 100,
            memory_used_mib=None if memory is None else memory.used / 2**20,
            memory_total_mib=None if memory is None else memory.total / 2**20,
            temperature_c=self._ask("nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
            power_w=None if power_mw is None else power_mw / 1000,
        )

    def _ask(self, question: str, *args: Any) -> Any:
        with suppress(self._nvml.NVMLError):
            return getattr(self._nvml, question)(*args)
        return None
