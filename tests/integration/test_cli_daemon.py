"""The way of a person through the whole program: real daemon, real workers, real video, `tiktokctl` as a process."""

import json
import os
import subprocess
import sys

import pytest

from bench.samples import make
from tests.live import Live

ANALYZERS = ("loudness", "shot_boundaries")


@pytest.mark.slow
def test_files_go_in_and_analyses_come_out_over_a_restart(tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    make(clips, count=1, seconds=2.0)
    (clips / "broken.mp4").write_bytes(b"<html>not a video</html>")
    more = "\n[cleanup]\ndays = 7\n"
    live = Live(tmp_path, module="tiktokd.daemon", devices="[]", more=more)
    live.config.write_text(live.config.read_text().replace("workers = 2\nper_minute", "workers = 0\nper_minute"))
    live.config.write_text(
        live.config.read_text().replace("[analysis]", '[analysis]\nanalyzers = ["audio", "production_format"]')
    )
    live.start()

    def ctl(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "tiktokd.cli", "--config", str(live.config), *words],
            capture_output=True, text=True, timeout=100, env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    try:
        assert "processing: paused" in ctl("pause", "processing")
        assert "2 added" in ctl("add-files", str(clips), "-p", "9", "--analyzers", ",".join(ANALYZERS))
        assert live.terminate() == 0
        live.start()
        lanes = {lane["lane"]: lane["paused"] for lane in json.loads(ctl("status", "--json"))["lanes"]}
        assert lanes == {"download": False, "processing": True}
        ctl("resume")
        ctl("wait", "--timeout", "90")
        rows = {row["state"]: row for row in json.loads(ctl("list", "--json"))}
        assert set(rows) == {"completed", "failed"}
        assert rows["failed"]["error"]["class"] in ("permanent", "unsupported")
        video = json.loads(ctl("show", rows["completed"]["id"], "--json"))
        assert set(video["analysis"]) == set(ANALYZERS)
        assert {envelope["status"] for envelope in video["analysis"].values()} <= {"ok", "partial"}  # it is short
        assert "loudness" in ctl("show", rows["completed"]["id"])
        facts = json.loads(ctl("analyzers", "--json"))
        named = {each["name"] for each in facts if each["group"] == "audio"} | {"production_format"}
        read = {"on_screen_text"}
        assert {each["name"] for each in facts if each["enabled"]} == named | read, "what runs, named or read"
        assert "off: neither in analysis.analyzers nor read by one that is" in ctl("analyzers")
        checks = {check["name"]: check for check in json.loads(ctl("doctor", "--json"))}
        assert checks["analyzers"]["found"].startswith("8 of 30 on")
        assert "on_screen_text" in checks["analyzers"]["found"]
        ctl("export", "-o", str(tmp_path / "out.json"), "--state", "completed")
        exported = json.loads((tmp_path / "out.json").read_text())
        assert exported["videos"][0]["analysis"]["loudness"] == video["analysis"]["loudness"]
        assert exported["stats"]["counts"]["failed"] == 1
        assert "completed" in ctl("logs", "tiktokd")
        assert "to be analyzed again" in ctl("requeue", rows["completed"]["id"], "--analyzers", "loudness")
        ctl("wait", "--timeout", "60")
        before = json.loads(ctl("show", rows["completed"]["id"], "--json"))["analysis"]
        ctl("requeue", rows["completed"]["id"], "--analyzers", "pacing")
        ctl("wait", "--timeout", "60")
        after = json.loads(ctl("show", rows["completed"]["id"], "--json"))["analysis"]
        read = {"motion", "music_analysis", "vocal_delivery", "speech_transcription"}
        assert set(after) == {*before, "pacing", *read}, "what it reads and was never there runs with it"
        assert before["shot_boundaries"] == after["shot_boundaries"], "to the time that it took: it did not run again"
        assert after["pacing"]["reason"] == "too_short"
        assert json.loads(ctl("doctor", "--json"))[-1]["name"] in ("models", "daemon")
    finally:
        live.kill()
