"""Tables and the status on terminals of every width: ids are never cut, what matters least goes first."""

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tests.toy_daemon import NOW
from tiktokd.cli._format import moment
from tiktokd.cli._overview import overview, standing
from tiktokd.cli._table import Column, fitting
from tiktokd.cli.machine import _cost_note
from tiktokd.cli.videos import without_name
from tiktokd.model import State
from tiktokd.protocol import LaneSnapshot, Rates, StatusAnswer, WorkerSnapshot

ID = "7212345678901234567"
COLUMNS = (Column("id"), Column("state"), Column("prio", 2, right=True), Column("title", 1, shortens=True))
ROWS = [
    (ID, Text("pending", "cyan"), "5", "a title of some length 日本語"),
    ("file-0b5b42f2a27a5669", "completed", "10", ""),
]


def lines(renderable, width):
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get().splitlines()


def worker(name, **fields):
    return WorkerSnapshot(name=name, kind="cpu", pid=1, state="busy", since_at=NOW - 75, **fields)


def status(**fields):
    given = {
        "counts": dict.fromkeys(State, 0) | {"pending": 1_234_567},
        "workers": (worker("cpu_worker_10"), worker("cpu_worker_2", id=ID, stage="analyze", progress_ratio=0.5)),
        "gpus": (), "rates": Rates(), "lanes": (), "slots_free": 1, "slots_total": 2, "gate": None,
        "next_download_at": None, "spool": None, "draining": False, "incarnation": "x", "started_at": NOW,
        "uptime_s": 1.0, "stale_results": 0, "version": "0.1.0", "api_version": 1, "pid": 1,
    }  # fmt: skip
    return StatusAnswer(**given | fields)


@pytest.mark.parametrize("width", [32, 40, 60, 80, 160])
def test_no_line_is_wider_than_the_terminal_and_ids_are_whole(width):
    shown = lines(fitting(COLUMNS, ROWS, width), width)
    assert max(map(cell_len, shown)) <= width
    assert len(shown) == 2 + len(ROWS)
    assert any(line.startswith(ID) for line in shown)
    assert any("completed" in line for line in shown)


def test_what_matters_least_goes_first_and_long_text_is_cut_before_anything_goes():
    assert lines(fitting(COLUMNS, ROWS, 160), 160)[0].split() == ["id", "state", "prio", "title"]
    narrower = lines(fitting(COLUMNS, ROWS, 52), 52)
    assert narrower[0].split() == ["id", "state", "prio", "title"]
    assert narrower[2].endswith("a title of …")
    assert lines(fitting(COLUMNS, ROWS, 50), 50)[0].split() == ["id", "state", "title"]
    assert lines(fitting(COLUMNS, ROWS, 34), 34)[0].split() == ["id", "state"]


def test_a_column_without_anything_in_it_is_left_out():
    assert lines(fitting(COLUMNS, [ROWS[1]], 160), 160)[0].split() == ["id", "state", "prio"]


def test_a_column_that_says_how_much_it_needs_pushes_others_out_before_it_is_cut_below():
    columns = (Column("id"), Column("note", 1, shortens=True, shortest=40), Column("title", 2, shortens=True))
    rows = [(ID, "permanent: cannot be opened as a video: it is empty", "a title of some length")]
    narrow, wide = (lines(fitting(columns, rows, width), width) for width in (70, 80))
    assert narrow[0].split() == ["id", "note"]
    assert narrow[2].endswith("it is em…")
    assert wide[0].split() == ["id", "note", "title"]


def test_a_message_does_not_repeat_the_name_that_stands_beside_it():
    assert without_name("a.mp4 cannot be opened", "a.mp4") == "cannot be opened"
    assert without_name("a.mp4: 2 of 3 packets", "a.mp4") == "2 of 3 packets"
    assert without_name("a.mp4x cannot be opened", "a.mp4") == "a.mp4x cannot be opened"
    assert without_name("no connection", None) == "no connection"


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_status_fits_and_shows_every_state(width):
    shown = lines(overview(status(), NOW, width), width)
    assert max(map(cell_len, shown)) <= width
    text = "\n".join(shown)
    assert "1,234,567" in text
    assert all(state in text for state in State)
    assert "1 m 15 s" in text or width < 60
    assert ID in text or width < 60


def test_workers_are_in_the_order_of_their_numbers():
    text = "\n".join(lines(overview(status(), NOW, 160), 160))
    assert text.index("cpu_worker_2 ") < text.index("cpu_worker_10")


def test_a_stage_that_has_no_parts_is_named_once():
    busy = (worker("a", stage="decode", detail="decode"), worker("b", stage="analyze", detail="flow"))
    text = "\n".join(lines(overview(status(workers=busy), NOW, 160), 160))
    assert ("decode decode" in text, "decode" in text, "analyze flow" in text) == (False, True, True)


def test_how_a_lane_stands_is_said_once():
    def lane(paused, reason):
        return standing(LaneSnapshot(lane="download", paused=paused, reason=reason))

    assert lane(True, "paused by a person") == "paused by a person"
    assert lane(True, "no space") == "paused: no space"
    assert lane(True, None) == "paused"
    assert lane(False, "the disk is full") == "held up: the disk is full"
    assert lane(False, None) == "running"


def test_times_of_today_need_no_date():
    from datetime import UTC, datetime

    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert moment("2026-01-31T03:04:05Z", now) == "03:04:05"
    assert moment("2026-01-30T23:59:59Z", now) == "2026-01-30"


def test_costs_that_nobody_has_measured_yet_are_announced():
    assert _cost_note([None, None]).endswith("shown once a video has been analyzed")
    assert _cost_note([None, 3.0]).startswith("cost: mean time per video")
