"""From what TransNet V2 says of each frame to cuts, fades and dissolves on their frames. No network runs here."""

from itertools import pairwise

import numpy as np
import pytest

from tests.contexts import clip_of, facts
from tests.unit.test_shots import scene
from tiktokd.encoders import shots, transnetv2
from tiktokd.plugins import Context

FPS = 30.0


def said(frames, middle=(), part=None):
    """Return (frames, 2): sure of a middle at `middle`, of belonging at `part`, or there as well."""
    sure = np.full((frames, 2), 0.01, np.float32)
    sure[list(middle), 0] = 0.9
    sure[list(middle if part is None else part), 1] = 0.9
    return sure


def found(sure, thumbs):
    return transnetv2.transitions(sure, thumbs, np.arange(len(thumbs)) / FPS)


def cuts(sure, thumbs):
    return [span.after for span in found(sure, thumbs) if span.kind == "cut"]


@pytest.mark.parametrize("frames", [2, 25, 49, 50, 51, 75, 100, 101, 137])
def test_the_middles_of_the_windows_are_every_frame_once(frames):
    thumbs = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, 27, 48, 3))
    windows = transnetv2.windows(thumbs)
    assert {w.shape for w in windows} == {(100, 27, 48, 3)}
    joined = np.concatenate([w[25:75] for w in windows])
    np.testing.assert_array_equal(joined[:frames], thumbs)
    assert len(joined) - frames < 50
    assert (windows[0][:25] == 0).all()
    assert (windows[-1][-25:] == frames - 1).all()


def test_a_cut_is_on_the_frame_after_the_last_of_the_old_shot():
    thumbs = np.concatenate([scene(1, 30), scene(2, 30)])
    spans = found(said(60, [29]), thumbs)
    assert [(s.kind, s.before, s.after, s.score) for s in spans] == [("cut", 29, 30, 0.9)]


@pytest.mark.parametrize("middle", [(28,), (30,), (28, 29), (29, 30), (27, 28, 29, 30, 31, 32)])
def test_a_cut_that_is_said_a_frame_off_or_broadly_is_put_where_the_picture_changes(middle):
    thumbs = np.concatenate([scene(1, 30, pan_px=1), scene(2, 30, pan_px=1)])
    assert cuts(said(60, middle), thumbs) == [30]


def test_shots_of_a_few_frames_stay_apart_where_the_frames_that_belong_run_together():
    thumbs = np.concatenate([scene(1, 30), scene(2, 3), scene(3, 30)])
    assert cuts(said(63, [29, 32], range(27, 36)), thumbs) == [30, 33]


def mixed(one, other, first, last):
    """Return a video that is `one`, then between `first` and `last` a mix, then `other`."""
    alpha = np.clip((np.arange(len(one)) - first) / (last - first), 0, 1)[:, None, None, None]
    return ((1 - alpha) * one + alpha * other).astype(np.uint8)


def test_a_dissolve_reaches_from_the_last_old_frame_to_the_first_new_one():
    thumbs = mixed(scene(1, 90, pan_px=1).astype(float), scene(2, 90, pan_px=1).astype(float), 30, 50)
    spans = found(said(90, [40], range(31, 50)), thumbs)
    assert [(s.kind, s.before, s.after) for s in spans] == [("dissolve", 30, 50)]


def test_a_change_by_way_of_black_is_a_fade_out_and_a_fade_in_around_one_boundary():
    light = np.abs(np.linspace(-1, 1, 21))
    thumbs = np.concatenate([scene(1, 40), scene(2, 40)]).astype(float)
    thumbs[30:51] *= light[:, None, None, None]
    spans = found(said(80, [40], range(31, 50)), thumbs.astype(np.uint8))
    assert [(s.kind, s.before, s.after) for s in spans] == [("fade", 30, 40), ("fade", 40, 50)]


def test_black_between_two_fades_is_left_to_neither():
    light = np.concatenate([np.linspace(1, 0, 11), np.zeros(9), np.linspace(0, 1, 11)])
    thumbs = np.concatenate([scene(1, 45), scene(2, 45)]).astype(float)
    thumbs[30:61] *= light[:, None, None, None]
    spans = found(said(90, [45], range(31, 60)), thumbs.astype(np.uint8))
    assert [(s.kind, s.before, s.after) for s in spans] == [("fade", 30, 40), ("fade", 50, 60)]


def test_a_fade_from_black_is_one_fade():
    light = np.clip((np.arange(60) - 20) / 20, 0, 1)[:, None, None, None]
    spans = found(said(60, [30], range(21, 40)), (scene(1, 60) * light).astype(np.uint8))
    assert [(s.kind, s.before, s.after) for s in spans] == [("fade", 20, 40)]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_network_says_transitions_follow_one_another_and_shots_cover_the_video(seed):
    random = np.random.default_rng(seed)
    thumbs = np.concatenate([scene(i, int(random.integers(1, 25)), pan_px=i % 3) for i in range(seed, seed + 5)])
    if seed % 2:
        thumbs[5:8] = 0
    pts = np.arange(len(thumbs)) / FPS
    sure = np.clip(random.normal(0.4, 0.3, (len(thumbs), 2)), 0, 1).astype(np.float32)
    spans = transnetv2.transitions(sure, thumbs, pts)
    assert all(s.before < s.after < len(thumbs) for s in spans)
    assert all(one.after <= next_.before for one, next_ in pairwise(spans))
    assert all(0.5 <= s.score <= 1 for s in spans)
    parts = shots.split(thumbs, pts, [transnetv2.timed(s, pts) for s in spans], len(thumbs) / FPS)
    assert [p.first for p in parts[1:]] == [p.last + 1 for p in parts[:-1]]
    assert (parts[0].first, parts[-1].last) == (0, len(thumbs) - 1)


@pytest.mark.parametrize("middle", [(29, 32), (31,)])
def test_a_flash_is_no_transition_whether_it_is_said_to_be_two_or_one(middle):
    thumbs = scene(1, 60)
    thumbs[30:33] = 255
    assert found(said(60, middle, range(29, 33)), thumbs) == []


def test_what_comes_back_after_a_while_is_two_cuts():
    thumbs = np.concatenate([scene(1, 30), scene(2, 15), scene(1, 30)])
    assert cuts(said(75, [29, 44]), thumbs) == [30, 45]


def test_the_last_frame_ends_no_shot():
    assert found(said(30, [29]), scene(1, 30)) == []


def test_what_no_picture_confirms_is_taken_from_the_network_alone():
    assert cuts(said(60, [29]), scene(1, 60, noise=0.0)) == [30]


def test_half_sure_is_not_sure():
    thumbs = np.concatenate([scene(1, 30), scene(2, 30)])
    assert found(np.full((60, 2), 0.5, np.float32), thumbs) == []


@pytest.mark.parametrize(("rate_hz", "windows"), [(11.0, 0), (13.0, 1), (60.0, 1)])
def test_the_network_is_asked_only_where_pictures_are_near_in_time(rate_hz, windows):
    arrays = {"thumbs": scene(1, 40), "thumbs_pts": np.arange(40) / rate_hz}
    clip, held = clip_of(facts(duration_s=40 / rate_hz, frames=40, audio=False), arrays)
    assert len(transnetv2.items(Context(facts=clip.facts, arrays=held))) == windows


def test_one_frame_is_not_looked_at():
    arrays = {"thumbs": scene(1, 1), "thumbs_pts": np.zeros(1)}
    clip, held = clip_of(facts(duration_s=0.04, frames=1, audio=False), arrays)
    assert transnetv2.items(Context(facts=clip.facts, arrays=held)) == []
