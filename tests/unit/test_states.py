"""The state table: what may follow what."""

import ast
from pathlib import Path

import pytest

from tiktokd.model import FINAL, IN_FLIGHT, State
from tiktokd.scheduler import store_transition
from tiktokd.scheduler.states import INITIAL, TRANSITIONS, WAITING, Event, sources, target


def test_the_table_is_the_one_that_the_design_fixes():
    pending, downloading, downloaded, processing, completed, failed, cancelled = State
    rows = {
        pending: {Event.CLAIM_DOWNLOAD: downloading, Event.CANCEL: cancelled},
        downloading: {
            Event.DOWNLOADED: downloaded,
            Event.RETRY: pending,
            Event.FAIL: failed,
            Event.RESCUE: pending,
            Event.CANCEL: cancelled,
        },
        downloaded: {Event.CLAIM_PROCESSING: processing, Event.FAIL: failed, Event.CANCEL: cancelled},
        processing: {
            Event.COMPLETE: completed,
            Event.RETRY: downloaded,
            Event.FAIL: failed,
            Event.RESCUE: downloaded,
            Event.CANCEL: cancelled,
        },
        completed: {Event.REQUEUE: pending, Event.REANALYZE: downloaded},
        failed: {Event.REQUEUE: pending, Event.REANALYZE: downloaded},
        cancelled: {Event.REQUEUE: pending, Event.REANALYZE: downloaded},
    }
    for state in State:
        assert {event: target(state, event) for event in Event if target(state, event)} == rows[state]


def test_every_state_can_be_reached_and_left():
    reached = set(INITIAL) | {after for moves in TRANSITIONS.values() for after in moves.values()}
    left = {before for moves in TRANSITIONS.values() for before in moves}
    assert reached == set(State)
    assert left == set(State)


@pytest.mark.parametrize("event", [event for event in Event if event not in (Event.REQUEUE, Event.REANALYZE)])
def test_only_a_person_moves_a_final_video(event):
    assert not set(sources(event)) & set(FINAL)


def test_only_claims_lead_into_flight():
    entering = {event for event, moves in TRANSITIONS.items() if set(moves.values()) & set(IN_FLIGHT)}
    assert entering == set(WAITING)
    assert all(set(TRANSITIONS[event]) == {state} for event, state in WAITING.items())


def test_a_state_is_waiting_in_flight_or_final_and_never_two_of_them():
    for state in State:
        assert [state in FINAL, state in IN_FLIGHT, state in WAITING.values()].count(True) == 1


def test_one_file_alone_writes_states():
    writers = set()
    for file in Path(store_transition.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values"
            if call and any(keyword.arg == "state" for keyword in node.keywords):
                writers.add(file.name)
    assert writers == {"store_transition.py"}
