"""Movement on the beat: drawn figures that start, stop, sway and bounce with beats, beside them, and not at all."""

import numpy as np
import pytest

from tests.contexts import facts
from tiktokd.analyzers import _dance, activity_recognition
from tiktokd.encoders import person_motion, picture_labels
from tiktokd.footage import Shot, Shots, Transition
from tiktokd.pictures import Detection, FrameDetections, ImageEmbeddings, Label, LabelCosines
from tiktokd.plugins import ClipArrays, Context

BPM, SECONDS, FIRST_S = 120.0, 12.0, 0.1
BOX = (0.3, 0.1, 0.4, 0.8)


def beats(bpm=BPM, seconds=SECONDS, strength=0.9):
    return {"beats_s": np.arange(FIRST_S, seconds, 60 / bpm).tolist(), "strength": strength}


def drawn(x, y, noise):
    """Return a thumbnail of a bright figure, its middle at (x, y) pixels, on a dark ground."""
    ys, xs = np.arange(27)[:, None], np.arange(48)[None, :]
    body = np.clip(4 - np.abs(xs - x), 0, 1) * np.clip(8 - np.abs(ys - y), 0, 1)
    picture = 60 * (1 - body) + 190 * body + noise.normal(0, 0.6, (27, 48))
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def moving(place, *, seconds=SECONDS, fps=30.0, shown=lambda _t: True, cut_s=None):
    """Return the signals of `person_motion` for a figure at `place(t)` = (x, y), each -1..1."""
    noise, times = np.random.default_rng(0), np.arange(round(seconds * fps)) / fps
    thumbs = np.stack([drawn(24 + 5 * place(t)[0], 13 + 3 * place(t)[1], noise) for t in times])
    person = Detection(label="person", score=0.9, box=BOX)
    looks = tuple(
        FrameDetections(pts_s=float(t), found=(person,) if shown(t) else ())
        for t in np.linspace(0, seconds - 1 / fps, 16)
    )
    change = (Transition(kind="cut", start_s=cut_s, end_s=cut_s, score=1.0),) if cut_s is not None else ()
    shots = Shots(transitions=change, shots=(), change=np.zeros(len(times), np.float32), pts=times)
    context = Context(
        facts=facts(duration_s=seconds, frames=len(times), audio=True),
        arrays=ClipArrays({"thumbs": thumbs, "thumbs_pts": times}),
        features={"dfine": looks, "shots": shots},
    )
    items = person_motion.items(context)
    return person_motion.signals(person_motion.encode(None, items)[0]) if items else None


def beat_at(t, bpm, late):
    whole = (t - FIRST_S) * bpm / 60 - late
    return int(np.floor(whole)), whole % 1.0


def starting(bpm=BPM, late=0.0):
    """A figure that sets off on each beat and eases out."""

    def place(t):
        beat, part = beat_at(t, bpm, late)
        return (-1) ** beat * (1 - 2 * np.exp(-8 * part)), 0.0

    return place


def stopping(bpm=BPM, late=0.0):
    """A figure that ends each movement on a beat."""

    def place(t):
        beat, part = beat_at(t, bpm, late)
        return (-1) ** beat * (2 * max(2 * part - 1, 0) ** 2 - 1), 0.0

    return place


def swaying(bpm=BPM):
    return lambda t: (np.cos(np.pi * (t - FIRST_S) * bpm / 60), 0.0)


def bouncing(bpm=BPM):
    return lambda t: (0.0, abs(np.sin(np.pi * (t - FIRST_S) * bpm / 60)))


def at_random(seed):
    noise = np.random.default_rng(seed)
    starts, targets = np.cumsum(noise.exponential(0.5, 100)), noise.uniform(-1, 1, 101)

    def place(t):
        done = int(np.searchsorted(starts, t))
        since = t - (starts[done - 1] if done else 0.0)
        before = targets[done - 1] if done else 0.0
        return targets[done] + (before - targets[done]) * np.exp(-since / 0.12), 0.0

    return place


def measured(place, bpm=BPM, **more):
    return _dance.sync(moving(place, **more), beats(bpm, more.get("seconds", SECONDS)))[0]


@pytest.mark.parametrize("bpm", [90.0, 120.0, 150.0])
@pytest.mark.parametrize("fps", [24.0, 30.0])
def test_a_figure_that_starts_or_stops_on_the_beat_is_in_time(bpm, fps):
    assert measured(starting(bpm), bpm, fps=fps) > 0.8
    assert measured(stopping(bpm), bpm, fps=fps) > 0.8


def test_swaying_and_bouncing_in_time_count():
    assert measured(swaying()) > 0.5
    assert measured(bouncing()) > activity_recognition.DANCE_MIN


@pytest.mark.parametrize("ratio", [0.8, 0.87, 1.12, 1.17, 1.4])
def test_movement_in_another_tempo_is_not_in_time(ratio):
    for figure in (starting, stopping, swaying, bouncing):
        assert measured(figure(BPM * ratio)) < 0.15, figure


def test_half_a_beat_late_is_not_on_the_beat():
    assert measured(starting(late=0.5)) < 0.1
    assert measured(stopping(late=0.5)) < 0.1


@pytest.mark.parametrize("seed", range(6))
def test_movement_at_random_times_is_not_in_time(seed):
    assert measured(at_random(seed)) < 0.2


def test_a_figure_that_stands_or_walks_does_not_dance():
    assert _dance.sync(moving(lambda _t: (0.0, 0.0)), beats()) == (None, "low_quality", "the people hardly move")
    assert measured(lambda t: (np.sin(0.9 * t), 0.0)) < 0.15


def test_without_beats_or_time_the_answer_is_a_reason():
    curve = moving(starting())
    assert _dance.sync(curve, beats(strength=0.1))[1] == "no_beat"
    assert _dance.sync(curve, {"beats_s": [], "strength": 0.0})[1] == "no_beat"
    assert _dance.sync(moving(starting(), seconds=3.0), beats())[1] == "too_short"
    alone = moving(starting(), shown=lambda t: t < 2.0)
    assert _dance.sync(alone, beats())[1] == "too_short"
    assert moving(starting(), shown=lambda _t: False) is None


def test_a_video_too_long_to_keep_its_rhythm_is_truncated_and_not_without_people():
    curve = moving(starting(), seconds=24.0, fps=6.0)
    assert curve["energy"] == []
    assert _dance.sync(curve, beats(seconds=24.0))[1] == "truncated"


def test_what_moves_beside_the_person_does_not_count():
    changes = np.zeros((3, 27, 48))
    changes[0] = 20.0  # the camera, or a flash
    changes[1, :, :10] = 30.0  # something at the left edge
    changes[2, 10:20, 20:30] = 30.0  # the person
    found = person_motion.apart(changes, [BOX])
    assert found[0] == found[1] == 0.0
    assert found[2] > 2.0


def test_a_cut_is_no_movement_of_the_person():
    curve = np.array([np.nan if v is None else v for v in moving(lambda _t: (0, 0), cut_s=5.0)["energy"]])
    whole = np.array([np.nan if v is None else v for v in moving(lambda _t: (0, 0))["energy"]])
    assert np.isnan(curve).sum() >= 1
    assert not np.isnan(whole).any()


def test_the_curve_is_the_same_at_any_frame_rate():
    slow, fast = (np.array(moving(swaying(), fps=fps)["energy"]) for fps in (30.0, 60.0))
    count = min(len(slow), len(fast))
    smooth = [np.convolve(v[:count], np.ones(4) / 4, "valid") for v in (slow, fast)]
    assert np.corrcoef(*smooth)[0, 1] > 0.9


LABELS = ("dancing", *(f"doing_{n}" for n in range(40)))


def seen_by_siglip(best):
    """Return the signals of `picture_labels` for a clip of one shot whose frames look like `best` and no other."""
    cosine = np.tile(np.linspace(0.0, 0.01, len(LABELS), dtype=np.float32), (8, 1))
    cosine[:, LABELS.index(best)] = 0.2
    images = ImageEmbeddings(
        vectors=np.ones((8, 4), np.float32),
        pts_s=np.arange(8.0),
        space="org/x",
        taxonomies={
            "activities": LabelCosines(
                labels=tuple(Label(id=i, name=i.title()) for i in LABELS),
                cosine=cosine,
                background=np.zeros((8, 2), np.float32),
                scale=100.0,
                bias=0.0,
            )
        },
    )
    shots = Shots(
        transitions=(),
        shots=(Shot(first=0, last=7, start_s=0.0, end_s=8.0, keyframe_s=4.0, black=False),),
        change=np.zeros(8, np.float32),
        pts=np.arange(8.0),
    )
    context = Context(facts=facts(duration_s=8, frames=240, audio=True), features={"siglip2": images, "shots": shots})
    return picture_labels.signals(picture_labels.encode(None, picture_labels.items(context))[0])


def recognised(best, movement):
    signals = {"picture_labels": seen_by_siglip(best), "beats": beats()}
    signals |= {"person_motion": movement} if movement else {}
    media = facts(duration_s=SECONDS, frames=360, audio=True)
    return activity_recognition.analyze(Context(facts=media, signals=signals))


def test_movement_on_the_beat_confirms_dancing_or_names_it():
    both = recognised("dancing", moving(starting())).output
    assert [(f.id, f.source) for f in both.labels] == [("dancing", "both")]
    alone = recognised("doing_3", moving(starting())).output
    assert [(f.id, f.source, f.z is None) for f in alone.labels] == [
        ("doing_3", "pictures", False),
        ("dancing", "motion", True),
    ]
    assert alone.labels[1].score == alone.dance_sync
    assert alone.unknown == {}


def test_movement_beside_the_beat_names_nothing():
    found = recognised("doing_3", moving(starting(BPM * 1.17)))
    assert [f.id for f in found.output.labels] == ["doing_3"]
    assert [(s.start_s, s.end_s, s.label) for s in found.segments] == [(0.0, 8.0, "Doing_3")]
    lost = recognised("doing_3", None).output
    assert (lost.dance_sync, lost.unknown) == (None, {"dance_sync": "no_sources"})


def test_without_a_taxonomy_of_activities_the_answer_says_so():
    media = facts(duration_s=SECONDS, frames=360, audio=True)
    found = activity_recognition.analyze(Context(facts=media, signals={"picture_labels": {}}))
    assert (found.status, found.reason) == ("skipped", "no_sources")
    assert "activities.toml" in found.message
