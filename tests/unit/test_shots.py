"""Cuts, fades and dissolves on made-up thumbnails, and what must not be taken for one."""

from functools import cache

import numpy as np
import pytest

from tests.contexts import facts
from tests.written import analyze, context_of
from tiktokd.analyzers import shot_boundaries
from tiktokd.encoders import _soft_transitions as soft
from tiktokd.encoders import shots as encoder
from tiktokd.footage import Shots
from tiktokd.model import Envelope
from tiktokd.plugins import Context

FPS = 30.0
SCALE = 6
"""Canvas pixels per thumbnail cell, so that a pan of one canvas pixel moves a sixth of a cell."""


@cache
def canvas(seed, height=27 * SCALE + 200, width=48 * SCALE + 400):
    """Return a picture of smooth colour blobs of many sizes, with the contrast of a photograph."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for size in (6, 16, 48):
        coarse = random.uniform(-1, 1, (height // size + 2, width // size + 2, 3))
        picture += np.repeat(np.repeat(coarse, size, 0), size, 1)[:height, :width] * 45
    return np.clip(picture + random.uniform(70, 180, 3), 0, 255)


def scene(seed, frames, pan_px=0.0, noise=0.6):
    """Return thumbnails of one shot whose camera moves `pan_px` canvas pixels per frame."""
    big, random = canvas(seed), np.random.default_rng(seed + 1000)
    made = []
    for i in range(frames):
        x = int(i * pan_px) % 400
        view = big[100 : 100 + 27 * SCALE, x : x + 48 * SCALE]
        small = view.reshape(27, SCALE, 48, SCALE, 3).mean((1, 3))
        made.append(small + random.normal(0, noise, small.shape))
    return np.clip(np.round(np.stack(made)), 0, 255).astype(np.uint8)


def find(thumbs, fps=FPS) -> Shots:
    pts = np.arange(len(thumbs)) / fps
    return encoder.find(thumbs, pts, len(thumbs) / fps)


def frames_of(found: Shots, fps=FPS):
    return [round(t * fps) for t in found.cut_times_s()]


def test_cuts_between_seven_shots_are_found_on_their_frames(accuracy):
    lengths = (40, 25, 60, 12, 33, 50, 20)
    clip = np.concatenate([scene(seed, n, pan_px=seed % 4) for seed, n in enumerate(lengths)])
    found = find(clip)
    true = [int(n) for n in np.cumsum(lengths)[:-1]]
    exact = len(set(frames_of(found)) & set(true))
    f1 = 2 * exact / (len(frames_of(found)) + len(true))
    accuracy("cuts between seven made shots, exact frame: F1", f1, mark=1, worse="lower")
    assert len(found.shots) == 7
    assert [(s.first, s.last) for s in found.shots][1] == (40, 64)
    assert all(s.start_s <= s.keyframe_s < s.end_s for s in found.shots)


@pytest.mark.parametrize("fps", [12.0, 24.0, 60.0])
def test_cuts_do_not_depend_on_the_frame_rate(fps):
    clip = np.concatenate([scene(1, int(2 * fps), pan_px=60 / fps), scene(2, int(2 * fps), pan_px=60 / fps)])
    assert frames_of(find(clip, fps), fps) == [int(2 * fps)]


def test_a_pan_and_a_whip_pan_are_no_cuts():
    slow, fast = scene(3, 40, pan_px=3), scene(3, 16, pan_px=20)
    assert frames_of(find(np.concatenate([slow, fast]))) in ([], [40])  # the whip starts elsewhere on the canvas
    assert frames_of(find(slow)) == []
    assert frames_of(find(fast)) == []


def test_a_caption_box_that_appears_and_goes_is_no_cut():
    clip = scene(4, 90, pan_px=1)
    clip[30:60, 4:9, 4:44] = 250
    assert find(clip).transitions == ()


@pytest.mark.parametrize("rows", [(9, 20), (0, 14)])
def test_large_boxes_and_pictures_over_a_moving_picture_are_no_cut(rows):
    clip = scene(24, 90, pan_px=1)
    stripes = np.where(np.arange(48) % 6 < 3, 20, 250)[:, None]
    clip[30:60, rows[0] : rows[1], 1:47] = np.broadcast_to(stripes, (30, rows[1] - rows[0], 48, 3))[:, :, 1:47]
    assert frames_of(find(clip)) == []


def faded(clip):
    """Return a clip with a tenth of its contrast: a room in which the next person stands."""
    return ((clip.astype(float) - 128) * 0.1 + 128).astype(np.uint8)


def test_a_faint_cut_counts_where_nothing_moves_and_not_where_much_does():
    calm = np.concatenate([scene(25, 30), scene(26, 30)])
    assert frames_of(find(faded(calm))) == [30]
    restless = np.concatenate([scene(25, 30, pan_px=3), scene(26, 30, pan_px=3)])
    assert frames_of(find(faded(restless))) == []


@pytest.mark.parametrize("level", [0, 255])
def test_a_flash_is_no_cut(level):
    clip = scene(5, 60, pan_px=1)
    clip[30:33] = level
    assert frames_of(find(clip)) == []


def test_a_short_busy_shot_between_two_calm_ones_of_other_colours_is_no_flash():
    calm, other = faded(scene(34, 30)), faded(scene(35, 30)) + np.uint8(8)
    assert frames_of(find(np.concatenate([calm, scene(36, 10), other]))) == [30, 40]


def test_a_picture_that_is_shown_for_a_moment_within_a_shot_is_no_cut():
    clip = scene(37, 60, pan_px=2)
    clip[30:38] = scene(38, 8)
    assert frames_of(find(clip)) == []


def test_a_flash_between_two_shots_is_one_cut():
    clip = np.concatenate([scene(6, 30), np.full((3, 27, 48, 3), 255, np.uint8), scene(7, 30)])
    assert len(find(clip).cut_times_s()) == 1


def test_a_hand_before_the_lens_is_no_cut():
    clip = scene(8, 60).astype(float)
    hand = scene(9, 1)[0].astype(float)
    for step, i in enumerate(range(20, 40)):
        edge = min(48, 6 * min(step, 19 - step))
        clip[i, :, :edge] = hand[:, 48 - edge :] if edge else clip[i, :, :0]
    assert frames_of(find(clip.astype(np.uint8))) == []


def test_a_change_of_light_is_no_cut():
    clip = scene(10, 60).astype(float)
    clip[30:] = np.clip(clip[30:] * 0.55, 0, 255)
    assert frames_of(find(clip.astype(np.uint8))) == []


def test_a_cut_is_seen_between_black_bars():
    clip = np.zeros((60, 27, 48, 3), np.uint8)
    clip[:, 9:18] = np.concatenate([scene(11, 30), scene(12, 30)])[:, 9:18]
    assert frames_of(find(clip)) == [30]


def test_a_cut_where_frames_were_dropped_is_on_the_first_frame_of_the_new_shot():
    clip = np.concatenate([scene(13, 40, pan_px=2), scene(14, 40, pan_px=2)])
    keep = np.sort(np.random.default_rng(0).choice(80, 55, replace=False))
    pts = keep / FPS
    found = encoder.find(clip[keep], pts, 80 / FPS)
    assert found.cut_times_s() == [float(pts[pts >= 40 / FPS][0])]


@pytest.mark.parametrize("dropped", [3, 4])
def test_a_cut_is_found_behind_dropped_frames_of_a_camera_that_moves(dropped):
    clip = np.concatenate([scene(27, 40, pan_px=2), scene(28, 40, pan_px=2)])
    keep = np.array([*range(41 - dropped), *range(41, 80)])
    assert encoder.find(clip[keep], keep / FPS, 80 / FPS).cut_times_s() == [41 / FPS]


def test_a_dissolve_is_found_with_its_start_and_end():
    a, b = scene(15, 90, pan_px=1).astype(float), scene(16, 90, pan_px=1).astype(float)
    alpha = np.clip((np.arange(90) - 30) / 20, 0, 1)[:, None, None, None]
    found = find(((1 - alpha) * a + alpha * b).astype(np.uint8))
    assert [t.kind for t in found.transitions] == ["dissolve"]
    assert found.transitions[0].start_s == pytest.approx(1.0, abs=0.14)
    assert found.transitions[0].end_s == pytest.approx(50 / 30, abs=0.14)
    assert len(found.shots) == 2


@pytest.mark.parametrize("shown", [14, 40])
def test_dissolves_into_a_plain_picture_and_out_of_it_are_two(shown):
    a, b = scene(31, 160, pan_px=1).astype(float), scene(32, 160, pan_px=1).astype(float)
    road = np.clip((a.mean() + b.mean()) / 2 + (scene(33, 160, pan_px=1) - 128.0) * 0.35, 0, 255)
    into = np.clip((np.arange(160) - 30) / 15, 0, 1)[:, None, None, None]
    out_of = np.clip((np.arange(160) - 45 - shown) / 20, 0, 1)[:, None, None, None]
    clip = (1 - into) * a + into * ((1 - out_of) * road + out_of * b)
    found = find(np.clip(clip, 0, 255).astype(np.uint8))
    assert [t.kind for t in found.transitions] == ["dissolve", "dissolve"]
    for transition, (first, last) in zip(found.transitions, ((30, 45), (45 + shown, 65 + shown)), strict=True):
        assert transition.start_s == pytest.approx(first / FPS, abs=0.14)
        assert transition.end_s == pytest.approx(last / FPS, abs=0.14)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_dissolve_that_starts_and_ends_smoothly_is_found(reverse):
    a, b = scene(15, 90, pan_px=1).astype(float), scene(16, 90, pan_px=1).astype(float)
    t = np.clip((np.arange(90) - 25) / 30, 0, 1)
    cubic = np.where(t < 0.5, 4 * t**3, 1 - (2 - 2 * t) ** 3 / 2)[:, None, None, None]
    clip = ((1 - cubic) * a + cubic * b).astype(np.uint8)
    assert [t.kind for t in find(clip[:: -1 if reverse else 1]).transitions] == ["dissolve"]


def test_fades_from_and_to_black_are_found_and_black_is_marked():
    clip = scene(17, 150).astype(float)
    light = np.concatenate([np.zeros(30), np.linspace(0, 1, 25), np.ones(40), np.linspace(1, 0, 25), np.zeros(30)])
    found = find((clip * light[:, None, None, None]).astype(np.uint8))
    assert [t.kind for t in found.transitions] == ["fade", "fade"]
    assert found.transitions[0].start_s == pytest.approx(1.0, abs=0.1)
    assert found.transitions[1].end_s == pytest.approx(4.0, abs=0.1)
    assert [s.black for s in found.shots] == [True, False, True]


@pytest.mark.parametrize("lengths", [(12, 12), (18, 12)])
@pytest.mark.parametrize("offset", range(4))
def test_a_dip_to_black_between_two_shots_is_two_fades(lengths, offset):
    a, b = scene(29, 40 + offset, pan_px=1).astype(float), scene(30, 60, pan_px=1).astype(float)
    out, back = lengths
    a[-out:] *= np.linspace(1 - 1 / out, 0, out)[:, None, None, None]
    b[:back] *= np.linspace(1 / back, 1, back)[:, None, None, None]
    found = find(np.concatenate([a, b]).astype(np.uint8))
    assert [t.kind for t in found.transitions] == ["fade", "fade"]
    first, second = found.transitions
    assert first.start_s == pytest.approx((len(a) - out) / FPS, abs=0.07)
    assert second.end_s == pytest.approx((len(a) + back) / FPS, abs=0.07)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_cut_to_or_from_the_middle_of_a_dissolve_is_no_part_of_it(reverse):
    a, b = scene(15, 80).astype(float), scene(16, 80).astype(float)
    share = np.concatenate([np.zeros(30), np.linspace(0.2, 1, 20), np.ones(30)])[:, None, None, None]
    clip = ((1 - share) * a + share * b).astype(np.uint8)[:: -1 if reverse else 1]
    cut = 50 if reverse else 30
    (found,) = soft.find(clip, np.arange(80) / FPS, [cut], lambda _i, _k: 40.0)
    assert (found.first, found.last) == (30, 49)


BLACK = np.zeros((30, 27, 48, 3), np.uint8)


@pytest.mark.parametrize(
    ("parts", "cuts"),
    [
        ((BLACK, scene(33, 75)), []),
        ((scene(33, 75), BLACK), []),
        ((BLACK, scene(33, 45), scene(34, 45)), [75]),
        ((scene(33, 45), BLACK, scene(34, 45)), [75]),
        ((scene(33, 45), scene(34, 45), scene(35, 45)), [45, 90]),
    ],
    ids=["black start", "black end", "black start and a cut", "black between", "no black"],
)
def test_the_hard_edge_of_black_is_no_cut_for_any_analyzer(parts, cuts):
    found = find(np.concatenate(parts))
    media = facts(duration_s=sum(map(len, parts)) / FPS, frames=sum(map(len, parts)), audio=False)
    result = shot_boundaries.analyze(Context(facts=media, features={"shots": found}))
    assert [round(t * FPS) for t in result.output.cut_times_s] == cuts
    assert [t.t_s for t in result.output.transitions] == result.output.cut_times_s
    assert result.output.shot_count == len(cuts) + 1
    envelope = Envelope(
        analyzer="shot_boundaries",
        version="1",
        status="ok",
        tier="lite",
        summary=result.output.model_dump(),
        segments=[segment.model_dump() for segment in result.segments],
    )
    context = context_of(outputs=[envelope], duration_s=media.duration_s)
    assert analyze("hook", context).summary["cuts_0_3"] == sum(cut < 3.0 * FPS for cut in cuts)
    seconds = analyze("pacing", context).segments
    assert [s["cuts"] for s in seconds] == [sum(cut // FPS == s["start_s"] for cut in cuts) for s in seconds]


def test_one_frame_is_one_shot():
    found = find(scene(18, 1))
    assert [(s.first, s.last) for s in found.shots] == [(0, 0)]
    assert found.transitions == ()


def test_the_same_video_alone_and_in_a_batch_gives_the_same_shots():
    def item(seed):
        clip = np.concatenate([scene(seed, 20), scene(seed + 1, 20)])
        return encoder.Thumbnails(thumbs=clip, pts=np.arange(40) / FPS, end_s=40 / FPS)

    items = [item(20), item(30)]
    together = encoder.ENCODER.encode(None, items)
    alone = [encoder.ENCODER.encode(None, [i])[0] for i in items]
    assert [t.transitions for t in together] == [a.transitions for a in alone]
