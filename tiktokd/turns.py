"""One level-1 request answered from a slot: what CPU and GPU workers do alike. Knows no process and no device."""

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tiktokd import graph, portable, selection
from tiktokd.messages import Analyze, Analyzed, Ready
from tiktokd.model import Clip, Metadata
from tiktokd.plugins import ClipArrays, Context, LoadContext
from tiktokd.runner import Analysis, Runner
from tiktokd.slots import Region
from tiktokd.worker import WorkerSetup, versions

PACKAGES = (
    *("av", "ctranslate2", "numpy", "onnxruntime", "onnxruntime-gpu", "opencv-python-headless", "rapidocr", "torch"),
    "transformers",
)
"""Those whose version explains a result."""


class Clock:
    """Wall and processor time since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def wall_ms(self) -> float:
        """Return milliseconds on the wall."""
        return (time.perf_counter() - self._wall_s) * 1e3

    def cpu_ms(self) -> float:
        """Return milliseconds of processor time over all threads of this process."""
        return (time.process_time() - self._cpu_s) * 1e3


def analyze(runner: Runner, region: Region, request: Analyze, setup: WorkerSetup) -> Analyzed:
    """Run the request's group of level-1 analyzers over its slot."""
    clock = Clock()
    given = {name: portable.unpack(kind, request.features[name]) for name, kind in _portable(runner, request.features)}
    context = context_of(region, request.clip, request.metadata, given)
    done = runner.level1(
        request.analyzers, request.group, context, lambda name: setup.report(detail=name), kept=request.kept
    )
    return analyzed(request.ticket, done, clock)


def analyzed(ticket: str, done: Analysis, clock: Clock) -> Analyzed:
    """Return the answer for a finished analysis."""
    return Analyzed(
        ticket=ticket,
        outputs=done.outputs,
        signals=done.signals,
        wall_ms=clock.wall_ms(),
        cpu_ms=clock.cpu_ms(),
        encoder_ms=done.encoder_ms,
    )


def _portable(runner: Runner, names: Iterable[str]) -> list[tuple[str, type[Any]]]:
    """Return those of the names that are encoders here whose features travel, with the class of the features."""
    known = [(name, runner.catalogue.encoders.get(name)) for name in names]
    return [(name, encoder.portable) for name, encoder in known if encoder is not None and encoder.portable]


def context_of(region: Region, clip: Clip, metadata: Metadata, features: Mapping[str, Any] | None = None) -> Context:
    """Return what plug-ins see of a clip: views into the slot that nobody can write through."""
    arrays = region.arrays(clip.slot, clip.blocks)
    for array in arrays.values():
        array.flags.writeable = False
    return Context(
        facts=clip.facts,
        arrays=ClipArrays(arrays),
        audio48_covers_s=clip.audio48_covers_s,
        audio16_covers_s=clip.audio16_covers_s,
        metadata=metadata,
        features=features or {},
    )


def runner_for(setup: WorkerSetup, *, gpu: bool) -> Runner:
    """Return the plug-ins of a worker, of the GPU or not; raises `ConfigError` for a wrong [analysis] table."""
    catalogue = graph.load(onnx_on_gpu=setup.onnx_on_gpu)
    selection.check(setup.config.analysis.analyzers)
    load = LoadContext(
        device=setup.device,
        models_dir=setup.config.models_dir,
        data_dir=setup.config.data_dir,
        models=graph.own_models(setup.config.analysis.models, catalogue),
        threads=setup.config.cpu.threads,
    )
    return Runner(load, catalogue if gpu else graph.without_gpu(catalogue))


def greeting(runner: Runner, *, gpu: bool) -> Ready:
    """Return the greeting of a worker, of the GPU or not: versions, and what each analyzer can do there now."""
    catalogue = runner.catalogue
    facts = [graph.facts(a, catalogue, runner.load, gpu=gpu) for a in catalogue.analyzers.values()]
    return Ready(pid=os.getpid(), versions=versions(PACKAGES), analyzers=tuple(facts))
