"""The spool: what is too full, what may be moved in, what is removed."""

from dataclasses import replace
from pathlib import Path

import pytest

from tiktokd.errors import ProtocolError
from tiktokd.scheduler.spool import Fill, Spool, SpoolLimits, too_full, wants_room

LIMITS = SpoolLimits(videos=10, size_bytes=1000, reserve_bytes=100)
EASY = Fill(videos=1, size_bytes=10, free_bytes=5000, disk_bytes=10_000, unfinished=1)
TOKEN = "downloading.1.1"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.make()
    made.open_attempt(TOKEN)
    return made


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"videos": 10}, "download.spool_videos is 10"),
        ({"size_bytes": 1000}, "download.spool_gib"),
        ({"free_bytes": 999}, "10% are left alone"),
        ({"free_bytes": 99}, "the disk is full"),
    ],
)
def test_each_limit_stops_downloads_with_its_reason(change: dict[str, int], reason: str) -> None:
    assert too_full(EASY, LIMITS) is None
    assert not wants_room(EASY, LIMITS)
    full = replace(EASY, **change)
    assert reason in (too_full(full, LIMITS) or "")
    assert wants_room(full, LIMITS)


def test_with_nothing_unfinished_one_download_may_start_unless_it_cannot_fit() -> None:
    full = replace(EASY, videos=99, size_bytes=9999, free_bytes=500, unfinished=0)
    assert too_full(full, LIMITS) is None
    assert too_full(replace(full, free_bytes=99), LIMITS) is not None


def test_a_download_is_moved_to_its_place(spool: Spool) -> None:
    source = spool.attempts_dir / TOKEN / "whatever.mp4"
    source.write_text("film")
    kept = spool.keep(TOKEN, source, "7123")
    assert kept == spool.media_dir / "23" / "7123.mp4"
    assert kept.read_text() == "film"
    assert not source.exists()
    assert list(spool.media()) == [kept]


@pytest.mark.parametrize("name", ["../../queue.db", "../other/video.mp4", "missing.mp4", "link.mp4", "folder"])
def test_only_a_file_in_the_attempts_own_folder_is_taken(spool: Spool, name: str) -> None:
    attempt = spool.attempts_dir / TOKEN
    (spool.attempts_dir.parent / "queue.db").touch()
    spool.open_attempt("other")
    (spool.attempts_dir / "other" / "video.mp4").touch()
    (attempt / "link.mp4").symlink_to(spool.attempts_dir.parent / "queue.db")
    (attempt / "folder").mkdir()
    with pytest.raises(ProtocolError):
        spool.keep(TOKEN, attempt / name, "7123")


@pytest.mark.parametrize("video", ["../7123", "", "a/b", ".hidden", "x" * 101])
def test_an_id_that_is_no_file_name_is_refused(spool: Spool, video: str) -> None:
    source = spool.attempts_dir / TOKEN / "v.mp4"
    source.touch()
    with pytest.raises(ProtocolError):
        spool.keep(TOKEN, source, video)


def test_nothing_outside_the_spool_is_ever_removed(spool: Spool, tmp_path: Path) -> None:
    own = tmp_path / "own.mp4"
    own.touch()
    inside = spool.media_dir / "23" / "7123.mp4"
    inside.parent.mkdir()
    inside.touch()
    spool.remove([own, inside, spool.media_dir / "23" / "gone.mp4"])
    assert own.exists()
    assert not inside.exists()


def test_making_the_folders_clears_attempts_and_keeps_media(spool: Spool, tmp_path: Path) -> None:
    kept = spool.media_dir / "23" / "7123.mp4"
    kept.parent.mkdir()
    kept.touch()
    Spool(tmp_path).make()
    assert kept.exists()
    assert list(spool.attempts_dir.iterdir()) == []
