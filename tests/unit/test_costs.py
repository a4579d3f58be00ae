"""What encoders and analyzers cost, as workers report it."""

import json

import pytest

from tiktokd.messages import Analyzed, AnalyzerFacts
from tiktokd.model import Envelope
from tiktokd.scheduler.costs import MEMORY, Costs


def facts(name: str, *encoders: str) -> AnalyzerFacts:
    return AnalyzerFacts(
        name=name, title="", group="video", level=1, tier="full", reason=None,
        encoders=encoders, lightweight=True, all_encoders=encoders,
    )  # fmt: skip


def answer(encoder_ms: dict[str, float], **own_ms: float) -> Analyzed:
    done = {
        name: Envelope(analyzer=name, version="1", tier="full", status="ok", wall_ms=ms) for name, ms in own_ms.items()
    }
    return Analyzed(ticket="t", outputs=done, signals={}, wall_ms=0.0, cpu_ms=0.0, encoder_ms=encoder_ms)


def test_an_analyzer_costs_itself_and_its_encoders_on_average():
    costs = Costs()
    costs.note(answer({"ocr": 900.0, "vad": 40.0}, on_screen_text=10.0))
    costs.note(answer({"ocr": 1100.0}, on_screen_text=20.0))
    assert costs.of(facts("on_screen_text", "ocr")).cost_ms == pytest.approx(1015.0)


def test_encoders_that_were_not_computed_cost_nothing():
    costs = Costs()
    costs.note(answer({"ocr": 900.0}, hook=1.0))
    assert costs.of(facts("hook", "ocr", "siglip2")).cost_ms == pytest.approx(901.0)


def test_nothing_is_known_of_an_analyzer_that_was_only_skipped():
    costs = Costs()
    skipped = Envelope(
        analyzer="toxicity", version="1", tier="full", status="skipped", reason="model_missing", wall_ms=0.1
    )
    costs.note(Analyzed(ticket="t", outputs={"toxicity": skipped}, signals={}, wall_ms=0.0, cpu_ms=0.0))
    assert costs.of(facts("toxicity")).cost_ms is None


def test_a_mean_follows_what_has_changed():
    costs = Costs()
    for _ in range(50 * MEMORY):
        costs.note(answer({}, motion=10.0))
    for _ in range(5 * MEMORY):
        costs.note(answer({}, motion=30.0))
    assert costs.of(facts("motion")).cost_ms == pytest.approx(30.0, rel=0.01)


def test_the_means_outlive_a_restart():
    costs, later = Costs(), Costs()
    costs.note(answer({"ocr": 900.0}, hook=1.0))
    later.restore(json.loads(json.dumps(costs.stored())))
    assert later == costs


@pytest.mark.parametrize(
    "value", [None, 7, [], {"encoders": 3}, {"encoders": {"ocr": 3}}, {"analyzers": {"ocr": ["a", 2]}},
              {"encoders": {"ocr": [float("nan"), 1]}}, {"encoders": {"ocr": [1.0, 0]}}],
)  # fmt: skip
def test_a_damaged_setting_is_left_out(value):
    costs = Costs()
    costs.restore(value)
    assert costs == Costs()
