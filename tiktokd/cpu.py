"""The CPU worker: decodes into slots, runs the CPU group and level 2, and everything where no GPU works.

Knows nothing of the queue; a request names the slot, the answer carries the results.
"""

from pathlib import Path
from typing import Any

from tiktokd import decode, portable
from tiktokd.errors import ProtocolError
from tiktokd.messages import Analyze, Analyzed, Answer, Decode, Decoded, Fuse, Ready, Request
from tiktokd.model import Clip, Metadata
from tiktokd.plugins import Context
from tiktokd.turns import Clock, analyze, analyzed, context_of, greeting, runner_for
from tiktokd.worker import Handler, WorkerSetup


class CpuHandler:
    """Decode, Analyze and Fuse, one at a time."""

    def __init__(self, setup: WorkerSetup) -> None:
        if setup.region is None:
            raise ProtocolError(f"{setup.name} was started without frame slots")
        self._setup, self._region, self._config = setup, setup.region, setup.config
        self._runner = runner_for(setup, gpu=False)

    def ready(self) -> Ready:
        """Greet with what each analyzer can do on this machine."""
        return greeting(self._runner, gpu=False)

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Decode():
                return self._decode(request)
            case Analyze():
                return analyze(self._runner, self._region, request, self._setup)
            case Fuse():
                return self._fuse(request)
            case _:
                raise ProtocolError(f"a cpu worker does not know {type(request).__name__}")

    def close(self) -> None:
        """Nothing outlives the process."""

    def _decode(self, request: Decode) -> Decoded:
        clock = Clock()
        clip = decode.decode(
            Path(request.path),
            self._region.view(request.slot),
            fps=self._config.analysis.fps,
            max_duration_s=self._config.analysis.max_duration_s,
            slot=request.slot,
            generation=request.generation,
            progress=lambda ratio: self._setup.report(progress_ratio=ratio, detail="decode"),
        )
        wall_ms, cpu_ms = clock.wall_ms(), clock.cpu_ms()
        features, encoder_ms = self._shared(request, clip) if request.halves else ({}, {})
        return Decoded(
            ticket=request.ticket, clip=clip, wall_ms=wall_ms, cpu_ms=cpu_ms, features=features, encoder_ms=encoder_ms
        )

    def _shared(self, request: Decode, clip: Clip) -> tuple[dict[str, Any], dict[str, float]]:
        """Return, packed, the features that both halves of the video read; what fails here fails again there."""
        context = context_of(self._region, clip, Metadata())
        found, spent_ms = self._runner.shared(
            request.analyzers, context, lambda name: self._setup.report(detail=name), kept=request.kept
        )
        return {name: portable.pack(value) for name, value in found.items()}, spent_ms

    def _fuse(self, request: Fuse) -> Analyzed:
        clock = Clock()
        context = Context(
            facts=request.facts, metadata=request.metadata, outputs=request.outputs, signals=request.signals
        )
        done = self._runner.level2(
            request.analyzers, context, lambda name: self._setup.report(detail=name), kept=request.kept
        )
        return analyzed(request.ticket, done, clock)


def start(setup: WorkerSetup) -> Handler:
    """Return the handler of a CPU worker."""
    return CpuHandler(setup)
