"""The command line itself: help that teaches, completion, numbers for people."""

import argparse
import shlex

import pytest

from tiktokd.cli import _verb
from tiktokd.cli._completion import script
from tiktokd.cli._format import bar, duration, plain, size, timeline
from tiktokd.cli._parser import EXIT_CODES, build, verbs
from tiktokd.cli.export import FORMATS
from tiktokd.cli.logs import _tail
from tiktokd.cli.machine import _lacking
from tiktokd.errors import ModelMissing
from tiktokd.export import FORMATS as EXPORT_FORMATS
from tiktokd.model import PRIORITY_MAX, PRIORITY_MIN, State
from tiktokd.plugins import Weights
from tiktokd.weights import locate

VERBS = verbs()
FIXED = {
    "add-urls", "add-files", "process-now", "status", "list", "show", "workers", "wait", "requeue", "cancel",
    "set-priority", "pause", "resume", "cleanup", "export", "logs", "analyzers", "doctor", "config",
}  # fmt: skip


def parse(*words):
    return build(VERBS).parse_args(words)


def child(name):
    parser = build(VERBS)
    return next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices[name]


def test_every_verb_that_scripts_depend_on_is_there():
    assert {verb.name for verb in VERBS} >= FIXED
    assert parse("add", "x").verb.name == "add-urls"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_explains_itself_with_examples_that_parse(verb):
    text = child(verb.name).format_help()
    assert verb.title[:40] in " ".join(text.split())
    assert "examples:" in text
    for command, meaning in verb.examples:
        assert f"tiktokctl {command}" in text
        assert meaning
        words = shlex.split(command)
        cut = next((i for i, word in enumerate(words) if word in ("|", ">", "<", "&&")), len(words))
        assert parse(*words[:cut]).verb is not None


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_argument_is_explained(verb):
    silent = [a.dest for a in child(verb.name)._actions if not a.help]
    assert silent == []


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.name in FIXED], ids=lambda v: v.name)
def test_every_verb_that_prints_has_json(verb):
    assert verb.json


def test_the_help_lists_every_verb_and_every_exit_code():
    text = build(VERBS).format_help()
    assert all(f"  {verb.name}" in text for verb in VERBS)
    codes = [value for name, value in vars(_verb).items() if name.startswith("EXIT_") and value != 141]
    assert all(f"  {code} " in EXIT_CODES for code in codes)


@pytest.mark.parametrize(
    "words",
    [
        ["add", "-p", "0", "x"],
        ["add", "-p", "11", "x"],
        ["add", "-p", "high", "x"],
        ["set-priority", "5.5", "7"],
        ["list", "--state", "lost"],
        ["list", "--limit", "0"],
        ["wait", "--timeout", "-1"],
        ["wait", "--timeout", "nan"],
        ["cleanup", "--days", "-1"],
        ["nonsense"],
        [],
        ["list", "--lim", "5"],
        ["add", "--analyzers", " , ", "x"],
    ],
)
def test_arguments_that_make_no_sense_end_with_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(*words)
    assert caught.value.code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stauts"], "tiktokctl: there is no verb 'stauts'. Did you mean status?"),
        (["qqq"], "tiktokctl: there is no verb 'qqq'."),
        (["status", "--jsn"], "tiktokctl status: what is --jsn? Did you mean --json?"),
        (["export", "out.csv"], "tiktokctl export: to write into a file: -o out.csv"),
        (["list", "more"], "tiktokctl list: what is more?"),
        (["show"], "tiktokctl show: ID is missing"),
        (
            ["add", "-p", "11", "x"],
            "tiktokctl add-urls: -p/--priority: '11' is not a number from 1 (low) to 10 (urgent)",
        ),
        (["list", "--state", "fail\x1b[31med"], "tiktokctl list: --state: 'fail\\x1b[31med' is none of pending,"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_the_next_says_where_to_read_on(words, said, capsys):
    with pytest.raises(SystemExit):
        parse(*words)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(said)
    assert second.endswith("--help")
    assert "\x1b" not in first


def test_examples_are_not_broken_by_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = child("add-urls").format_help().splitlines()
    at = lines.index("  tiktokctl add-urls -f urls.txt -p 8")
    assert lines[at - 1] == "  # a file, before ordinary work"
    monkeypatch.setenv("COLUMNS", "150")
    assert "  # one video" in child("add-urls").format_help()


def test_common_options_are_taken_before_and_after_the_verb():
    assert parse("--socket", "/a", "status").socket == "/a"
    assert parse("status", "--socket", "/b").socket == "/b"
    assert parse("--socket", "/a", "status", "--socket", "/b").socket == "/b"
    assert parse("status").socket is None


def test_what_is_repeated_for_a_quick_start_is_the_same_as_in_the_core():
    assert tuple(State) == _verb.STATES
    assert (_verb.PRIORITIES[0], _verb.PRIORITIES[-1]) == (PRIORITY_MIN, PRIORITY_MAX)
    assert FORMATS == EXPORT_FORMATS


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_verb_and_option(shell):
    text = script(shell, build(VERBS), VERBS)
    for verb in VERBS:
        assert verb.name in text
        for action in child(verb.name)._actions:
            for flag in action.option_strings:
                assert (f"-l {flag[2:]}" if shell == "fish" and flag.startswith("--") else flag[1:]) in text


def test_of_the_sentence_about_a_missing_model_the_table_shows_the_model(tmp_path):
    spec = Weights(hub_id="org/name-1.0", revision=None, licence="Apache-2.0", size_mib=3.0)
    with pytest.raises(ModelMissing) as caught:
        locate(spec, tmp_path)
    assert _lacking(str(caught.value)) == "org/name-1.0"
    assert _lacking("needs a GPU") == "needs a GPU"


def test_times_and_sizes_read_well():
    assert [duration(s) for s in (None, 0, 59.9, 60, 3720, 7200, 100_000)] == [
        "-", "0 s", "59 s", "1 m", "1 h 2 m", "2 h", "1 d 3 h",
    ]  # fmt: skip
    assert [size(n) for n in (None, 12, 3.4 * 2**20, 2**41)] == ["-", "12 B", "3.4 MiB", "2.0 TiB"]


def test_a_bar_has_its_length_whatever_the_ratio():
    assert {len(bar(ratio, 10)) for ratio in (-1, 0, 0.333, 0.999, 1, 7)} == {10}
    assert bar(None) == ""


def test_a_timeline_shows_where_segments_lie_and_touch():
    segments = [{"start_s": 0, "end_s": 2}, {"start_s": 2, "end_s": 4}, {"start_s": 8, "end_s": 99}]
    assert timeline(segments, 10.0, 10) == "██│█····██"
    assert timeline([{"start_s": 10.0, "end_s": 10.0}], 10.0, 4) == "···█"
    assert timeline([], 0.0, 3) == "···"


def test_values_of_a_summary_read_well():
    assert plain({"a": None, "b": [1.23456789, True], "c": "x"}) == "{a -, b [1.235, True], c x}"


def test_the_tail_of_a_log_keeps_tracebacks_with_their_line(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(
        "".join(f"2026-01-0{n}Z line\n" for n in range(1, 9)) + "2026-01-09Z bad\x1b[31m\n  Trace\n  Error\n"
    )
    entries, end = _tail(log, 2)
    assert entries == [["2026-01-08Z line"], ["2026-01-09Z bad\\x1b[31m", "  Trace", "  Error"]]
    assert end == log.stat().st_size


def test_the_list_of_verbs_fits_a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert [line for line in build(verbs()).format_help().splitlines() if len(line) > 80] == []
