"""The whole program with its real workers: a made clip in, results out; a CPU worker killed on the way."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tests.live import Live, until

FPS, FRAMES, SIZE = 10, 30, (96, 160)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Live]:
    running = Live(
        tmp_path, module="tiktokd.daemon", devices="[]", more='analyzers = ["shot_boundaries", "loudness"]\n'
    )  # fmt: skip
    try:
        yield running.start()
    finally:
        if running.process is not None and running.process.poll() is None:
            running.kill()


def make_clip(path: Path) -> None:
    """Write 3 s of picture, dark for a half and bright for the other, with a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = SIZE[0], SIZE[1], "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        noise = np.random.default_rng(1)
        for number in range(FRAMES):
            level = 40 if number < FRAMES // 2 else 200
            picture = noise.integers(level, level + 20, (SIZE[1], SIZE[0], 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        tone = np.sin(np.arange(48_000 * 3) * 2 * np.pi * 440 / 48_000).astype(np.float32) * 0.1
        for start in range(0, len(tone), 1024):
            block = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate = 48_000
            container.mux(sound.encode(block))
        container.mux(sound.encode())


def test_a_local_file_is_decoded_and_analyzed_although_its_worker_is_killed_on_the_way(
    daemon: Live, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    make_clip(clip)
    daemon.all_up()
    pids = [worker["pid"] for worker in daemon.workers().values() if worker["kind"] == "cpu"]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    added = daemon.ask("POST", "/api/queue/add", {"paths": [str(clip)]})["items"][0]["id"]
    holder = until(
        lambda: [worker["pid"] for worker in daemon.workers().values() if worker["id"] == added], "a worker's hands"
    )[0]
    os.kill(holder, signal.SIGKILL)
    for pid in set(pids) - {holder}:
        os.kill(pid, signal.SIGCONT)
    until(lambda: daemon.ask("GET", f"/api/videos/{added}")["state"] == "completed", "completed", timeout_s=60)
    video = daemon.ask("GET", f"/api/videos/{added}")
    assert video["attempts"]["crashes"] == 1
    assert {name: each["status"] for name, each in video["analysis"].items()} == {
        "shot_boundaries": "ok", "loudness": "ok",
    }  # fmt: skip
    assert video["timings"]["decode_s"] > 0
    assert clip.exists(), "a person's own file stays where it is"


@pytest.mark.slow
def test_beside_a_gpu_what_both_halves_read_is_computed_once_after_decoding(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    make_clip(clip)
    names = '["shot_boundaries", "color_palette", "motion", "loudness"]'
    found = {}
    for devices in ("[]", '["cpu"]'):
        home = tmp_path / f"devices{len(devices)}"
        live = Live(home, module="tiktokd.daemon", devices=devices, more=f"analyzers = {names}\n")
        try:
            live.start()
            live.all_up()
            added = live.ask("POST", "/api/queue/add", {"paths": [str(clip)]})["items"][0]["id"]
            found[devices] = live.finished(added)
        finally:
            live.kill()
    alone, beside = found.values()
    assert {"analyze_cpu_s", "analyze_gpu_s", "shared_s"} <= beside["timings"].keys()
    assert "shared_s" not in alone["timings"]
    for name in ("shot_boundaries", "color_palette", "loudness"):
        assert beside["analysis"][name]["summary"] == alone["analysis"][name]["summary"]
