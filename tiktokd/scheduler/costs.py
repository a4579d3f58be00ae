"""What encoders and analyzers cost on this machine, as measured while they worked. Pure; knows no plug-in."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tiktokd.messages import Analyzed, AnalyzerFacts

SETTING = "costs"
"""Key under which the means outlive a restart."""
MEMORY = 100
"""A mean follows the last hundred videos or so: other models or another machine show within an hour."""
NAMES_MAX = 1000


@dataclass(slots=True)
class Mean:
    """A mean over all values at first, over about the last `MEMORY` later."""

    ms: float
    count: int = 1

    def add(self, ms: float) -> None:
        """Take in one more value."""
        self.count = min(self.count + 1, MEMORY)
        self.ms += (ms - self.ms) / self.count


@dataclass(slots=True)
class Costs:
    """Mean milliseconds per video of every encoder and analyzer that has run."""

    encoders: dict[str, Mean] = field(default_factory=dict)
    analyzers: dict[str, Mean] = field(default_factory=dict)

    def note(self, answer: Analyzed) -> None:
        """Take in what a worker measured; results that were skipped or failed say nothing about the cost."""
        self.note_encoders(answer.encoder_ms)
        for name, envelope in answer.outputs.items():
            if envelope.status in ("ok", "partial"):
                _add(self.analyzers, name, envelope.wall_ms)

    def note_encoders(self, encoder_ms: Mapping[str, float]) -> None:
        """Take in what encoders took for one video."""
        for name, ms in encoder_ms.items():
            _add(self.encoders, name, ms)

    def of(self, facts: AnalyzerFacts) -> AnalyzerFacts:
        """Return the facts with the measured cost of the analyzer and all encoders that work for it."""
        own = self.analyzers.get(facts.name)
        if own is None:
            return facts
        used = [self.encoders[name].ms for name in facts.all_encoders if name in self.encoders]
        return replace(facts, cost_ms=round(own.ms + sum(used), 3))

    def stored(self) -> dict[str, dict[str, list[float]]]:
        """Return everything as JSON."""
        return {kind: {name: [mean.ms, mean.count] for name, mean in known.items()} for kind, known in self._kinds()}

    def restore(self, value: Any) -> None:
        """Take over what `stored` returned in an earlier life; whatever is not of that form is left out."""
        for kind, known in self._kinds():
            rows = value.get(kind) if isinstance(value, Mapping) else None
            for name, row in rows.items() if isinstance(rows, Mapping) else ():
                match row:
                    case [float() | int() as ms, int() as count] if math.isfinite(ms) and 0 < count <= MEMORY:
                        known.setdefault(name, Mean(ms, count))

    def _kinds(self) -> tuple[tuple[str, dict[str, Mean]], ...]:
        return (("encoders", self.encoders), ("analyzers", self.analyzers))


def _add(known: dict[str, Mean], name: str, ms: float) -> None:
    if name in known:
        known[name].add(ms)
    elif len(known) < NAMES_MAX:
        known[name] = Mean(ms)
