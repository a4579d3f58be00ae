"""Copies through the whole program: two files in, and the second one names the first. Real workers, real clips."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from bench import samples
from tests.analysis import media
from tests.live import Live, until
from tests.sounds import song
from tiktokd.analyzers.near_duplicate_video import NearDuplicateVideo
from tiktokd.analyzers.sound_fingerprint import SoundFingerprintOutput

PICTURE, SOUND = "near_duplicate_video", "sound_fingerprint"
DONE_S = 100.0
SIZE, SECONDS, RATE_HZ = (288, 512), 8, 32_000


@contextmanager
def running(home: Path) -> Iterator[Live]:
    daemon = Live(home, module="tiktokd.daemon", devices="[]", more=f'analyzers = ["{PICTURE}", "{SOUND}"]\n')
    try:
        yield daemon.start()
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


def add(daemon: Live, path: Path) -> str:
    return daemon.ask("POST", "/api/queue/add", {"paths": [str(path)]})["items"][0]["id"]


def results(daemon: Live, id_: str) -> tuple[NearDuplicateVideo | None, SoundFingerprintOutput | None]:
    """Wait for a video; return what its picture and its sound match."""
    state = lambda: daemon.ask("GET", f"/api/videos/{id_}")["state"] in ("completed", "failed")  # noqa: E731
    until(state, f"{id_} done", timeout_s=DONE_S)
    analysis: dict[str, Any] = daemon.ask("GET", f"/api/videos/{id_}")["analysis"]
    usable = {name: each["summary"] for name, each in analysis.items() if each["status"] in ("ok", "partial")}
    return (
        NearDuplicateVideo.model_validate(usable[PICTURE]) if PICTURE in usable else None,
        SoundFingerprintOutput.model_validate(usable[SOUND]) if SOUND in usable else None,
    )


def encode(source: Path, target: Path, *, crf: int, seed: int) -> Path:
    """Write the clip once more, with a made-up song."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        video = new.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": str(crf)})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = new.add_stream("aac", rate=RATE_HZ, layout="mono")
        for frame in old.decode(video=0):
            new.mux(video.encode(frame))
        new.mux(video.encode(None))
        music = song(seed, SECONDS, RATE_HZ).astype(np.float32)
        for start in range(0, len(music), 1024):
            block = av.AudioFrame.from_ndarray(music[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate = RATE_HZ
            new.mux(sound.encode(block))
        new.mux(sound.encode(None))
    return target


def test_a_clip_encoded_again_names_the_first_one_also_after_kill_9(tmp_path: Path) -> None:
    silent = samples.make(tmp_path / "clips", count=2, seconds=SECONDS, size=SIZE, sound=False)
    first, other = (encode(clip, tmp_path / f"{n}.mp4", crf=23, seed=n) for n, clip in enumerate(silent))
    again, later = (encode(silent[0], tmp_path / f"{crf}.mp4", crf=crf, seed=0) for crf in (28, 30))
    with running(tmp_path / "home") as daemon:
        original = add(daemon, first)
        for id_ in (original, add(daemon, other)):
            picture, sound = results(daemon, id_)
            assert picture is not None
            assert sound is not None
            assert (picture.matches, sound.matches) == ([], [])
        picture, sound = results(daemon, copy := add(daemon, again))
        assert picture is not None
        assert [(m.video_id, m.kind) for m in picture.matches] == [(original, "exact")]
        assert picture.matches[0].matched_ratio > 0.8
        assert picture.duplicate_cluster_id == original
        assert sound is not None
        assert [m.video_id for m in sound.matches or ()] == [original]
        assert (sound.sound_cluster_id, sound.reuse_count) == (original, 1)
        daemon.kill()
        daemon.start()
        picture, _ = results(daemon, add(daemon, later))
        assert picture is not None
        assert {m.video_id for m in picture.matches} == {original, copy}
        assert picture.duplicate_cluster_id == original
        assert not [line for line in daemon.said().splitlines() if "cannot compare" in line]


def test_real_copies_and_reused_sounds_are_found(tmp_path: Path) -> None:
    cuts, banner, mirrored = (
        media("clips", f"{name}.mp4")
        for name in ("c02_hardcuts_music", "c03_neardup_of_c02", "x03_c02_mirrored_repost")
    )
    speech, framed = (media("composites", f"{name}.mp4") for name in ("captions_speech", "near_duplicate"))
    music, faster = (media("composites", f"{name}.mp4") for name in ("cuts_music", "sound_reuse"))
    with running(tmp_path) as daemon:
        ids = {path: add(daemon, path) for path in (cuts, speech, music)}
        assert [found.matches for path in ids if (found := results(daemon, ids[path])[0])] == [[], [], []]
        later = {path: add(daemon, path) for path in (banner, mirrored, framed, faster)}
        found = {path: results(daemon, later[path]) for path in later}
        for path, original in ((banner, cuts), (mirrored, cuts), (framed, speech)):
            assert found[path][0] is not None
            assert ids[original] in [m.video_id for m in found[path][0].matches], path.name
            assert found[path][0].duplicate_cluster_id == ids[original], path.name
        sound = found[faster][1]
        assert sound is not None
        assert [m.video_id for m in sound.matches or ()] == [ids[music]]
        assert sound.matches is not None
        assert sound.matches[0].speed_ratio == pytest.approx(1.1, abs=0.006)
        assert sound.matches[0].offset_s == pytest.approx(0.0, abs=0.1)
