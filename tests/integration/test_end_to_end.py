"""The whole program as a person uses it: clips in, one JSON file of analyses out, whatever the clips are like."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bench import samples
from tests.live import until
from tiktokd import plugins

BIN = Path(sys.executable).parent
SCHEMA = Path(__file__).resolve().parents[2] / "tiktokd" / "data" / "export.schema.json"
WAIT_S = 110


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Analyze two clips, one without sound and one that is not a video, and return the export."""
    home = tmp_path_factory.mktemp("end-to-end")
    clips = samples.make(home / "clips", count=2, seconds=4, size=(288, 512))
    broken = home / "clips" / "page.mp4"
    broken.write_text("<html><body>Please wait...</body></html>")
    environment = os.environ | {
        "TIKTOKD_DAEMON__STATE_DIR": str(home / "state"),
        "TIKTOKD_CPU__WORKERS": "1",
        "TIKTOKD_DOWNLOAD__WORKERS": "0",
        "TIKTOKD_GPU__ATTEMPTS": "1",
        "TIKTOKD_ANALYSIS__SLOTS": "2",
    }
    daemon = subprocess.Popen([BIN / "tiktokd"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run = lambda *words: subprocess.run(  # noqa: E731
            [BIN / "tiktokctl", *words], env=environment, capture_output=True, text=True, timeout=WAIT_S
        )
        until(lambda: run("status").returncode == 0, "the daemon answers")
        added = run("add-files", str(home / "clips"))
        assert "3" in added.stdout + added.stderr
        assert run("wait", "--timeout", str(WAIT_S - 10)).returncode == 0
        out = home / "results.json"
        assert run("export", "-o", str(out)).returncode == 0
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
    export = json.loads(out.read_text())
    return export, [p.name for p in clips]


def test_every_clip_has_a_result_of_every_analyzer_with_a_reason_where_there_is_none(results):
    export, names = results
    done = {v["url"].rpartition("/")[2]: v for v in export["videos"] if v["state"] == "completed"}
    assert sorted(done) == sorted(names)
    for video in done.values():
        assert sorted(video["analysis"]) == plugins.names("tiktokd.analyzers")
        for envelope in video["analysis"].values():
            assert envelope["status"] in ("ok", "partial", "skipped"), envelope
            assert (envelope["reason"] is None) == (envelope["status"] == "ok"), envelope


def test_what_is_not_a_video_fails_with_what_was_found_and_the_others_go_on(results):
    export, _names = results
    failed = [v for v in export["videos"] if v["state"] == "failed"]
    assert [v["url"].rpartition("/")[2] for v in failed] == ["page.mp4"]
    assert failed[0]["error"]["class"] in ("permanent", "unsupported")
    assert failed[0]["error"]["stage"] == "decode"
    assert failed[0]["analysis"] == {}


def test_the_export_keeps_to_its_own_schema(results):
    export, _names = results
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    problems = [
        f"{list(e.path)}: {e.message[:200]}" for e in jsonschema.Draft202012Validator(schema).iter_errors(export)
    ]
    assert problems == []


def test_what_the_clips_show_is_what_is_found(results):
    export, names = results
    for video in export["videos"]:
        name = video["url"].rpartition("/")[2]
        if name not in names:
            continue
        truth = samples.truth(names.index(name), 4)
        found = video["analysis"]["shot_boundaries"]["summary"]["cut_times_s"]
        assert found == pytest.approx(list(truth.cuts_s), abs=0.05)
