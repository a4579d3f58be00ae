"""The GPU worker: runs the GPU group of level 1 over decoded clips on one device. Knows no queue and no decoder.

One clip at a time. The same plug-ins run on `cpu` when `gpu.devices = ["cpu"]`, so every test of this path runs on any
machine.
"""

from tiktokd.errors import LocalError, ProtocolError
from tiktokd.messages import Analyze, Answer, Ready, Request
from tiktokd.turns import analyze, greeting, runner_for
from tiktokd.worker import Handler, WorkerSetup


class GpuHandler:
    """Analyze, one clip at a time."""

    def __init__(self, setup: WorkerSetup) -> None:
        if setup.region is None:
            raise ProtocolError(f"{setup.name} was started without frame slots")
        self._setup, self._region = setup, setup.region
        _require(setup.device)
        self._runner = runner_for(setup, gpu=True)

    def ready(self) -> Ready:
        """Greet with versions and with what each analyzer can do here."""
        return greeting(self._runner, gpu=True)

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if not isinstance(request, Analyze):
            raise ProtocolError(f"a gpu worker does not know {type(request).__name__}")
        return analyze(self._runner, self._region, request, self._setup)

    def close(self) -> None:
        """Nothing outlives the process."""


def _require(device: str) -> None:
    """Raise `LocalError` where the device is not there, so that the supervisor shows it instead of a silent CPU run."""
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise LocalError(f"gpu.devices names {device}, but torch {torch.__version__} sees no CUDA device")


def start(setup: WorkerSetup) -> Handler:
    """Return the handler of a GPU worker."""
    return GpuHandler(setup)
