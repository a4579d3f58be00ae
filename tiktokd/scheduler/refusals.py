"""What analyzers turned out to lack although their worker had said that all is there: models that would not load."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tiktokd.messages import AnalyzerFacts
from tiktokd.model import Envelope


@dataclass(slots=True)
class Refusals:
    """By analyzer, what its latest result said of a model that is missing.

    A worker looks for files when it starts, and reads them when the first video wants them: tensors that are missing or
    of another model show only then.
    """

    said: dict[str, Envelope] = field(default_factory=dict)

    def note(self, outputs: Mapping[str, Envelope]) -> None:
        """Take in results; one that a video itself leaves nothing for says nothing about models."""
        for name, envelope in outputs.items():
            if envelope.reason == "model_missing":
                self.said[name] = envelope
            elif envelope.status in ("ok", "partial"):
                self.said.pop(name, None)

    def of(self, facts: AnalyzerFacts) -> AnalyzerFacts:
        """Return the facts as they turned out to be. Where a worker knew of something missing, it knows better."""
        envelope = self.said.get(facts.name)
        if envelope is None or facts.tier != "full":
            return facts
        return replace(facts, tier="none" if envelope.status == "skipped" else "lite", reason=envelope.message)
