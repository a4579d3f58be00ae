"""Log lines: one format, nothing alive in them, journald's prefix."""

import logging
from pathlib import Path

import pytest

from tiktokd import log


def record(message: str, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("x", level, "f", 1, message, (), None)
    made.created, made.msecs = 1_700_000_000.25, 250.0
    made.__dict__.update(extra)
    return made


def test_a_line_names_time_level_process_and_video() -> None:
    line = log.LineFormatter("cpu_worker_0").format(record("decoded", video="7123"))
    assert line == "2023-11-14T22:13:20.250Z INFO    cpu_worker_0 [7123] decoded"


def test_the_video_of_the_surrounding_block_is_on_each_line() -> None:
    formatter = log.LineFormatter("p")
    with log.about("7123"):
        assert "[7123]" in formatter.format(record("a"))
    assert "[-]" in formatter.format(record("a"))


def test_foreign_text_cannot_move_the_cursor_or_forge_a_line() -> None:
    line = log.LineFormatter("p").format(record("title \x1b[2J\n2023 ERROR forged \u202e", video="7\x1b]0;x\x07"))
    assert "\x1b" not in line
    assert "\n" not in line
    assert "\u202e" not in line
    assert "\\x1b[2J" in line


def test_under_journald_the_level_comes_first_and_the_time_is_left_to_the_journal() -> None:
    formatter = log.LineFormatter("tiktokd", journal=True)
    assert formatter.format(record("x", logging.ERROR)).startswith("<3>ERROR   tiktokd")
    assert formatter.format(record("x", logging.WARNING)).startswith("<4>")
    assert formatter.format(record("x")).startswith("<6>")


def test_a_traceback_follows_indented_and_escaped() -> None:
    made = record("failed")
    made.exc_info = (ValueError, ValueError("bad \x1b[0m title"), None)
    lines = log.LineFormatter("p").format(made).splitlines()
    assert all(line.startswith("  ") for line in lines[1:])
    assert lines[-1] == "  ValueError: bad \\x1b[0m title"


def test_stderr_is_the_journal_only_where_systemd_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert not log.stderr_is_journal()
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert not log.stderr_is_journal()


def test_the_last_lines_of_a_log_are_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    assert log.last_lines(path, 3) == []
    path.write_text("".join(f"line {n}\n" for n in range(1000)))
    assert log.last_lines(path, 2) == ["line 998", "line 999"]
    assert log.last_lines(path, 5, max_bytes=15) == ["line 999"]
