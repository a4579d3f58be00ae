"""Which GPUs there are and what they are doing, from NVML. Never loads torch: the daemon must stay small."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tiktokd.errors import ConfigError
from tiktokd.protocol import GpuSnapshot

_logger = logging.getLogger(__name__)


class Gpus:
    """NVML, or nothing where there is no driver."""

    def __init__(self) -> None:
        self._nvml: Any = None
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
        """Return the state of these devices at this moment; a value that the driver does not tell is `None`."""
        return tuple(self._one(device) for device in devices)

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
