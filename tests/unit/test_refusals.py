"""Models that would not load: what `analyzers` says of those who need them."""

from dataclasses import replace

from tests.unit.test_costs import facts
from tiktokd.model import Envelope
from tiktokd.scheduler.refusals import Refusals


def result(status, reason=None, message=None):
    return {
        "scene": Envelope(analyzer="scene", version="1", status=status, tier="lite", reason=reason, message=message)
    }


def told(refusals, tier="full"):
    found = refusals.of(replace(facts("scene"), tier=tier))
    return found.tier, found.reason


def test_the_latest_result_counts_until_another_says_something_of_the_model():
    refusals = Refusals()
    assert told(refusals) == ("full", None)
    refusals.note(result("skipped", "model_missing", "it lacks 3 tensors"))
    assert told(refusals) == ("none", "it lacks 3 tensors")
    refusals.note(result("skipped", "no_video"))
    assert told(refusals) == ("none", "it lacks 3 tensors"), "a video without pictures says nothing of the model"
    refusals.note(result("partial", "model_missing", "labels: it lacks 3 tensors"))
    assert told(refusals) == ("lite", "labels: it lacks 3 tensors")
    refusals.note(result("partial", "truncated"))
    assert told(refusals) == ("full", None)


def test_where_a_worker_knew_of_something_missing_it_knows_better():
    refusals = Refusals()
    refusals.note(result("skipped", "model_missing", "no frontal face"))
    assert told(refusals, tier="lite") == ("lite", None)
