"""JSON to the dataclasses that `tiktokctl` works with."""

import json
from dataclasses import asdict

import pytest

from tiktokd.answers import read
from tiktokd.errors import ProtocolError
from tiktokd.protocol import GateSnapshot, ItemOutcome, Outcomes, Page, VideoRow, WorkerSnapshot


def test_an_answer_survives_the_way_through_json():
    answer = Outcomes(
        items=(
            ItemOutcome(input="x", outcome="invalid", reason="not a URL"),
            ItemOutcome(input="7", outcome="added", id="7"),
        ),
        counts={"invalid": 1, "added": 1},
    )
    assert read(Outcomes, json.loads(json.dumps(asdict(answer)))) == answer


def test_fields_of_a_newer_daemon_are_ignored():
    assert read(ItemOutcome, {"input": "a", "outcome": "added", "colour": "red"}) == ItemOutcome(
        input="a", outcome="added"
    )


def test_a_field_with_a_default_may_be_missing():
    assert read(WorkerSnapshot, {"name": "w", "kind": "cpu", "pid": None, "state": "idle"}).jobs_done == 0


def test_an_integer_is_accepted_for_a_float():
    gate = read(GateSnapshot, {"per_minute": 30, "configured_per_minute": 30, "min_gap_s": 2})
    assert gate.next_at is None
    assert gate.per_minute == 30


@pytest.mark.parametrize(
    "data",
    [
        {"outcome": "added"},
        {"input": 3, "outcome": "added"},
        {"input": None, "outcome": "added"},
        [],
        None,
        "text",
    ],
)
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(ProtocolError, match="not a ItemOutcome"):
        read(ItemOutcome, data)


def test_true_is_not_a_number():
    with pytest.raises(ProtocolError):
        read(GateSnapshot, {"per_minute": True, "configured_per_minute": 1, "min_gap_s": 0})


def test_nested_values_are_read_in_order():
    row = {
        "id": "1",
        "url": "u",
        "state": "failed",
        "priority": 5,
        "attempts": {"download": 1},
        "enqueued_at": "2026-01-01T00:00:00Z",
        "error": {"class": "auth"},
    }
    page = read(Page, {"videos": [row, {**row, "id": "2"}], "next": None})
    assert [video.id for video in page.videos] == ["1", "2"]
    assert isinstance(page.videos[0], VideoRow)
    assert page.videos[0].error == {"class": "auth"}
