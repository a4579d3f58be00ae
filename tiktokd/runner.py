"""Runs encoders and analyzers over one video and puts every result into its envelope. Knows no process, no slot table.

One analyzer that raises records an error and the others go on; features live as long as the call.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tiktokd import graph
from tiktokd.errors import ModelMissing, raise_if_out_of_memory
from tiktokd.finite import as_json
from tiktokd.messages import AnalysisGroup
from tiktokd.model import Envelope, ModelUsed, Reason, Signals, Tier
from tiktokd.plugins import ABSENT, MODELS, Analyzer, Context, Encoder, LoadContext, Result, skipped
from tiktokd.unfit import lacking, unfit

log = logging.getLogger(__name__)
NEEDS_GPU = "it runs on a GPU alone, and none is at work here (gpu.devices)"
"""Said with the command that fetches a model which would stay idle."""
LOSSES = (None, "model_missing", "cpu_fallback")
"""Reasons for which an encoder that gave nothing is missed: it failed, or could not run here."""
Report = Callable[[str], None]
"""Told the name of each plug-in before it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What came of one part of one video."""

    outputs: dict[str, Envelope]
    signals: Signals
    encoder_ms: dict[str, float]
    """Wall time of each encoder, load excluded."""


@dataclass(slots=True)
class _Features:
    """What the encoders gave, and why the others gave nothing."""

    values: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, tuple[Reason | None, str]] = field(default_factory=dict)
    """Encoder → reason and message; reason `None` means that it raised."""
    ms: dict[str, float] = field(default_factory=dict)


class Runner:
    """The plug-ins of one process, each model loaded at its first use and kept."""

    def __init__(self, load: LoadContext, catalogue: graph.Catalogue | None = None) -> None:
        self.catalogue = catalogue or graph.load()
        self.load = load
        self._models: dict[str, Any] = {}
        self._missing: dict[str, ModelMissing] = {}

    def level1(
        self,
        names: Iterable[str],
        group: AnalysisGroup,
        context: Context,
        report: Report,
        *,
        kept: Mapping[str, str] = graph.NONE_KEPT,
    ) -> Analysis:
        """Run one group of level-1 analyzers over the arrays in `context`, whose features need not be computed again.

        Args:
            kept: as in `graph.with_read`.
        """
        return self._run(graph.plan_level1(names, group, self.catalogue, kept), context, report)

    def shared(
        self, names: Iterable[str], context: Context, report: Report, *, kept: Mapping[str, str] = graph.NONE_KEPT
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the features that both halves of the video read, and the milliseconds that each took."""
        features = _Features()
        for encoder in graph.shared(names, self.catalogue, kept):
            self._encode(encoder, context, features, report)
        return features.values, features.ms

    def level2(
        self, names: Iterable[str], context: Context, report: Report, *, kept: Mapping[str, str] = graph.NONE_KEPT
    ) -> Analysis:
        """Run text, fusion and metadata analyzers over the outputs and signals in `context`.

        Args:
            kept: those of the outputs that an earlier run made. Of another version they are not read, and neither are
                those that are about to be made anew.
        """
        plan = graph.plan_level2(names, self.catalogue, kept)
        made = {name: analyzer.version for name, analyzer in self.catalogue.analyzers.items()}
        for analyzer in plan.analyzers:
            made.pop(analyzer.name)
        read = {n: e for n, e in context.outputs.items() if n not in kept or e.version == made.get(n)}
        return self._run(plan, replace(context, outputs=read), report)

    def _run(self, plan: graph.Plan, context: Context, report: Report) -> Analysis:
        features = _Features(values=dict(context.features))
        outputs = dict(context.outputs)
        for encoder in (e for e in plan.encoders if not e.after):
            self._encode(encoder, context, features, report)
        mine = {a.name: self._no_gpu(a, context, features, report) for a in plan.too_heavy}
        self._absences(plan.idle, context, features, report)
        for analyzer in plan.analyzers:
            now = _with(context, features, outputs)
            for encoder in plan.encoders:
                if encoder.after and encoder.name in (*analyzer.uses, *analyzer.optional):
                    self._encode(encoder, now, features, report)
            report(analyzer.name)
            mine[analyzer.name] = outputs[analyzer.name] = self._analyze(
                analyzer, _with(context, features, outputs), features
            )
        signals = self._signals(plan, features) | self._absences(plan.publish, context, features, report)
        return Analysis(outputs=mine, signals=signals, encoder_ms=features.ms)

    def _encode(
        self, encoder: Encoder, context: Context, features: _Features, report: Report, *, look_only: bool = False
    ) -> None:
        """Compute one encoder's features, or write down why there are none; at most once per video.

        With `look_only` no model is loaded: what is written down is at most that the video has nothing for it.
        """
        if encoder.name in features.values or encoder.name in features.absent:
            return
        for used in encoder.uses:
            if used in features.absent:
                features.absent[encoder.name] = features.absent[used]
                return
        report(encoder.name)
        try:
            seen = _with(context, features, context.outputs)
            # Before the model: a silent video is no_audio on every machine, with or without the weights.
            items = encoder.items(seen)
            if not items:
                said = encoder.nothing_said or f"nothing in this video for {encoder.name}"
                features.absent[encoder.name] = (encoder.nothing, said)
                return
            if look_only:
                return
            model = self._model(encoder)
            started = time.perf_counter()
            features.values[encoder.name] = encoder.collect(seen, _batches(encoder, model, items))
            features.ms[encoder.name] = (time.perf_counter() - started) * 1e3
        except ModelMissing as exc:
            features.absent[encoder.name] = ("model_missing", str(exc))
        except Exception as exc:  # isolation: one model that fails must not cost the other results
            raise_if_out_of_memory(exc)
            log.exception("encoder %s failed", encoder.name)
            features.absent[encoder.name] = (None, f"encoder {encoder.name}: {type(exc).__name__}: {exc}")

    def _model(self, encoder: Encoder) -> Any:
        if encoder.name in self._missing:
            raise self._missing[encoder.name]
        if encoder.name not in self._models:
            try:
                self._models[encoder.name] = encoder.load(self.load)
            except ModelMissing as exc:
                extra = encoder.weights is not None and encoder.weights.extra
                log.log(logging.INFO if extra else logging.WARNING, "%s: %s", encoder.name, exc)
                self._missing[encoder.name] = exc
                raise
        return self._models[encoder.name]

    def _analyze(self, analyzer: Analyzer, context: Context, features: _Features) -> Envelope:
        started = time.perf_counter()
        try:
            result = unfit(analyzer, context, features.values, features.absent) or analyzer.analyze(context)
            summary, segments = as_json(result, context.facts.duration_s)
        except Exception as exc:  # isolation: the video still completes with the other analyzers
            raise_if_out_of_memory(exc)
            log.exception("analyzer %s failed", analyzer.name)
            result = Result(status="error", message=f"{type(exc).__name__}: {exc}"[:500])
            summary, segments = {}, []
        return Envelope(
            analyzer=analyzer.name,
            version=analyzer.version,
            status=result.status,
            tier=result.tier or self._tier(analyzer, context, features, result),
            reason=result.reason,
            message=result.message,
            models=self._models_used(analyzer, context, result.status != "skipped"),
            calibrated=result.calibrated,
            wall_ms=round((time.perf_counter() - started) * 1e3, 3),
            summary=summary,
            segments=segments,
        )

    def _tier(self, analyzer: Analyzer, context: Context, features: _Features, result: Result) -> Tier:
        """Return full unless a model could not run, optional or needed, or a smaller one stood in for it.

        So it is where a result that the analyzer reads was skipped for that.

        One with nothing to encode is no loss.
        """
        used = (self.catalogue.encoders.get(n) for n in (*analyzer.uses, *analyzer.optional) if n in features.values)
        if result.reason in ("model_missing", "cpu_fallback") or any(e and e.stands_for for e in used):
            return "lite"
        if any(context.outputs[name].was_impossible() for name in analyzer.after if name in context.outputs):
            return "lite"
        due = [n for n in analyzer.optional if n not in features.values and not self._left_out(n, features)]
        return "lite" if any(features.absent.get(n, (None, ""))[0] in LOSSES for n in due) else "full"

    def _left_out(self, name: str, features: _Features) -> bool:
        """Return whether an encoder is an extra that nobody put here; one that failed is missed like any other."""
        told = features.absent.get(name)
        return graph.is_extra(name, self.catalogue) and (told is None or told[0] is not None)

    def _no_gpu(self, analyzer: Analyzer, context: Context, features: _Features, report: Report) -> Envelope:
        """Return why nothing runs: what the video lacks, then weights that can be fetched, then the absent device.

        In this order, because nobody should fetch gigabytes to transcribe a video in which nobody speaks.
        """
        result = lacking(analyzer, context) or self._nothing(analyzer, context, features, report)
        if result is None:
            facts = graph.facts(analyzer, self.catalogue, self.load)
            if facts.tier == "none":
                result = skipped("model_missing", f"{facts.reason}; {NEEDS_GPU}")
            else:
                result = skipped("cpu_fallback", "too heavy for a CPU worker; it needs a GPU (gpu.devices)")
        return Envelope(
            analyzer=analyzer.name,
            version=analyzer.version,
            status="skipped",
            tier="lite",
            reason=result.reason,
            message=result.message,
            models=self._weights(analyzer.uses, features.values),
        )

    def _nothing(self, analyzer: Analyzer, context: Context, features: _Features, report: Report) -> Result | None:
        """Return that the video has nothing for the encoders of the analyzer, found without their models."""
        needed = graph.order(analyzer.uses or analyzer.optional, self.catalogue, optional=False)
        asked = {name for encoder in needed for name in encoder.uses}
        for encoder in needed:
            self._encode(
                encoder, context, features, report, look_only=encoder.name not in asked or graph.on_gpu(encoder)
            )
        # Each that it uses is a reason by itself; of those that are optional, all of them together.
        wanted = analyzer.uses or analyzer.optional
        told = [features.absent.get(e.name, (None, "")) for e in needed if analyzer.uses or e.name in wanted]
        lost = [skipped(reason, message) for reason, message in told if reason not in (None, "model_missing")]
        return lost[0] if lost and (analyzer.uses or len(lost) == len(wanted)) else None

    def _models_used(self, analyzer: Analyzer, context: Context, used_signals: bool) -> list[ModelUsed]:
        """Return the weights behind a result: of the encoders that ran here, then of those whose signals it used."""
        used = self._weights((*analyzer.uses, *analyzer.optional), context.features)
        for name in analyzer.signals if used_signals else ():
            told = context.signals.get(MODELS + name, {})
            used += [ModelUsed.model_validate(model) for model in told.get("used", [])]
        return [model for i, model in enumerate(used) if model not in used[:i]]

    def _weights(self, names: Iterable[str], features: Mapping[str, Any]) -> list[ModelUsed]:
        """Return the weights named in the encoders' files and those that their loaders report."""
        used: list[ModelUsed] = []
        for encoder in graph.order(names, self.catalogue):
            if encoder.name in features:
                used += [*encoder.models, *getattr(self._models.get(encoder.name), "used", ())]
        return used

    def _signals(self, plan: graph.Plan, features: _Features) -> Signals:
        """Return the signals that level 2 wants, and which weights made them."""
        found: Signals = {}
        for encoder in plan.encoders:
            if encoder.name in plan.publish and encoder.name in features.values and encoder.signals:
                found[encoder.name] = encoder.signals(features.values[encoder.name])
                if used := self._weights([encoder.name], features.values):
                    found[MODELS + encoder.name] = {"used": [model.model_dump(mode="json") for model in used]}
        return found

    def _absences(self, names: Iterable[str], context: Context, features: _Features, report: Report) -> Signals:
        """Return why encoders gave nothing, and note it: nothing in the video, no weights, or no GPU."""
        lost = [name for name in sorted(names) if name not in features.values]
        for encoder in graph.order(lost, self.catalogue):
            self._encode(encoder, context, features, report, look_only=encoder.place == "gpu")
            if encoder.name not in features.values and encoder.name not in features.absent:
                fetch = graph.missing(encoder.name, self.catalogue, self.load)
                no_gpu: tuple[Reason, str] = ("cpu_fallback", f"{encoder.name} needs a GPU (gpu.devices)")
                features.absent[encoder.name] = ("model_missing", f"{fetch}; {NEEDS_GPU}") if fetch else no_gpu
        return _told({name: features.absent[name] for name in lost if name in features.absent})


def _batches(encoder: Encoder, model: Any, items: Any) -> list[Any]:
    results: list[Any] = []
    for start in range(0, len(items), encoder.max_batch):
        results += encoder.encode(model, items[start : start + encoder.max_batch])
    if len(results) != len(items):
        raise ValueError(f"{len(items)} items went in, {len(results)} results came out")
    return results


def _told(absent: Mapping[str, tuple[Reason | None, str]]) -> Signals:
    """Return absences as they stand among the signals, see `Context.lack`."""
    return {ABSENT + n: {"reason": reason or "no_sources", "message": why} for n, (reason, why) in absent.items()}


def _with(context: Context, features: _Features, outputs: Mapping[str, Envelope]) -> Context:
    signals = context.signals | _told(features.absent)
    return replace(context, features=features.values, outputs=outputs, signals=signals)
