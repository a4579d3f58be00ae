"""`tiktokctl` as a process of its own, against the real API and store."""

import json
import logging
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from tests.toy_daemon import WAIT_S, envelope, toy_daemon
from tiktokd import graph
from tiktokd.cli._checks_packages import sqlite, yt_dlp
from tiktokd.cli._parser import verbs
from tiktokd.cli._session import socket_path
from tiktokd.config import load
from tiktokd.errors import ConfigError, Failure
from tiktokd.log import LineFormatter
from tiktokd.messages import AnalyzerFacts
from tiktokd.scheduler import store

ID = "7212345678901234567"
URL = f"https://www.tiktok.com/@name/video/{ID}"
EVIL = "\x1b]0;owned\x07[red]title[/red] \u202egnp.exe"


@pytest.fixture
def daemon(tmp_path):
    with toy_daemon(tmp_path) as running:
        yield running


@pytest.fixture
def ctl(daemon, tmp_path):
    """Return a function that runs tiktokctl against the daemon and gives the finished process."""

    def run(*words, stdin=None, env=None, at=None):
        return subprocess.run(
            [sys.executable, "-m", "tiktokd.cli", "--socket", str(at or daemon.socket_path), *words],
            input=stdin, capture_output=True, text=True, timeout=60,
            env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), **(env or {})},
        )  # fmt: skip

    return run


@contextmanager
def running(command, *, stderr=None, **env):
    """A process that is gone at the end, whatever happened; with buffered output, as people run it."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    # A shell starts background jobs, us perhaps, deaf to Ctrl-C, and children inherit that.
    hearing = ["env", "--default-signal=INT", *command]
    child = subprocess.Popen(hearing, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**ours, **env})
    watchdog = threading.Timer(WAIT_S * 3, child.kill)  # a readline that waits for ever would hold up the test
    watchdog.start()
    try:
        yield child
    finally:
        watchdog.cancel()
        child.kill()
        child.communicate()


def test_urls_of_the_command_line_are_answered_one_by_one(ctl):
    done = ctl("add", URL, URL, "nonsense")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"added     {ID}", f"duplicate {ID} (pending)", "1 added, 1 duplicate, 1 invalid",
    ]  # fmt: skip
    assert "nonsense: invalid:" in done.stderr
    assert ctl("add", ID).returncode == 0


def test_of_a_long_file_the_bad_lines_are_reported_with_their_numbers_and_the_rest_is_queued(ctl, daemon, tmp_path):
    bad = {17, 500, 1000, 1001, 2500, 2999}
    lines = [f"not a link {n}" if n in bad else str(7212345678901200000 + n) for n in range(1, 3001)]
    file = tmp_path / "urls.txt"
    file.write_bytes(b"\xef\xbb\xbf# links\r\n" + "\r\n".join(lines[1:]).encode())
    done = ctl("add-urls", "-f", str(file), "-p", "8")
    assert done.returncode == 1
    numbers = {int(line.split(":")[1]) for line in done.stderr.splitlines()}
    assert numbers == bad
    assert done.stdout == "2,993 added, 0 duplicate, 6 invalid\n"
    assert daemon.client.status().counts["pending"] == 2993
    assert daemon.client.video(str(7212345678901200000 + 2))["priority"] == 8


def test_standard_input_and_json_work_together(ctl):
    done = ctl("add", "-f", "-", "--json", stdin=f"{URL}\n\nnonsense\n")
    answer = json.loads(done.stdout)
    assert [item["outcome"] for item in answer["items"]] == ["added", "invalid"]
    assert answer["items"][1]["source"] == "stdin:3"
    assert answer["counts"] == {"added": 1, "duplicate": 0, "invalid": 1}
    assert done.returncode == 1


def test_a_column_of_a_table_is_taken_and_a_missing_one_named(ctl, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(f"name,link\nx,{URL}\n")
    assert ctl("add", "-f", str(file), "--column", "link").stdout == "1 added, 0 duplicate, 0 invalid\n"
    done = ctl("add", "-f", str(file), "--column", "nope")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert ctl("add", "-f", str(tmp_path / "gone")).returncode == 2
    assert ctl("add").returncode == 2


def test_a_file_that_cannot_be_read_is_said_before_another_is_queued(ctl, daemon, tmp_path):
    good, folder = tmp_path / "good.txt", tmp_path / "folder"
    good.write_text(f"{URL}\n")
    folder.mkdir()
    for bad in (tmp_path / "gone.txt", folder):
        done = ctl("add", "-f", str(good), "-f", str(bad))
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert daemon.client.status().counts["pending"] == 0


def test_what_was_queued_before_it_broke_off_is_said(ctl, daemon, tmp_path):
    good, bad = tmp_path / "good.txt", tmp_path / "bad.bin"
    good.write_text("".join(f"{7212345678901200000 + n}\n" for n in range(1500)))
    bad.write_bytes(b"\0\1\2")
    done = ctl("add", "-f", str(good), "-f", str(bad))
    assert done.returncode == 1
    assert done.stdout == "1,000 added, 0 duplicate, 0 invalid\n"
    assert "broke off" in done.stderr
    assert "bad.bin is not text" in done.stderr
    answer = json.loads(ctl("add", "-f", str(good), "-f", str(bad), "--json").stdout)
    assert answer["counts"] == {"added": 0, "duplicate": 1000, "invalid": 0}


def test_a_file_without_videos_is_named(ctl, tmp_path):
    file = tmp_path / "empty.csv"
    file.write_text("# nothing yet\n")
    done = ctl("add", "-f", str(file))
    assert (done.returncode, done.stderr) == (0, f"{file}: no URL and no id of a video in it\n")


def test_a_text_that_the_reason_quotes_is_not_quoted_again(ctl, tmp_path):
    file = tmp_path / "ids.csv"
    file.write_text(f"video_id,username\n7.10659E+18,foo\n{ID},bar\n")
    assert ctl("add", "-f", str(file)).stderr.count("7.10659E+18") == 1


def test_files_directories_and_patterns_become_absolute_paths(ctl, tmp_path):
    folder = tmp_path / "clips" / "deep"
    folder.mkdir(parents=True)
    for name in ("a.mp4", "b.MOV", "notes.txt"):
        (folder / name).write_bytes(name.encode())
    done = ctl("add-files", str(tmp_path / "clips"), str(tmp_path / "*" / "**" / "*.txt"), str(tmp_path / "no*.mp4"))
    assert done.stdout.splitlines()[-1] == "3 added, 0 duplicate, 1 invalid"
    assert done.returncode == 1
    relative = ctl("add-files", os.path.relpath(folder / "a.mp4"))
    assert relative.stdout.splitlines()[-1] == "0 added, 1 duplicate, 0 invalid"


def test_a_file_name_that_is_not_utf_8_does_not_keep_the_others_out(ctl, tmp_path):
    for name in (b"caf\xe9.mp4", b"plain.mp4"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    done = ctl("add-files", str(tmp_path))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 added, 0 duplicate, 1 invalid")
    assert "caf\ufffd.mp4: invalid: the name of the file is not UTF-8; rename it" in done.stderr


def test_one_line_that_no_request_can_hold_does_not_keep_the_others_out(ctl, daemon, tmp_path):
    file = tmp_path / "urls.txt"
    file.write_text(f"{URL}?{'a' * 9000}\n{ID}\n")
    done = ctl("add-urls", "-f", str(file))
    assert (done.returncode, done.stdout) == (1, "1 added, 0 duplicate, 1 invalid\n")
    assert f"{file}:1: invalid: 9,0" in done.stderr
    assert len(done.stderr) < 1000
    assert "1 duplicate, 1 invalid" in ctl("add-urls", ID, "https://www.tiktok.com/@n/video/\udcff").stdout
    done = ctl("process-now", "\udcff", ID)
    assert (done.returncode, daemon.client.video(ID)["priority"]) == (1, 10)
    assert "\\udcff: invalid: not UTF-8" in done.stderr
    assert "there is no video '%FF'" in ctl("show", "\udcff").stderr


def test_paths_that_lead_nowhere_are_named_in_one_line(ctl, daemon, tmp_path):
    (tmp_path / "round").symlink_to(tmp_path / "round")
    done = ctl("add-files", str(tmp_path / "round"))
    assert (done.returncode, done.stdout) == (1, "0 added, 0 duplicate, 1 invalid\n")
    done = ctl("add-files", "")
    assert (done.returncode, done.stdout) == (1, "0 added, 0 duplicate, 1 invalid\n"), "not the whole directory"
    assert "invalid: an empty path" in done.stderr
    nobody = "~no.such.user/x"
    for done in (ctl("add-files", nobody), ctl("status", at=nobody), ctl("wait", "--timeout", "1e300")):
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_closed_output_is_no_reason_to_fail(daemon):
    command = shlex.join([sys.executable, "-m", "tiktokd.cli", "--socket", str(daemon.socket_path), "list"])
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_process_now_raises_what_waits_and_says_what_is_finished(ctl, daemon):
    other = ID[:-1] + "9"
    daemon.client.add([URL], priority=5)
    daemon.finish(ID, {})
    daemon.client.add([other], priority=2)
    done = ctl("process-now", ID, other)
    assert done.returncode == 0
    assert f"requeue {ID}" in done.stderr
    assert daemon.client.video(other)["priority"] == 10
    assert f"{other} has priority 10 now" in done.stdout
    assert "now" not in ctl("process-now", other).stdout


@pytest.mark.parametrize("verb", ["process-now", "add-urls"])
def test_a_file_or_its_id_among_urls_is_answered_with_the_verb_that_takes_it(ctl, daemon, tmp_path, verb):
    clip = tmp_path / "my clip.mp4"
    clip.write_bytes(b"x")
    done = ctl(verb, str(clip), "file-0123456789abcdef", ID)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 added, 0 duplicate, 2 invalid")
    assert f"tiktokctl add-files '{clip}'" in done.stderr
    assert "`tiktokctl set-priority 10 file-0123456789abcdef`" in done.stderr


def test_status_is_readable_and_json_has_the_promised_keys(ctl, daemon):
    daemon.client.add([URL], priority=5)
    daemon.client.set_paused("download", True)
    shown = ctl("status").stdout
    for part in (
        "tiktokd 0.1.0",
        "pending",
        "download_worker_0",
        "1.0 of 2.0 MiB",
        "rate_gate",
        "H200",
        "resume download",
    ):
        assert part in shown
    answer = json.loads(ctl("status", "--json").stdout)
    assert {"counts", "workers", "gpus", "rates", "lanes", "spool", "version", "uptime_s"} <= set(answer)
    assert json.loads(ctl("workers", "--json").stdout)[1]["jobs_done"] == 3
    assert "cpu_worker_0" in ctl("workers").stdout


def test_status_is_watched_until_ctrl_c(daemon):
    command = [sys.executable, "-m", "tiktokd.cli", "--socket", str(daemon.socket_path), "status", "--watch", "--json"]
    with running([*command, "--interval", "0.05"], stderr=subprocess.PIPE) as child:
        assert json.loads(child.stdout.readline())["counts"]
        assert json.loads(child.stdout.readline())["counts"]
        child.send_signal(signal.SIGINT)
        child.stdout.read()
        assert child.stderr.read() == ""
        assert child.wait(WAIT_S) == 130


def test_in_a_pipe_each_refresh_of_the_status_arrives_when_it_is_made(daemon):
    command = [sys.executable, "-m", "tiktokd.cli", "--socket", str(daemon.socket_path), "status", "--watch"]
    with running([*command, "--interval", "0.05"]) as child:
        heads = 0
        while heads < 2:
            heads += child.stdout.readline().startswith("tiktokd ")


def test_a_paused_download_is_not_said_to_be_next(ctl, daemon):
    daemon.client.add([URL], priority=5)
    ctl("pause", "download")
    assert "after `tiktokctl resume download`" in ctl("status").stdout


def test_asking_for_a_monitor_that_is_not_there_queues_and_says_what_else_there_is(ctl, daemon):
    if any(verb.name == "monitor" for verb in verbs()):
        pytest.skip("there is a monitor")
    done = ctl("add", URL, "-m")
    assert done.returncode == 1
    assert "status --watch" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert daemon.client.status().counts["pending"] == 1


def test_a_closed_pipe_ends_the_output_quietly(daemon):
    daemon.client.add([str(7212345678901200000 + n) for n in range(5000)], priority=5)
    command = f"{shlex.quote(sys.executable)} -m tiktokd.cli --socket {daemon.socket_path} list --limit 5000 --json"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[\n", "", 141)


def test_the_list_pages_on_and_says_that_there_is_more(ctl, daemon):
    daemon.client.add([str(7212345678901200000 + n) for n in range(450)], priority=5)
    rows = json.loads(ctl("list", "--limit", "430", "--json").stdout)
    assert [row["id"] for row in rows] == [str(7212345678901200000 + n) for n in range(449, 19, -1)]
    done = ctl("list", "--limit", "3")
    assert "7212345678901200449" in done.stdout
    assert "--limit 30" in done.stderr
    assert "no failed videos" in ctl("list", "--state", "failed").stdout


def test_the_list_names_posts_by_their_harmless_title_and_files_by_their_name(ctl, daemon, tmp_path):
    daemon.client.add([URL], priority=5)
    daemon.finish(ID, {}, title=EVIL)
    clip = tmp_path / "my clip.mp4"
    clip.write_bytes(b"film")
    daemon.client.add_files([clip], priority=5)
    daemon.client.add(["7212345678901234500"], priority=5)
    rows = json.loads(ctl("list", "--json").stdout)
    assert [row["title"] for row in rows] == [None, "my clip.mp4", EVIL]
    shown = ctl("list").stdout
    assert "my clip.mp4" in shown
    assert "[red]title[/red]" in shown
    assert "\x1b" not in shown


def test_show_puts_facts_first_and_foreign_text_is_harmless(ctl, daemon):
    daemon.client.add([URL], priority=5)
    outputs = {
        "on_screen_text": envelope("on_screen_text", text=EVIL, word_count=3),
        "vocal_delivery": envelope("vocal_delivery").model_copy(
            update={"status": "skipped", "reason": "no_audio", "segments": []}
        ),
    }
    daemon.finish(ID, outputs, title=EVIL, description="[link=x]caption", uploader="someone", view_count=12345)
    done = ctl("show", ID)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\x1b]0;owned\\x07[red]title[/red] \\u202egnp.exe" in done.stdout
    assert "[link=x]caption" in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].split() == [ID, "completed"]
    assert any("12,345 views" in line for line in lines)
    assert any("12.5 s, 576×1024" in line for line in lines)
    assert any(line.startswith("no audio") and "vocal_delivery" in line for line in lines)
    assert any(line.startswith("on_screen_text") and "█" in line for line in lines)
    assert "0.00 to   1.50  label a" in ctl("show", ID, "--full").stdout
    assert any("pending → downloading" in line for line in lines)
    assert json.loads(ctl("show", ID, "--json").stdout)["metadata"]["title"] == EVIL
    assert ctl("show", "7000000000000000000").returncode == 1


def test_a_failed_video_tells_why_and_is_queued_again(ctl, daemon):
    daemon.client.add([URL], priority=5)
    claim = daemon.write(store.claim_download, worker="w", incarnation="toy")
    failure = Failure(failure_class="auth", stage="download", message=f"private {EVIL}")
    daemon.write(store.fail, claim.token, failure=failure)
    listed = ctl("list", "--state", "failed").stdout
    assert "auth: private" in listed
    assert "\x1b" not in listed
    assert "auth in download" in ctl("show", ID).stdout
    assert ctl("requeue", "--failed").stdout.splitlines() == [f"{ID}: requeued, now pending", "1 requeued"]
    assert ctl("requeue", "--failed").stdout == "nothing to do\n"
    assert ctl("requeue").returncode == 2


def test_who_reads_what_is_made_anew_is_named(ctl, daemon, monkeypatch):
    def fact(name, group, reads=(), *, enabled=True):
        return AnalyzerFacts(
            name=name, title=name, group=group, level=1, tier="full", reason=None, encoders=(), lightweight=True,
            reads=reads, enabled=enabled,
        )  # fmt: skip

    facts = (
        fact("loudness", "audio"),
        fact("hook", "fusion", ("loudness",)),
        fact("virality_features", "metadata", ("hook",)),
        fact("pacing", "fusion", ("loudness",), enabled=False),
        fact("sentiment_mood", "text", ("pacing",)),
        fact("motion", "video"),
    )
    monkeypatch.setattr(daemon.runtime, "analyzers", lambda: facts)

    def again(*words):
        daemon.client.add([URL], priority=5)
        daemon.client.cancel([ID])
        return ctl("requeue", ID, *words).stderr

    note = "what reads these keeps its results; to do it again too, add: hook,sentiment_mood,virality_features\n"
    assert again("--analyzers", "loudness") == again("--analyzers", "audio") == note
    assert again("--analyzers", "loudness,hook").endswith("add: sentiment_mood,virality_features\n")
    assert again("--analyzers", "loudness", "--json") == again("--analyzers", "motion") == again() == ""


def test_ids_that_were_not_changed_are_named_and_end_with_1(ctl, daemon):
    daemon.client.add([URL], priority=5)
    assert ctl("set-priority", "10", ID).returncode == 0
    assert ctl("cancel", ID).stdout.splitlines()[0] == f"{ID}: cancelled"
    done = ctl("cancel", ID, "7000000000000000000")
    assert done.returncode == 1
    assert "it is cancelled" in done.stderr
    assert "not found" in done.stderr
    assert daemon.runtime.cancelled == [ID]


def test_lanes_are_paused_and_resumed_by_name(ctl, daemon):
    assert ctl("pause", "download").stdout == "download: paused by a person\n"
    assert daemon.runtime.paused == {"download": True, "processing": False}
    assert json.loads(ctl("resume", "--json").stdout)["download"]["paused"] is False


def test_wait_ends_when_all_is_finished_and_times_out_with_3(ctl, daemon):
    assert ctl("wait").returncode == 0
    daemon.client.add([URL], priority=5)
    done = ctl("wait", "--timeout", "0.2")
    assert done.returncode == 3
    assert done.stderr == "1 video is not finished after 0.2 s (1 pending)\n"
    with running([sys.executable, "-m", "tiktokd.cli", "--socket", str(daemon.socket_path), "wait"]) as child:
        daemon.finish(ID, {})
        assert child.wait(30) == 0


def test_waiting_for_what_is_paused_says_so(ctl, daemon):
    daemon.client.add([URL], priority=5)
    ctl("pause", "processing")
    assert "tiktokctl resume" not in ctl("wait", "--timeout", "0.1").stderr
    ctl("pause", "download")
    assert "`tiktokctl resume download`" in ctl("wait", "--timeout", "0.1").stderr.splitlines()[0]


def test_waiting_for_what_is_held_up_says_why_at_once_and_ends_with_stalled(ctl, daemon):
    daemon.client.add([URL], priority=5)
    assert ctl("wait", "--stalled", "0.1", "--timeout", "1").stderr.splitlines() == [
        "1 video is not finished after 1 s (1 pending)"  # a slow video is no obstacle
    ]
    daemon.runtime.hindered = {"download": "no connection to the network"}
    done = ctl("wait", "--stalled", "0.1")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "download is held up: no connection to the network",
        "1 video is not finished and none has got further for 0.1 s (1 pending; download held up)",
    ]
    daemon.finish(ID, {})
    assert ctl("wait", "--stalled", "0.1").returncode == 0


def test_a_terminal_without_unicode_gets_bars_of_plain_characters(ctl, daemon):
    daemon.client.add([URL], priority=5)
    daemon.finish(ID, {"loudness": envelope("loudness", speech_ratio=0.5)}, title="Füße 日本")
    shown = ctl("show", ID, env={"PYTHONIOENCODING": "ascii"}).stdout
    assert "speech ##*.. 50%" in shown or "speech ###.. 50%" in shown
    assert "title  F\\xfc\\xdfe \\u65e5\\u672c" in shown
    assert "\\u2588" not in shown


def test_cleanup_says_what_it_would_do_first(ctl, daemon):
    daemon.client.add([URL], priority=5)
    daemon.finish(ID, {})
    assert "would remove" in ctl("cleanup", "--days", "1", "--dry-run").stdout
    answer = json.loads(ctl("cleanup", "--days", "1", "--json").stdout)
    assert answer["dry_run"] is False


@pytest.mark.parametrize("name", ["out.json", "out.jsonl", "out.csv", "out.parquet"])
def test_an_export_is_written_in_the_format_of_its_name(ctl, daemon, tmp_path, name):
    daemon.client.add([URL, ID[:-1] + "9"], priority=5)
    daemon.finish(ID, {"loudness": envelope("loudness", integrated_lufs=-14.0)})
    target = tmp_path / name
    done = ctl("export", "-o", str(target))
    assert (done.returncode, done.stdout) == (0, "")
    if name == "out.json":
        videos = json.loads(target.read_text())["videos"]
        assert videos[0]["analysis"]["loudness"]["summary"]["integrated_lufs"] == -14.0
    elif name == "out.jsonl":
        assert len([json.loads(line) for line in target.read_text().splitlines()]) == 2
    else:
        table = pd.read_csv(target) if name.endswith("csv") else pd.read_parquet(target)
        assert table["loudness.integrated_lufs"].tolist()[0] == -14.0
        assert len(table) == 2


def test_segments_go_to_a_second_table(ctl, daemon, tmp_path):
    daemon.client.add([URL], priority=5)
    daemon.finish(ID, {"loudness": envelope("loudness", integrated_lufs=-14.0)})
    assert ctl("export", "-o", str(tmp_path / "o.csv"), "--segments").returncode == 0
    rows = pd.read_csv(tmp_path / "o.segments.csv")[["analyzer", "start_s", "end_s", "label"]].values.tolist()
    assert rows == [["loudness", 0.0, 1.5, "a"], ["loudness", 1.5, 2.0, "b"]]
    assert ctl("export", "-o", str(tmp_path / "o.json"), "--segments").returncode == 2
    twice = ctl("export", "-o", str(tmp_path / "o.csv"), "--segments", str(tmp_path / "." / "o.csv"))
    assert (twice.returncode, "cannot both go into" in twice.stderr) == (2, True)
    assert (tmp_path / "o.csv").read_text().startswith("id,url"), "nothing was written over"


def test_an_export_says_what_it_wrote_in_words_and_as_json(ctl, daemon, tmp_path):
    daemon.client.add([URL], priority=5)
    target = tmp_path / "out"
    assert ctl("export", "-o", str(target)).stderr == f"wrote {target} (json)\n"
    done = ctl("export", "-o", str(target), "--format", "csv", "--json")
    assert json.loads(done.stdout) == {"format": "csv", "files": [str(target)]}


@pytest.mark.parametrize("name", ["out.xml", "out.json.gz", "out.2026"])
def test_an_ending_that_is_no_format_is_asked_about_and_nothing_is_written(ctl, daemon, tmp_path, name):
    done = ctl("export", "-o", str(tmp_path / name))
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        f"{name} says no format; end it in .json, .jsonl, .csv or .parquet, or choose one with --format" in done.stderr
    )
    assert not (tmp_path / name).exists()
    assert ctl("export", "-o", str(tmp_path / name), "--format", "jsonl").returncode == 0


def test_a_line_of_jsonl_keeps_to_a_schema_of_its_own(ctl, daemon, tmp_path):
    daemon.client.add([URL], priority=5)
    schema = json.loads(ctl("export", "--schema", "--format", "jsonl").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    (line,) = ctl("export", "-o", "-", "--format", "jsonl").stdout.splitlines()
    assert not list(judge.iter_errors(json.loads(line)))
    assert list(judge.iter_errors(json.loads(line) | {"state": "asleep"}))
    assert ctl("export", "--schema", "--format", "csv").returncode == 2


def test_groups_of_analyzers_may_be_asked_for_and_duplicates_are_said_to_stay_as_they_are(ctl, daemon):
    assert ctl("add-urls", URL, "--analyzers", "audio,hook").returncode == 0
    again = ctl("add-urls", URL, "--analyzers", "audio")
    assert "duplicates stay as they are; `tiktokctl requeue --analyzers audio ID` is for finished ones" in again.stderr
    wrong = ctl("add-urls", URL, "--analyzers", "hooks")
    assert wrong.returncode == 2
    assert wrong.stderr.endswith('analyzers: "hooks" is no analyzer; did you mean hook?\n')


def test_tables_in_a_pipe_have_no_blanks_at_the_ends_of_lines(ctl, daemon):
    daemon.client.add([URL], priority=5)
    for verb in ("list", "status", "workers"):
        lines = ctl(verb).stdout.splitlines()
        assert lines == [line.rstrip() for line in lines], verb


def test_the_schema_of_an_export_goes_where_output_says(ctl, daemon, tmp_path):
    target = tmp_path / "schema.json"
    done = ctl("export", "--schema", "-o", str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {target} (JSON Schema)\n")
    assert target.read_text() == ctl("export", "--schema").stdout == ctl("export", "--schema", "-o", "-").stdout


def test_an_export_into_a_pipe_or_through_a_link_leaves_them_where_they_are(ctl, daemon, tmp_path):
    daemon.client.add([URL], priority=5)
    pipe, link, real = tmp_path / "pipe", tmp_path / "link.jsonl", tmp_path / "real.jsonl"
    os.mkfifo(pipe)
    link.symlink_to(real)
    assert ctl("export", "-o", str(link)).returncode == 0
    assert link.is_symlink()
    assert json.loads(real.read_text())["id"] == ID
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert ctl("export", "-o", str(pipe), "--format", "jsonl").returncode == 0
        assert json.loads(os.read(reader, 65536))["id"] == ID
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_an_export_goes_to_standard_output(ctl, daemon):
    daemon.client.add([URL], priority=5)
    done = ctl("export", "-o", "-", "--format", "jsonl", "--state", "pending")
    assert json.loads(done.stdout)["id"] == ID
    assert done.stderr == ""
    assert ctl("export", "-o", "-", "--since", "yesterday").returncode == 2


def test_parquet_without_pyarrow_is_said_before_anything_is_fetched(ctl, tmp_path):
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text("raise ImportError('hidden by the test')")
    done = ctl("export", "-o", str(tmp_path / "o.parquet"), env={"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"})
    assert done.returncode == 2
    assert "tiktokd[parquet]" in done.stderr
    assert not (tmp_path / "o.parquet").exists()


def test_analyzers_and_config_are_shown(ctl, tmp_path):
    shown = ctl("analyzers").stdout
    assert all(words in shown for words in ("How loud is it?", "any machine", "level", "1.2 s"))
    file = tmp_path / "c.toml"
    file.write_text('[download]\nproxy = "http://user:secret@proxy:1"\n')
    shown = ctl("--config", str(file), "config").stdout
    assert "user:***@proxy" in shown
    assert "secret" not in shown
    assert json.loads(ctl("config", "--json").stdout)["settings"]["download"]["per_minute"] == 30


def test_the_settings_that_are_shown_can_be_read_again(ctl, tmp_path):
    file, again = tmp_path / "c.toml", tmp_path / "again.toml"
    file.write_text('[analysis]\nmodels = { "openai/whisper-small" = "me/own", x = "y" }\ndata_dir = "/\\"\\\\ü"\n')
    again.write_text(ctl("--config", str(file), "config").stdout)
    assert load(again) == load(file)


def test_a_password_is_hidden_whole_whatever_it_holds(ctl, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('[download]\nproxy = "http://user:se/c@ret@proxy:1"\n')
    for words in (["config"], ["config", "--json"]):
        shown = ctl("--config", str(file), *words).stdout
        assert "http://user:***@proxy:1" in shown
        assert "ret@" not in shown


def test_a_wrong_configuration_is_reported_whole_with_exit_2(ctl, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('[download]\nper_minute = "fast"\nattempts = 0\nwrong_key = 1\n')
    done = ctl("--config", str(file), "config")
    assert done.returncode == 2
    for key in ("download.per_minute", "download.attempts", "download.wrong_key"):
        assert key in done.stderr


def test_logs_are_merged_by_time_and_followed(ctl, tmp_path, daemon):
    directory = tmp_path / "log"
    directory.mkdir()
    (directory / "tiktokd.log").write_text("2026-01-01T00:00:01Z one\n2026-01-01T00:00:03Z three\n")
    worker = directory / "cpu_worker_0.log"
    worker.write_text(f"2026-01-01T00:00:02Z two {EVIL}\n")
    env = {"TIKTOKD_DAEMON__LOG_DIR": str(directory)}
    shown = ctl("logs", env=env).stdout
    assert [line.split()[1] for line in shown.splitlines()] == ["one", "two", "three"]
    assert "\x1b" not in shown
    assert ctl("logs", "nobody", env=env).returncode == 1
    command = [sys.executable, "-m", "tiktokd.cli", "logs", "cpu_worker_0", "-f"]
    with running(command, **env) as child:
        assert "two" in child.stdout.readline()
        with worker.open("a") as file:
            file.write("2026-01-01T00:00:04Z four\n")
        assert "four" in child.stdout.readline()
        worker.rename(directory / "cpu_worker_0.log.1")
        worker.write_text("2026-01-01T00:00:05Z five\n")
        assert "five" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(WAIT_S) == 130


def test_logs_are_objects_for_scripts(ctl, tmp_path):
    log = tmp_path / "cpu_worker_0.log"
    formatter = LineFormatter("cpu_worker_0")
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "decode failed: %s", ("]no[",), None)
    record.video = ID
    try:
        raise ValueError("broken")  # noqa: TRY301
    except ValueError:
        record.exc_info = sys.exc_info()
    log.write_text(f"{formatter.format(record)}\nnot a line of ours\n")
    shown = ctl("logs", "--json", env={"TIKTOKD_DAEMON__LOG_DIR": str(tmp_path)}).stdout
    other, error = sorted(map(json.loads, shown.splitlines()), key=lambda entry: str(entry["at"] or ""))
    assert (error["level"], error["process"], error["video"]) == ("ERROR", "cpu_worker_0", ID)
    assert error["message"] == "decode failed: ]no["
    assert error["more"][-1] == "ValueError: broken"
    assert (other["at"], other["message"]) == (None, "not a line of ours")


def test_a_daemon_that_is_not_there_is_one_line_and_exit_4(ctl, tmp_path):
    done = ctl("status", at=tmp_path / "none")
    assert done.returncode == 4
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "not running" in done.stderr
    assert "systemctl start tiktokd" in done.stderr


def test_a_dead_socket_a_file_and_a_long_path_are_told_apart(ctl, tmp_path):
    dead = tmp_path / "dead"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(dead))
    (tmp_path / "file").touch()
    for at, words in ((dead, "nobody listens"), (tmp_path / "file", "not a socket"), (tmp_path / ("x" * 120), "107")):
        done = ctl("status", at=at)
        assert (done.returncode, len(done.stderr.splitlines())) == (4, 1)
        assert words in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("directory_mode", "group", "advice"),
    [(0o755, 65534, "usermod -aG"), (0o750, 1, "usermod -aG daemon"), (0o700, 1, "use sudo"), (0o750, 0, "use sudo")],
)
def test_a_socket_without_permission_says_how_to_get_it(tmp_path, directory_mode, group, advice):
    place = tmp_path / "run"
    place.mkdir()
    with toy_daemon(place) as daemon:
        os.chown(place, -1, group)
        os.chown(daemon.socket_path, -1, group)
        daemon.socket_path.chmod(0o660)
        place.chmod(directory_mode)
        for parent in place.parents[:4]:
            parent.chmod(parent.stat().st_mode | 0o011)
        code = (
            "import os, sys; os.setgroups([]); os.setgid(65533); os.setuid(65533); "
            "from tiktokd.client import Client; from pathlib import Path; "
            f"Client(Path({str(daemon.socket_path)!r})).status()"
        )
        # Loaded before the switch of the user: the interpreter may lie where only root can read.
        loaded = "import tiktokd.client, encodings.idna, http.client; "
        done = subprocess.run([sys.executable, "-c", loaded + code], capture_output=True, text=True, timeout=60)
    last = done.stderr.splitlines()[-1]
    assert "no permission" in last
    assert advice in last


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_logs_and_models_that_may_not_be_read_are_no_empty_lists(tmp_path):
    for name in ("log", "models"):
        (tmp_path / name).mkdir(mode=0o700)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)
    code = (
        "import os; from tiktokd.cli import main; from tiktokd.cli._parser import verbs; "
        "from tiktokd import config, graph; import tiktokd.models, tiktokd.client; "
        "import encodings.idna; verbs(); graph.load(); config.load(None); "
        "os.setgroups([]); os.setgid(65533); os.setuid(65533); print(main(['logs']), main(['models']))"
    )
    env = {"TIKTOKD_DAEMON__LOG_DIR": f"{tmp_path}/log", "TIKTOKD_ANALYSIS__MODELS_DIR": f"{tmp_path}/models"}
    env |= {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, **env}
    )
    assert done.stdout == "4 2\n", done.stderr
    assert [line.count("no permission") for line in done.stderr.splitlines()] == [1, 1]


def test_another_program_behind_the_socket_is_recognised(ctl, tmp_path):
    path = tmp_path / "other"
    for answer, words in (
        (b"220 mail.example ESMTP\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not tiktokd"),
        (b"HTTP/1.1 200 OK\r\nX-Tiktokd-Api: 99\r\nX-Tiktokd-Version: 9.0\r\nContent-Length: 2\r\n\r\n{}", "newer"),
        (b"HTTP/1.1 200 OK\r\nX-Tiktokd-Api: 0\r\nX-Tiktokd-Version: 0.0\r\nContent-Length: 2\r\n\r\n{}", "older"),
        (b"HTTP/1.1 200 OK\r\nX-Tiktokd-Api: 1\r\nContent-Length: 2\r\n\r\n{}", "StatusAnswer"),
    ):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()

            def serve(server=server, answer=answer):
                peer, _ = server.accept()
                peer.recv(65536)
                peer.sendall(answer)
                peer.close()

            thread = threading.Thread(target=serve)
            thread.start()
            done = ctl("status", at=path)
            thread.join(WAIT_S)
        path.unlink()
        assert done.returncode in (1, 4)
        assert len(done.stderr.splitlines()) == 1
        assert words in done.stderr


def test_colour_is_used_on_a_terminal_and_never_with_no_color(daemon):
    def on_a_terminal(**env):
        main, other = pty.openpty()
        command = [sys.executable, "-m", "tiktokd.cli", "--socket", str(daemon.socket_path), "status"]
        child = subprocess.Popen(
            command, stdout=other, stderr=other, env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **env}
        )
        os.close(other)
        found = b""
        try:
            while piece := os.read(main, 65536):
                found += piece
        except OSError:  # Linux says EIO once the other side is closed
            pass
        os.close(main)
        assert child.wait(WAIT_S) == 0
        return found

    assert b"\x1b[1m" in on_a_terminal()
    without = on_a_terminal(NO_COLOR="1")
    assert b"\x1b[3" not in without
    assert b"pending" in without


def test_doctor_works_without_a_daemon_and_says_what_to_do(ctl, tmp_path):
    done = ctl("doctor", "--json", at=tmp_path / "none")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert {
        "python", "sqlite", "yt-dlp", "curl_cffi", "decoders", "onnxruntime", "configuration", "state_dir", "disk",
        "gpu", "daemon", "ctranslate2",
    } <= set(checks)  # fmt: skip
    assert checks["daemon"]["level"] == "warn"
    assert "not running" in checks["daemon"]["found"]
    assert checks["decoders"]["level"] == "ok"
    assert "int8" in checks["ctranslate2"]["found"]
    assert checks["models"]["level"] == "warn"
    assert "google/siglip2-base-patch16-224" in checks["models"]["found"]
    assert "openai/privacy-filter" not in checks["models"]["found"], "an extra is missed by nobody"
    assert "tiktokctl models pull all" in checks["models"]["advice"]
    assert checks["analyzers"]["found"] == "all 30 are on"


def test_doctor_without_a_daemon_asks_for_the_models_of_what_is_on_alone(ctl, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKD_ANALYSIS__ANALYZERS", '["call_to_action", "loudness"]')
    done = ctl("doctor", "--json", at=tmp_path / "none")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    on = checks["analyzers"]["found"].rpartition(": ")[2].split(", ")
    assert {"call_to_action", "loudness", "on_screen_text"} <= set(on) < set(graph.load().analyzers)
    assert "intfloat/multilingual-e5-small" in checks["models"]["found"]
    assert "siglip2" not in checks["models"]["found"]
    assert "tiktokctl models pull intfloat/multilingual-e5-small" in checks["models"]["advice"]
    monkeypatch.setenv("TIKTOKD_ANALYSIS__ANALYZERS", '["loudness"]')
    done = ctl("doctor", "--json", at=tmp_path / "none")
    assert {check["name"]: check["level"] for check in json.loads(done.stdout)}["models"] == "ok"


def test_doctor_shows_every_problem_of_the_settings_on_its_own_line(ctl, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKD_ANALYSIS__ANALYZERS", '["palmistry"]')
    monkeypatch.setenv("TIKTOKD_GPU__ATTEMPTS", "0")
    done = ctl("doctor", at=tmp_path / "none")
    assert done.returncode == 1
    assert "\\x0a" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if "gpu.attempts" in line or "palmistry" in line]
    assert len(lines) == 2, done.stdout


def test_doctor_knows_which_sqlite_versions_are_sound():
    levels = [
        sqlite(v).level for v in ((3, 40, 1), (3, 44, 6), (3, 45, 0), (3, 50, 6), (3, 50, 7), (3, 51, 2), (3, 51, 3))
    ]
    assert levels == ["warn", "ok", "warn", "warn", "ok", "warn", "ok"]


def test_doctor_judges_the_age_of_yt_dlp():
    from datetime import UTC, datetime

    now = datetime(2026, 11, 1, tzinfo=UTC)
    assert [yt_dlp(v, now).level for v in (None, "2026.10.20", "2026.8.1", "2026.10.20.123456", "git")] == [
        "fail", "ok", "warn", "ok", "warn",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("", {}),
        ('[daemon]\nstate_dir = "/var/lib/x"\n', {}),
        ('[daemon]\nruntime_dir = "/run/y"\n', {}),
        ('[daemon]\nruntime_dir = "/run/y"\n', {"TIKTOKD_DAEMON__RUNTIME_DIR": "/run/z"}),
        ("", {"TIKTOKD_DAEMON__STATE_DIR": "/srv/s"}),
        ("", {"XDG_RUNTIME_DIR": "/run/user/7"}),
        ("", {"RUNTIME_DIRECTORY": "/run/tiktokd:/other"}),
        ('[download]\nper_minute = 5\n[daemon]\nlog_level = "debug"\n', {"XDG_STATE_HOME": "/home/x/s"}),
    ],
)
def test_the_quick_way_to_the_socket_agrees_with_the_settings(tmp_path, monkeypatch, text, env):
    for name in ("XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "c.toml"
    file.write_text(text)
    assert socket_path(None, str(file)) == load(file).socket_path


def test_a_broken_configuration_file_is_explained_on_the_quick_way_too(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text("[daemon\n")
    with pytest.raises(ConfigError, match="not TOML"):
        socket_path(None, str(file))
    with pytest.raises(ConfigError, match="cannot read"):
        socket_path(None, str(tmp_path / "none.toml"))


def test_starting_loads_nothing_slow():
    code = (
        "import sys; from tiktokd.cli._parser import build, verbs; build(verbs()); import tiktokd.client; "
        "print([m for m in ('pydantic', 'rich', 'aiohttp', 'numpy', 'logging', 'sqlalchemy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_file_of_100000_lines_is_queued_with_bounded_memory_and_its_ten_bad_lines_named(daemon, tmp_path):
    bad = {1, 10_000, 33_333, 33_334, 50_000, 66_666, 77_777, 90_001, 99_999, 100_000}
    file = tmp_path / "urls.txt"
    lines = (f"broken {n}" if n in bad else str(7212345678901200000 + n) for n in range(1, 100_001))
    file.write_text("\n".join(lines))
    command = [sys.executable, "-m", "tiktokd.cli", "--socket", str(daemon.socket_path), "add-urls", "-f", str(file)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, complaints = child.communicate(timeout=100)
    assert child.returncode == 1
    assert {int(line.split(":")[1]) for line in complaints.splitlines()} == bad
    assert output == "99,990 added, 0 duplicate, 10 invalid\n"
    assert daemon.client.status().counts["pending"] == 99_990


def test_memory_of_a_large_add_does_not_grow_with_the_file(daemon, tmp_path):
    def peak_kib(count):
        file = tmp_path / "urls.txt"
        file.write_text("\n".join(str(7212345678901200000 + n) for n in range(count)))
        command = [
            sys.executable,
            "-m",
            "tiktokd.cli",
            "--socket",
            str(daemon.socket_path),
            "add-urls",
            "-f",
            str(file),
        ]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        return usage.ru_maxrss

    assert peak_kib(12_000) < peak_kib(3_000) + 8 * 1024
