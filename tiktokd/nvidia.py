"""Which NVIDIA GPUs the driver shows, for programs that ask once. Never loads torch."""

from collections.abc import Sequence

from tiktokd.errors import LocalError


def driver() -> tuple[list[str], str]:
    """Return the names of the GPUs and the driver's version.

    Raises:
        LocalError: there is no driver, or it does not answer.
    """
    try:
        import pynvml
    except ImportError as exc:
        raise LocalError("nvidia-ml-py is not installed") from exc
    try:
        pynvml.nvmlInit()
        try:
            handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
            return [str(pynvml.nvmlDeviceGetName(each)) for each in handles], str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as exc:
        raise LocalError(str(exc)) from exc


def has_workers(devices: Sequence[str]) -> bool:
    """Return whether `gpu.devices` means any GPU worker on this machine."""
    if list(devices) != ["auto"]:
        return bool(devices)
    try:
        return bool(driver()[0])
    except LocalError:
        return False
