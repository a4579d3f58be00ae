"""Which plug-ins run for a video, where and in which order. Pure: knows specifications, loads and runs nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tiktokd import plugins, selection, weights
from tiktokd.errors import ConfigError, ModelMissing
from tiktokd.messages import AnalysisGroup, AnalyzerFacts
from tiktokd.plugins import Analyzer, Encoder, LoadContext

NONE_KEPT: Mapping[str, str] = {}
CPU_HALF: AnalysisGroup = "cpu"
GPU_HALF: AnalysisGroup = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every plug-in by name."""

    encoders: Mapping[str, Encoder]
    analyzers: Mapping[str, Analyzer]


def load(*, onnx_on_gpu: bool = False) -> Catalogue:
    """Return all plug-ins found by file name.

    Args:
        onnx_on_gpu: onnxruntime computes on the GPU; where it does not, encoders that run through it stay with the
            CPU workers. All workers must be told the same, or an analyzer would run twice or not at all.
    """
    encoders = {name: plugins.encoder(name) for name in plugins.names("tiktokd.encoders")}
    return Catalogue(
        encoders={n: e if onnx_on_gpu or not e.onnx else replace(e, place="cpu") for n, e in encoders.items()},
        analyzers={name: plugins.analyzer(name) for name in plugins.names("tiktokd.analyzers")},
    )


def without_gpu(catalogue: Catalogue) -> Catalogue:
    """Return the plug-ins of a CPU worker: encoders of the GPU that have a stand-in are that one, under their name.

    Everything that reads them reads the stand-in; what was too heavy for their sake alone is light. On a machine with a
    GPU this changes nothing but the fallback: what belongs to the GPU's part of a video belongs to it still.
    """
    encoders = dict(catalogue.encoders)
    for one in catalogue.encoders.values():
        if one.stands_for:
            # "either": of the GPU's part. No extra: here results are less without it.
            own = replace(one.weights, extra=False) if one.weights else None
            encoders[one.stands_for] = replace(one, name=one.stands_for, place="either", weights=own)
    here = Catalogue(encoders=encoders, analyzers=catalogue.analyzers)

    def light(analyzer: Analyzer) -> bool:
        used = order(analyzer.uses, here, optional=False)
        return any(e.stands_for for e in used) and all(e.place != "gpu" for e in used)

    analyzers = {a.name: replace(a, lightweight=a.lightweight or light(a)) for a in catalogue.analyzers.values()}
    return replace(here, analyzers=analyzers)


def with_read(names: Iterable[str], catalogue: Catalogue, kept: Mapping[str, str] = NONE_KEPT) -> tuple[str, ...]:
    """Return the names and those of the analyzers whose outputs they read: `hook` alone would find nothing to judge.

    Args:
        kept: analyzer → version of an earlier result that may be read as it is. One of another version may not.
    """
    there = {name for name, analyzer in catalogue.analyzers.items() if kept.get(name) == analyzer.version}
    reads = {analyzer.name: analyzer.after for analyzer in catalogue.analyzers.values()}
    return selection.with_read(names, reads, there)


def on_gpu(encoder: Encoder) -> bool:
    """Return whether an encoder runs on the GPU where there is one."""
    return encoder.place in ("gpu", "either")


def home(analyzer: Analyzer, catalogue: Catalogue) -> Literal["cpu", "gpu"]:
    """Return the level-1 group of an analyzer where there is a GPU: gpu if any of its encoders is."""
    used = (*analyzer.uses, *analyzer.optional)
    return "gpu" if any(on_gpu(catalogue.encoders[n]) for n in used if n in catalogue.encoders) else "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One worker's part of one video."""

    analyzers: tuple[Analyzer, ...]
    too_heavy: tuple[Analyzer, ...]
    """Left out because there is no GPU to run them."""
    encoders: tuple[Encoder, ...]
    """In an order in which each comes after those it uses."""
    publish: frozenset[str]
    """Encoders whose signals level 2 or the corpus wants."""
    idle: frozenset[str] = frozenset()
    """Encoders that these analyzers would read and that wait for a GPU which is not there."""


def plan_level1(
    names: Iterable[str], group: AnalysisGroup, catalogue: Catalogue, kept: Mapping[str, str] = NONE_KEPT
) -> Plan:
    """Return what a worker of `group` runs over the slot; `kept` as in `with_read`."""
    wanted = [catalogue.analyzers[name] for name in with_read(names, catalogue, kept)]
    mine = [a for a in wanted if plugins.level(a) == 1 and group in ("all", *_serves(home(a, catalogue)))]
    weak = group in ("all", "fallback")
    runs = [a for a in mine if a.lightweight or not weak]
    fuse = {name for a in wanted for name in a.signals}
    publishers = _publishers(fuse, wanted, catalogue)
    publish = {name for name, place in publishers.items() if group in ("all", *_serves(place))}
    needed = publish | {name for a in runs for name in (*a.uses, *a.optional)}
    needed = {name for name in needed if name in catalogue.encoders}
    # A light analyzer must not draw a heavy model into a CPU worker: Whisper on a CPU takes minutes per video.
    idle = {name for name in needed if weak and catalogue.encoders[name].place == "gpu"}
    return Plan(
        analyzers=tuple(runs),
        too_heavy=tuple(a for a in mine if weak and not a.lightweight),
        encoders=order(needed - idle, catalogue),
        publish=frozenset(publish),
        idle=frozenset(idle),
    )


def shared(names: Iterable[str], catalogue: Catalogue, kept: Mapping[str, str] = NONE_KEPT) -> tuple[Encoder, ...]:
    """Return the encoders that both halves of a video read, and whose features may travel to both."""
    wanted = tuple(names)
    cpu, gpu = (plan_level1(wanted, group, catalogue, kept).encoders for group in (CPU_HALF, GPU_HALF))
    there = {encoder.name for encoder in gpu}
    return tuple(encoder for encoder in cpu if encoder.portable and encoder.name in there)


def plan_level2(names: Iterable[str], catalogue: Catalogue, kept: Mapping[str, str] = NONE_KEPT) -> Plan:
    """Return what runs over outputs, signals and text, analyzers in the order of their `after`; `kept` as above."""
    wanted = [catalogue.analyzers[n] for n in with_read(names, catalogue, kept)]
    second = {a.name: a for a in wanted if plugins.level(a) == 2}
    encoders = order({name for a in second.values() for name in (*a.uses, *a.optional)}, catalogue)
    return Plan(
        analyzers=tuple(_after_order(second)),
        too_heavy=(),
        encoders=encoders,
        publish=frozenset(e.name for e in encoders if e.signals is not None),
    )


def order(needed: Iterable[str], catalogue: Catalogue, *, optional: bool = True) -> tuple[Encoder, ...]:
    """Return the needed encoders and those that they use, each after what it uses.

    Args:
        optional: also those that an encoder reads where they are there; one of the GPU draws none over from the CPU.
    """
    done: dict[str, Encoder] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigError(f"encoders use one another in a circle: {' > '.join((*path, name))}")
        encoder = catalogue.encoders.get(name)
        if encoder is None or name in done:
            return
        extra = (n for n in encoder.optional if not on_gpu(encoder) or on_gpu(catalogue.encoders.get(n, encoder)))
        for used in (*encoder.uses, *(extra if optional else ())):
            visit(used, (*path, name))
        done[name] = encoder

    for name in sorted(needed):
        visit(name, ())
    return tuple(done.values())


def own_models(settings: Mapping[str, str], catalogue: Catalogue) -> dict[str, str]:
    """Return hub id of an encoder's choice → the user's, for `analysis.models` (encoder → model).

    Raises:
        ConfigError: there is no such encoder, it needs no model, or the value is no model.
    """
    found = {}
    for name, model in settings.items():
        encoder = catalogue.encoders.get(name)
        if encoder is None or encoder.weights is None:
            able = ", ".join(e.name for e in catalogue.encoders.values() if e.weights)
            raise ConfigError(f'analysis.models: "{name}" is no encoder with a model; there are {able}')
        weights.parse(model)
        found[encoder.weights.hub_id] = model
    return found


def facts(analyzer: Analyzer, catalogue: Catalogue, load: LoadContext, *, gpu: bool = True) -> AnalyzerFacts:
    """Return what a user may expect of an analyzer on this machine, now.

    Args:
        gpu: this worker runs the encoders of the GPU; without it their models stay unused, wherever they lie.
    """
    hard, soft, less = _lacks(analyzer, catalogue, load, gpu=gpu)
    # As the runner judges results: one that reads what is never there has lost something too.
    unread = [
        _lacks(catalogue.analyzers[n], catalogue, load, gpu=gpu)[0] for n in analyzer.after if n in catalogue.analyzers
    ]
    soft += [reasons[0] for reasons in unread if reasons]
    extra = (*analyzer.optional, *analyzer.signals)
    return AnalyzerFacts(
        name=analyzer.name,
        title=analyzer.title,
        group=analyzer.group,
        level=plugins.level(analyzer),
        tier="none" if hard else "lite" if soft or less else "full",
        reason=next(iter((*hard, *soft, *less)), None),
        encoders=(*analyzer.uses, *extra),
        lightweight=analyzer.lightweight,
        all_encoders=tuple(encoder.name for encoder in order((*analyzer.uses, *extra), catalogue)),
        reads=analyzer.after,
    )


def _lacks(
    analyzer: Analyzer, catalogue: Catalogue, load: LoadContext, *, gpu: bool
) -> tuple[list[str], list[str], list[str]]:
    """Return why an analyzer cannot run, why it does less, and which smaller models stand in for its own."""
    extra = (*analyzer.optional, *analyzer.signals)
    asked = [name for name in (*analyzer.uses, *extra) if not is_extra(name, catalogue)]
    lacks = {name: missing(name, catalogue, load) or (None if gpu else _idle(name, catalogue)) for name in asked}
    hard = [why for name in (*analyzer.uses, *analyzer.needs_signals) if (why := lacks[name])]
    less = [why for name in asked if not lacks[name] and (why := _stands_in(name, catalogue))]
    soft = [why for name in extra if (why := lacks.get(name))]
    weighty = [n for n in extra if n in lacks and (n not in catalogue.encoders or catalogue.encoders[n].weights)]
    if analyzer.needs_model and len(soft) == len(weighty):
        hard, soft = soft, []
    return hard, soft, less


def _serves(place: Literal["cpu", "gpu"]) -> tuple[AnalysisGroup, ...]:
    return ("gpu", "fallback") if place == "gpu" else ("cpu",)


def _publishers(
    fuse: Iterable[str], wanted: Iterable[Analyzer], catalogue: Catalogue
) -> dict[str, Literal["cpu", "gpu"]]:
    """Return which part of a video publishes each encoder's signals: that of the GPU where it computes it anyway."""
    known = [name for name in fuse if name in catalogue.encoders]
    gpus = [a for a in wanted if plugins.level(a) == 1 and home(a, catalogue) == "gpu"]
    roots = {name for name in known if on_gpu(catalogue.encoders[name])}
    there = {e.name for e in order(roots.union(*((*a.uses, *a.optional) for a in gpus)), catalogue)}
    return {name: "gpu" if name in there else "cpu" for name in known}


def _after_order(analyzers: Mapping[str, Analyzer]) -> list[Analyzer]:
    done: dict[str, Analyzer] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigError(f"analyzers wait for one another in a circle: {' > '.join((*path, name))}")
        if name in done or name not in analyzers:
            return
        for earlier in analyzers[name].after:
            visit(earlier, (*path, name))
        done[name] = analyzers[name]

    for name in sorted(analyzers):
        visit(name, ())
    return list(done.values())


def is_extra(name: str, catalogue: Catalogue) -> bool:
    """Return whether an encoder's weights are an extra, without which no result is less."""
    encoder = catalogue.encoders.get(name)
    return encoder is not None and encoder.weights is not None and encoder.weights.extra


def _idle(name: str, catalogue: Catalogue) -> str | None:
    """Return that a model which is here waits for a GPU."""
    encoder = catalogue.encoders[name]
    if encoder.place != "gpu" or encoder.weights is None:
        return None
    return f"{encoder.weights.hub_id} is here, but no GPU worker is: see gpu.devices in the configuration"


def _stands_in(name: str, catalogue: Catalogue) -> str | None:
    """Return that a smaller model does the work of one that needs a GPU."""
    encoder = catalogue.encoders.get(name)
    if encoder is None or encoder.stands_for is None or encoder.weights is None:
        return None
    return f"{encoder.weights.hub_id} stands in for a larger model, which needs a GPU (gpu.devices)"


def missing(name: str, catalogue: Catalogue, load: LoadContext) -> str | None:
    """Return why an encoder cannot run: the command that fetches its weights; `None` where they are there."""
    encoder = catalogue.encoders.get(name)
    if encoder is None:
        return f"encoder {name} is not part of this version"
    if encoder.weights is None:
        return None
    try:
        weights.locate(weights.chosen(encoder.weights, load.models), load.models_dir)
    except ModelMissing as exc:
        return str(exc)
    return None
