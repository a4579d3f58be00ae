"""Formats of made-up clips: each rule finds its own, and a plain clip has none."""

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests.contexts import clip_of, facts
from tests.unit.test_motion import texture, view
from tiktokd import graph, pictures
from tiktokd.analyzers import production_format as analyzer
from tiktokd.analyzers.on_screen_text import OnScreenText, ShownLine
from tiktokd.encoders import _prompts
from tiktokd.model import Envelope
from tiktokd.pictures import COCO_KEYPOINTS
from tiktokd.plugins import ABSENT, Context, LoadContext

HEIGHT, WIDTH = 284, 160
CATALOGUE = graph.load()


def scene(seed):
    return texture(seed, 700, 700)


def clip(pictures):
    """Return a clip at 10 pictures per second whose luma is `pictures`, (284, 160)."""
    seconds, grey = len(pictures) / 10.0, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    stack = np.stack(pictures)
    small = np.stack([cv2.resize(p, (48, 27), interpolation=cv2.INTER_AREA) for p in pictures])
    frames = stack[::5]
    arrays = {
        "frames": np.stack([np.concatenate([p, grey]) for p in frames]),
        "frames_pts": np.arange(len(frames)) / 2.0,
        "low": stack,
        "low_pts": np.arange(len(stack)) / 10.0,
        "thumbs": np.repeat(small[..., None], 3, axis=3),
        "thumbs_pts": np.arange(len(stack)) / 10.0,
    }
    return clip_of(facts(duration_s=seconds, frames=len(pictures), audio=False, size=(WIDTH, HEIGHT)), arrays)


def analyzed(pictures, lines=None):
    """Return the result of the rules over what the picture encoders publish; `lines`: text that was read."""
    made, arrays = clip(pictures)
    features, signals = {}, {}
    for encoder in graph.order(("luma_statistics", "staging"), CATALOGUE):
        context = Context(facts=made.facts, arrays=arrays, features=features)
        results = encoder.encode(encoder.load(LoadContext()), encoder.items(context))
        features[encoder.name] = encoder.collect(context, results)
        if encoder.signals:
            signals[encoder.name] = json.loads(json.dumps(encoder.signals(features[encoder.name])))
    outputs = {} if lines is None else {"on_screen_text": text(lines)}
    return analyzer.analyze(Context(facts=made.facts, outputs=outputs, signals=signals))


def text(lines):
    """Return what on_screen_text says of these lines."""
    output = OnScreenText(
        text_all="", lines=lines, text_time_ratio=1.0, chars=1, reading_speed_cps=None, safe_zone_violation_ratio=0.0
    )
    return Envelope(
        analyzer="on_screen_text", version="1", status="ok", tier="full", summary=output.model_dump(mode="json")
    )


def formats(pictures, lines=None):
    return {f.label for f in analyzed(pictures, lines).output.formats}


def moving(seed, frames, dx=3.0, dy=1.0, **extra):
    big = scene(seed)
    return [view(big, right=-dx * (i - frames / 2), down=dy * (i - frames / 2), **extra) for i in range(frames)]


def with_subject(pictures, seed):
    """Return the pictures with a thing that moves by itself."""
    thing, made = texture(seed, 120, 120), []
    for i, picture in enumerate(pictures):
        copy = picture.copy()
        y, x = 80 + int(40 * np.sin(i / 3)), 50 + int(25 * np.cos(i / 4))
        copy[y : y + 90, x : x + 60] = thing[:90, :60]
        made.append(copy)
    return made


def test_a_plain_clip_has_no_format():
    assert formats(with_subject(moving(1, 40), 2)) == set()


def test_still_photos_one_after_another_are_a_slideshow():
    slides = [view(scene(seed)) for seed in (3, 4, 5)]
    assert formats([s for slide in slides for s in [slide] * 15]) == {"slideshow"}


def mixed(before, after, frames):
    return [
        cv2.addWeighted(after, (i + 1) / (frames + 1), before, 1 - (i + 1) / (frames + 1), 0) for i in range(frames)
    ]


def pushed(before, after, frames):
    edges = [round(WIDTH * (i + 1) / (frames + 1)) for i in range(frames)]
    return [np.hstack([before[:, x:], after[:, :x]]) for x in edges]


@pytest.mark.parametrize(("between", "frames"), [(mixed, 6), (pushed, 3)])
def test_photos_that_dissolve_or_push_one_another_out_are_a_slideshow(between, frames):
    slides = [view(scene(seed)) for seed in (3, 4, 5, 6)]
    pictures = [slides[0]] * 15
    for before, after in pairwise(slides):
        pictures += between(before, after, frames) + [after] * 15
    assert formats(pictures) == {"slideshow"}


def test_a_chat_that_grows_line_by_line_is_no_slideshow():
    page, pictures = np.full((HEIGHT, WIDTH), 225, np.uint8), []
    for row in range(4):
        page = page.copy()
        cv2.putText(page, "are you there", (10, 40 + 40 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 40, 1)
        pictures += [page] * 20
    assert "slideshow" not in formats(pictures)


def test_photos_under_a_slow_zoom_are_a_slideshow():
    zooms = [[view(scene(seed), scale=1 + 0.004 * i) for i in range(25)] for seed in (6, 7, 8)]
    assert formats([p for zoom in zooms for p in zoom]) == {"slideshow"}


def test_moving_shots_are_no_slideshow():
    cut = with_subject(moving(9, 20), 10) + with_subject(moving(11, 20, dx=-2), 12)
    assert formats(cut) == set()


@pytest.mark.parametrize("upright", [True, False])
def test_two_videos_side_by_side_are_a_split_screen(upright):
    left = with_subject(moving(13, 40, dx=2.0), 14)
    right = with_subject(moving(15, 40, dx=-1.0, dy=2.0), 16)
    joined = []
    for a, b in zip(left, right, strict=True):
        joined.append(np.hstack([a[:, :80], b[:, :80]]) if upright else np.vstack([a[:142], b[:142]]))
    assert formats(joined) == {"split_screen"}


@pytest.mark.parametrize("margin", [8, 20])
def test_a_wide_box_of_text_over_a_video_is_no_split_screen(margin):
    pictures = [cv2.GaussianBlur(p, None, 3.0) for p in with_subject(moving(26, 40, dx=2.0), 27)]
    for picture in pictures:
        picture[130:165, margin : WIDTH - margin] = 235
        cv2.putText(picture, "what nobody", (margin + 6, 154), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 16, 2)
    assert formats(pictures) == set()


def test_a_town_whose_every_line_is_as_busy_as_the_next_is_no_split_screen():
    houses = np.random.default_rng(28).integers(20, 235, (700, 700), np.uint8)
    soft = cv2.GaussianBlur(houses, None, 0.6)
    assert formats([soft[200 : 200 + HEIGHT, 100 + 3 * i : 100 + 3 * i + WIDTH] for i in range(40)]) == set()


def test_a_caption_across_the_line_does_not_hide_a_split_screen():
    above, below = with_subject(moving(13, 40, dx=2.0), 14), with_subject(moving(15, 40, dx=-1.0, dy=2.0), 16)
    joined = [np.vstack([a[:142], b[:142]]) for a, b in zip(above, below, strict=True)]
    for picture in joined:
        picture[128:156, 40:120] = 235
    assert formats(joined) == {"split_screen"}


def test_bars_make_it_letterboxed():
    pictures = with_subject(moving(17, 40), 18)
    for picture in pictures:
        picture[:60] = picture[224:] = 16
    assert "letterboxed" in formats(pictures)


def test_a_camera_that_stands_makes_a_static_shot():
    ground = view(scene(19))
    assert formats(with_subject([ground] * 40, 20)) == {"static_shot"}


def lines(count, start_s, end_s, box):
    return [
        ShownLine(
            text=f"line {i}",
            start_s=start_s,
            end_s=end_s,
            box=(box[0], box[1] + i * box[3], box[2], box[3]),
            score=0.99,
            role="sticker",
            height_ratio=box[3],
            beginnings=[],
        )
        for i in range(count)
    ]


def test_text_cover_is_the_share_of_the_picture_over_time():
    over_all, while_there, time_share = analyzer._text_cover(lines(4, 1.0, 3.0, (0.1, 0.1, 0.8, 0.1)), 4.0)
    assert (over_all, while_there, time_share) == pytest.approx((0.16, 0.32, 0.5))
    much = analyzed(moving(24, 20), lines(4, 0.0, 2.0, (0.1, 0.1, 0.8, 0.1))).output
    little = analyzed(moving(24, 20), lines(1, 0.0, 2.0, (0.1, 0.1, 0.4, 0.05))).output
    assert much.text_cover_ratio == pytest.approx(0.32)
    assert [f.label for f in much.formats] == ["text_heavy"]
    assert [f.label for f in little.formats] == []


def drawn_screen():
    """Return a page of text that is scrolled."""
    page = np.full((HEIGHT, WIDTH), 225, np.uint8)
    for row in range(8):
        cv2.putText(page, "settings", (10, 40 + 28 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 40, 1)
    return [np.roll(page, i // 4, axis=0) for i in range(30)]


def test_a_drawn_screen_full_of_text_is_a_screen_recording():
    menu = lines(8, 0.0, 3.0, (0.05, 0.05, 0.6, 0.05))
    assert "screen_recording" in formats(drawn_screen(), menu)
    assert "screen_recording" not in formats(drawn_screen())
    assert "screen_recording" not in formats(with_subject(moving(22, 30), 23), menu)


def test_without_text_and_people_encoders_their_ratios_are_unknown():
    result = analyzed(moving(24, 20))
    assert (result.output.talking_head_ratio, result.output.text_cover_ratio) == (None, None)
    assert result.output.unknown.keys() == {"talking_head_ratio", "text_cover_ratio", "zero_shot"}
    assert result.tier == "lite"


COSINES = {"cosine": {"pov": 0.2, "vlog": 0.05, "b_roll": 0.04, "gameplay": 0.06}, "floor": 0.1}


def test_one_large_person_who_speaks_is_a_talking_head():
    signals = {
        "staging": {"still_shots": 0, "still_ratio": 0.0, "shown_shots": 1, "steady_ratio": None}
        | {"upright": None, "level": None, "flat_ratio": 0.0},
        "dfine": {"labels": {}, "people": [[0.0, 0.3], [1.0, 0.3, 0.02], [2.0, 0.3, 0.2], [3.0]]},
        "vad": {"spans_s": [[0.0, 2.0]]},
        "siglip2": {
            "labels": {"formats": {"cosine": {"pov": 0.2, "vlog": 0.05, "b_roll": 0.04, "x": 0.05}, "floor": 0.1}}
        },
    }
    signals |= {"vitpose": {"poses": []}, "ast": {"labels": {}}}
    result = analyzer.analyze(Context(facts=facts(duration_s=4.0, frames=120, audio=True), signals=signals))
    assert result.output.talking_head_ratio == 0.5
    assert result.output.unknown == {"text_cover_ratio": "no_sources"}
    assert [(f.label, f.source) for f in result.output.formats] == [("pov", "zero_shot")]
    assert result.tier == "full"


@pytest.mark.parametrize(
    ("people", "spoken", "expected"),
    [
        ([[0.0], [1.0, 0.02], [2.0], [3.0]], [[0.0, 3.0]], 0.75),  # a passer-by in the distance does not speak
        ([[0.0], [1.0], [2.0], [3.0]], [[0.0, 1.0]], None),
        ([[0.0, 0.3], [1.0, 0.3], [2.0], [3.0, 0.2, 0.2]], [[0.0, 4.0]], None),
        ([[0.0], [1.0], [2.0], [3.0]], [], None),
    ],
)
def test_somebody_who_speaks_and_is_not_seen_is_a_voice_over(people, spoken, expected):
    signals = {
        "staging": {"still_shots": 0, "still_ratio": 0.0, "shown_shots": 1, "steady_ratio": None}
        | {"upright": None, "level": None, "flat_ratio": 0.0},
        "dfine": {"labels": {}, "people": people},
        "vad": {"spans_s": spoken},
    }
    media = facts(duration_s=4.0, frames=120, audio=True)
    found = analyzer.analyze(Context(facts=media, signals=signals)).output.formats
    assert [(f.label, f.score, f.source) for f in found] == ([("voice_over", expected, "rule")] if expected else [])
    unseen = {name: value for name, value in signals.items() if name != "dfine"}
    assert analyzer.analyze(Context(facts=media, signals=unseen)).output.formats == []


SPEAKER = {
    "staging": {"still_shots": 0, "still_ratio": 0.0, "shown_shots": 1, "steady_ratio": None}
    | {"upright": None, "level": None, "flat_ratio": 0.0},
    "siglip2": {"labels": {}},
    "dfine": {"labels": {}, "people": [[0.0, 0.3], [1.0, 0.3], [2.0, 0.3], [3.0, 0.3]]},
    "vad": {"spans_s": [[0.0, 4.0]]},
    "ast": {"labels": {"Speech": 0.6, "Music": 0.4, "Singing": 0.1}},
}


def skeleton(pts_s, joints):
    """Return one person as encoder `vitpose` tells: joint → x, y; the others are not seen."""
    points = [(*joints[name], 0.9) if name in joints else (0.5, 0.5, 0.0) for name in COCO_KEYPOINTS]
    return {"pts_s": pts_s, "box": [0.2, 0.2, 0.6, 0.5], "points": [value for point in points for value in point]}


UP = {"left_shoulder": (0.6, 0.4), "right_shoulder": (0.4, 0.4), "left_hip": (0.58, 0.8), "right_hip": (0.44, 0.8)}
LYING = {"left_shoulder": (0.3, 0.4), "right_shoulder": (0.3, 0.5), "left_hip": (0.8, 0.42), "right_hip": (0.8, 0.5)}
HEAD_DOWN = {name: (x, 1 - y) for name, (x, y) in UP.items()}
CLOSE = {"nose": (0.5, 0.3), "left_shoulder": (0.7, 0.6), "right_shoulder": (0.3, 0.6)}
CLOSE_LYING = {"nose": (0.2, 0.5), "left_shoulder": (0.6, 0.4), "right_shoulder": (0.6, 0.6)}


@pytest.mark.parametrize(
    ("joints", "ratio"),
    [(UP, 1.0), (LYING, 0.75), (HEAD_DOWN, 0.75), (CLOSE, 1.0), (CLOSE_LYING, 0.75), ({"left_knee": (0.5, 0.5)}, 1.0)],
    ids=["stands", "lies", "upside down", "close-up", "close-up, lies", "legs alone"],
)
def test_who_lies_is_no_talking_head(joints, ratio):
    poses = [skeleton(0.0, joints), *(skeleton(float(t), UP) for t in (1, 2, 3))]
    signals = SPEAKER | {"vitpose": {"facing": [], "poses": poses}}
    result = analyzer.analyze(Context(facts=facts(duration_s=4.0, frames=120, audio=True), signals=signals))
    assert result.output.talking_head_ratio == ratio
    assert (result.output.unknown, result.tier) == ({"text_cover_ratio": "no_sources"}, "full")


def test_the_body_is_measured_in_the_picture_and_not_in_shares_of_it():
    wide = pictures.told_poses(
        {"vitpose": {"poses": [skeleton(0.0, {"nose": (0.6, 0.4), "left_shoulder": (0.45, 0.6)})]}}
    )
    assert pictures.upright(wide[0], 9 / 16) is True
    assert pictures.upright(wide[0], 16 / 9) is False


def test_the_largest_person_of_a_frame_is_the_one_who_talks():
    behind = skeleton(0.0, LYING) | {"box": [0.8, 0.5, 0.1, 0.1]}
    signals = SPEAKER | {"vitpose": {"facing": [], "poses": [skeleton(0.0, UP), behind]}}
    signals["dfine"] = {"labels": {}, "people": [[0.0, 0.3, 0.01]]}
    result = analyzer.analyze(Context(facts=facts(duration_s=4.0, frames=120, audio=True), signals=signals))
    assert result.output.talking_head_ratio == 1.0


def test_a_song_is_neither_a_talking_head_nor_a_voice_over():
    sung = SPEAKER | {"ast": {"labels": {"Music": 0.8, "Singing": 0.5, "Speech": 0.2}}, "vitpose": {"poses": []}}
    media = facts(duration_s=4.0, frames=120, audio=True)
    assert analyzer.analyze(Context(facts=media, signals=sung)).output.talking_head_ratio == 0.0
    unseen = {"dfine": {"labels": {}, "people": [[0.0], [1.0], [2.0], [3.0]]}}
    assert analyzer.analyze(Context(facts=media, signals=sung | unseen)).output.formats == []
    spoken = analyzer.analyze(Context(facts=media, signals=SPEAKER | unseen)).output.formats
    assert [f.label for f in spoken] == ["voice_over"]


@pytest.mark.parametrize(("encoder", "what"), [("vitpose", "posture"), ("ast", "singing")])
def test_without_the_model_that_tells_posture_or_singing_the_result_says_so(encoder, what):
    signals = SPEAKER | {"vitpose": {"poses": []}}
    told = {ABSENT + encoder: {"reason": "model_missing", "message": "fetch it"}}
    without = {name: value for name, value in signals.items() if name != encoder} | told
    result = analyzer.analyze(Context(facts=facts(duration_s=4.0, frames=120, audio=True), signals=without))
    assert result.output.unknown == {what: "model_missing", "text_cover_ratio": "no_sources"}
    assert (result.output.talking_head_ratio, result.tier) == (1.0, "lite")


def test_a_silent_video_without_people_loses_nothing_by_them():
    nothing = {ABSENT + "vitpose": {"reason": "no_people", "message": ""}}
    nothing |= {ABSENT + "ast": {"reason": "no_audio", "message": ""}}
    signals = {n: v for n, v in SPEAKER.items() if n != "ast"} | nothing | {"vad": {"spans_s": []}}
    result = analyzer.analyze(Context(facts=facts(duration_s=4.0, frames=120, audio=True), signals=signals))
    assert (result.output.unknown, result.tier) == ({"text_cover_ratio": "no_sources"}, "full")


def test_a_talking_head_is_a_share_of_the_time_and_not_of_the_frames():
    signals = {
        "staging": {"still_shots": 0, "still_ratio": 0.0, "shown_shots": 1, "steady_ratio": None}
        | {"upright": None, "level": None, "flat_ratio": 0.0},
        "dfine": {"labels": {}, "people": [[0.0, 0.4], [1.0, 0.4], [2.0, 0.4], [3.0], [16.0]]},
        "vad": {"spans_s": [[0.0, 30.0]]},
    }
    found = analyzer.analyze(Context(facts=facts(duration_s=30.0, frames=900, audio=True), signals=signals)).output
    assert found.talking_head_ratio == pytest.approx(0.1)
    assert [(f.label, f.score) for f in found.formats] == [("voice_over", 0.9)]


def test_the_shipped_formats_are_those_that_zero_shot_has_to_tell():
    ids = {label.id for label in _prompts.read("formats", None).labels}
    assert {"pov", "talking_head", "green_screen", "vlog_selfie", "animation", "gameplay", "b_roll", "reaction"} <= ids


def test_a_clip_under_a_second_is_not_judged():
    assert analyzed(moving(21, 5)).reason == "too_short"
