"""Picture analyzers on real footage whose cuts, freezes, bars, loops and copies are known (../shared/media)."""

import json
from functools import cache
from itertools import combinations

import pytest

from tests.analysis import MEDIA, analyze_file, media
from tiktokd import copies

NAMES = ("visual_quality", "shot_boundaries", "motion", "color_palette", "near_duplicate_video", "loopability")
FRAME_S = 1 / 30
COPIES = {
    frozenset(("c02_hardcuts_music.mp4", "c03_neardup_of_c02.mp4")),
    frozenset(("c02_hardcuts_music.mp4", "x03_c02_mirrored_repost.mp4")),
    frozenset(("c03_neardup_of_c02.mp4", "x03_c02_mirrored_repost.mp4")),
    frozenset(("c11_autocaptions.mp4", "x02_c11_vfr.mp4")),
}


def truth(folder):
    path = MEDIA / folder / "ground_truth.json"
    return json.loads(path.read_text()) if path.exists() else {}


CLIPS, COMPOSITES = truth("clips"), truth("composites")
MADE = [("clips", n) for n in CLIPS if not n.startswith("x01")]
MADE += [("composites", n) for n in COMPOSITES if "cuts_s" in COMPOSITES[n] or n in ("loop.mp4", "black_freeze.mp4")]


@cache
def analyzed(folder, name):
    return analyze_file(media(folder, name), NAMES)


def known(folder, name):
    return (CLIPS if folder == "clips" else COMPOSITES)[name]


def matched(found, expected, tolerance_s):
    """Return how many expected times have a found one of their own within the tolerance."""
    left, hits = sorted(found), 0
    for time_s in sorted(expected):
        near = [f for f in left if abs(f - time_s) <= tolerance_s]
        if near:
            left.remove(min(near, key=lambda f: abs(f - time_s)))
            hits += 1
    return hits


@pytest.mark.skipif(not MADE, reason="no ../shared/media")
@pytest.mark.parametrize(("folder", "name"), [m for m in MADE if known(*m).get("cuts_s") is not None])
def test_every_cut_is_found_on_its_frame_and_nothing_else(folder, name, accuracy):
    found = analyzed(folder, name)["shot_boundaries"].summary["cut_times_s"]
    expected = known(folder, name)["cuts_s"]
    if known(folder, name).get("fps", 30) is None:
        # A third of the frames was dropped: a cut lies between two frames.
        assert matched(found, expected, 0.14) == len(expected) == len(found)
    else:
        hits = matched(found, expected, FRAME_S + 1e-3)
        f1 = 2 * hits / (len(expected) + len(found)) if expected or found else 1.0
        accuracy("cuts of real clips, within a frame: F1", f1, mark=1, worse="lower")


@pytest.mark.skipif(not CLIPS, reason="no ../shared/media")
def test_soft_transitions_are_found_with_their_kinds():
    found = analyzed("clips", "c12_transitions.mp4")["shot_boundaries"].summary["transitions"]
    soft = [(t["kind"], t["start_s"], t["end_s"]) for t in found if t["kind"] != "cut"]
    assert [s[0] for s in soft] == ["fade", "dissolve", "fade"]
    for (_kind, start_s, end_s), (first_s, last_s) in zip(soft, ((1.5, 2.5), (8, 9), (13, 14)), strict=True):
        assert start_s == pytest.approx(first_s, abs=0.15)
        assert end_s == pytest.approx(last_s, abs=0.15)


@pytest.mark.skipif(not MADE, reason="no ../shared/media")
@pytest.mark.parametrize(("folder", "name"), [m for m in MADE if "slides" not in known(*m)])
def test_black_and_frozen_stretches_are_found_to_a_frame_or_two(folder, name):
    segments = analyzed(folder, name)["visual_quality"].segments
    wanted = known(folder, name)
    for kind, expected in (
        ("black", wanted.get("black_s", wanted.get("black", []))),
        ("frozen", wanted.get("freeze_s", wanted.get("frozen", []))),
    ):
        found = [(s["start_s"], s["end_s"]) for s in segments if s["kind"] == kind]
        assert len(found) == len(expected), (kind, found)
        for span, true_span in zip(found, expected, strict=True):
            # A fade's first frame is darker than what compression leaves of black.
            assert span == pytest.approx(tuple(true_span), abs=1.1 * FRAME_S)


@pytest.mark.skipif(not COMPOSITES, reason="no ../shared/media")
def test_bars_are_found_to_two_pixels():
    box = analyzed("composites", "black_freeze.mp4")["visual_quality"].summary["letterbox"]
    expected = COMPOSITES["black_freeze.mp4"]["letterbox_px"]
    assert (box["top_px"], box["bottom_px"]) == pytest.approx((expected["top"], expected["bottom"]), abs=2)
    assert (box["left_px"], box["right_px"], box["fill"]) == (0, 0, "plain")


@pytest.mark.skipif(not CLIPS, reason="no ../shared/media")
def test_copies_find_each_other_and_other_videos_do_not():
    names = [n for _folder, n in MADE if n in CLIPS]
    hashes = {
        n: copies.VideoHashes.from_json(analyzed("clips", n)["near_duplicate_video"].summary["pdq"]) for n in names
    }
    found = {frozenset((a, b)): copies.match(hashes[a], hashes[b]) for a, b in combinations(names, 2)}
    assert {pair for pair, match in found.items() if match} == {c for c in COPIES if c <= set(names)}
    mirrored = found[frozenset(("c02_hardcuts_music.mp4", "x03_c02_mirrored_repost.mp4"))]
    assert mirrored is not None
    assert mirrored.mirrored
    assert abs(mirrored.offset_s) <= 0.5


@pytest.mark.skipif(not COMPOSITES, reason="no ../shared/media")
def test_a_loop_is_perfect_and_a_video_that_repeats_itself_is_found():
    assert analyzed("composites", "loop.mp4")["loopability"].summary["perfect_loop"]
    period_s = CLIPS["c05_loop.mp4"]["loop"]["period_s"]
    assert analyzed("clips", "c05_loop.mp4")["loopability"].summary["repeat_period_s"] == pytest.approx(
        period_s, abs=0.1
    )
    others = [m for m in MADE if not known(*m).get("loop")]
    assert all(not analyzed(*m)["loopability"].summary["perfect_loop"] for m in others)


@pytest.mark.skipif(not COMPOSITES, reason="no ../shared/media")
@pytest.mark.parametrize(
    ("folder", "name", "labels"),
    [
        ("composites", "slideshow.mp4", {"slideshow"}),
        ("composites", "split_screen.mp4", {"split_screen"}),
        ("composites", "black_freeze.mp4", {"letterboxed"}),
        ("clips", "c05_loop.mp4", set()),
    ],
)
def test_formats_are_told_apart(folder, name, labels):
    found = analyze_file(media(folder, name), ["production_format"])["production_format"]
    assert {f["label"] for f in found.summary["formats"]} == labels
