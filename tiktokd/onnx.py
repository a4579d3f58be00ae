"""Whether onnxruntime computes on the GPU, told from the names of installed packages. Imports none of them.

`onnxruntime` and `onnxruntime-gpu` write into the same folder, so with both installed nobody knows what lies there: the
rule is to trust the second only where it is alone. The daemon decides once and tells all of its workers.
"""

from collections.abc import Iterable
from importlib import metadata

CPU, GPU = "onnxruntime", "onnxruntime-gpu"


def installed() -> frozenset[str]:
    """Return which of the two packages are installed."""
    return frozenset(name for name in (CPU, GPU) if _is_installed(name))


def on_gpu(devices: Iterable[str], packages: frozenset[str]) -> bool:
    """Return whether encoders that run through onnxruntime belong to the GPU workers.

    Args:
        devices: of the GPU workers, by torch's names.
        packages: as `installed` gives them.
    """
    return packages == {GPU} and any(device.startswith("cuda") for device in devices)


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
