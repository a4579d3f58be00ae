"""Evidence for moderators: it adds up, it escalates, and nothing ever clears."""

import numpy as np
import pytest

from tests.contexts import facts
from tiktokd.analyzers import visual_moderation
from tiktokd.analyzers.visual_moderation import pooled, spans
from tiktokd.pictures import Detection, FrameDetections, FrameScores, ImageEmbeddings, Label, LabelCosines
from tiktokd.plugins import Context

POLICY = ("weapon", "gambling", "violence")
SCALE = 100.0
NOTHING = 0.05
"""Cosine of a background prompt; a policy prompt counts from 0.02 above it."""


def judged(cosines, *, explicit=None, objects=None, taxonomy="moderation", without=None, classes=("normal", "nsfw")):
    """Return the result for frames at one per second.

    Args:
        cosines: (N, 3) cosines to the prompts of `POLICY`.
        explicit: (N,) share of the explicit class, 0..1.
        objects: For each frame label → score.
        without: Encoder that did not run → reason.
        classes: of the classifier.
    """
    cosines = np.asarray(cosines, np.float32)
    times = np.arange(len(cosines), dtype=np.float64)
    policy = LabelCosines(
        labels=tuple(Label(id=i, name=i) for i in POLICY),
        cosine=cosines,
        background=np.full((len(cosines), 2), NOTHING, np.float32),
        scale=SCALE,
        bias=0.0,
    )
    vectors = np.ones((len(cosines), 1), np.float32)
    features = {"siglip2": ImageEmbeddings(vectors=vectors, pts_s=times, space="t", taxonomies={taxonomy: policy})}
    if explicit is not None:
        share = np.asarray(explicit, np.float32)
        both = np.stack([1 - share, share], axis=1)
        features["nsfw"] = FrameScores(pts_s=times, labels=classes, scores=both)
    if objects is not None:
        features["dfine"] = tuple(
            FrameDetections(
                pts_s=float(t),
                found=tuple(Detection(label=k, score=v, box=(0, 0, 1, 1)) for k, v in found.items()),
            )
            for t, found in zip(times, objects, strict=True)
        )
    media = facts(duration_s=float(len(cosines)), frames=30 * len(cosines), audio=False)
    absent = {f"absent:{n}": {"reason": why, "message": f"pull {n}"} for n, why in (without or {}).items()}
    there = {name: found for name, found in features.items() if name not in (without or {})}
    return visual_moderation.analyze(Context(facts=media, features=there, signals=absent))


def quiet(frames):
    return np.zeros((frames, 3), np.float32)


def test_three_best_frames_make_the_score():
    assert pooled([0.1, 0.9, 0.6, 0.3]) == pytest.approx((0.9 + 0.6 + 0.3) / 3)
    assert pooled([0.8]) == 0.8
    assert pooled([]) == 0.0


def test_stretches_join_and_end_with_the_video():
    found = spans([0.0, 1.0, 2.0, 5.0], [0.9, 0.7, 0.1, 0.8], 0.5, 7.5)
    assert [(s.start_s, s.end_s, s.score) for s in found] == [(0.0, 2.0, 0.9), (5.0, 7.5, 0.8)]
    assert spans([], [], 0.5, 3.0) == []


def test_each_source_names_its_category_its_worst_frame_and_its_stretch():
    cosines = quiet(5)
    cosines[3, POLICY.index("gambling")] = 0.2
    result = judged(cosines, explicit=[0.1, 0.95, 0.9, 0.1, 0.1], objects=[{}, {}, {}, {}, {"gun": 0.9, "cup": 0.99}])
    found = {(c.id, c.source): c.max_frame_s for c in result.output.categories}
    assert found == {("gambling", "zero_shot"): 3.0, ("explicit", "classifier"): 1.0, ("weapon", "object"): 4.0}
    assert result.output.needs_review
    assert not any(c.calibrated for c in result.output.categories)
    assert [(s.category, s.start_s, s.end_s) for s in result.segments] == [
        ("explicit", 1.0, 3.0), ("gambling", 3.0, 4.0), ("weapon", 4.0, 5.0),
    ]  # fmt: skip


def test_a_prompt_must_beat_the_background_by_the_margin():
    for cosine, expected in ((NOTHING, []), (NOTHING + 0.01, []), (NOTHING + 0.03, ["weapon"])):
        assert [c.id for c in judged([[cosine, 0, 0]]).output.categories] == expected


def test_what_was_found_is_never_cleared_by_more_frames_or_by_another_source():
    random = np.random.default_rng(0)
    for _ in range(100):
        frames = int(random.integers(1, 6))
        cosines = random.uniform(0, 0.12, (frames, 3))
        before = judged(cosines).output
        calm = np.concatenate([cosines, quiet(int(random.integers(1, 20)))])
        after = judged(
            calm, explicit=random.uniform(0, 1, len(calm)), objects=[{"knife": random.uniform()} for _ in calm]
        ).output
        assert {(c.id, c.source) for c in before.categories} <= {(c.id, c.source) for c in after.categories}
        assert after.needs_review >= before.needs_review
        assert all(0 <= c.score <= 1 for c in after.categories)


def test_there_is_no_verdict_that_a_video_is_safe():
    result = judged(quiet(4), explicit=[0.01] * 4, objects=[{}] * 4)
    assert result.status == "ok"
    told = result.output.model_dump()
    assert told == {
        "categories": [],
        "needs_review": False,
        "looked": ["classifier", "object", "zero_shot"],
        "unknown": {},
    }
    fields = set(visual_moderation.VisualModeration.model_fields) | set(visual_moderation.Category.model_fields)
    assert not fields & {"decision", "safe", "verdict", "allowed", "clean"}


@pytest.mark.parametrize("missing", ["siglip2", "nsfw", "dfine"])
def test_a_source_that_could_not_look_makes_the_result_partial_and_is_named(missing):
    names = {"siglip2": "zero_shot", "nsfw": "classifier", "dfine": "object"}
    found = judged(quiet(2), explicit=[0.9, 0.9], objects=[{"gun": 0.9}, {}], without={missing: "model_missing"})
    assert (found.status, found.reason) == ("partial", "model_missing")
    assert found.output.unknown == {names[missing]: "model_missing"}
    assert found.output.looked == sorted(set(names.values()) - {names[missing]})
    assert f"pull {missing}" in found.message


def test_without_any_source_nothing_is_judged():
    found = judged(quiet(2), without=dict.fromkeys(("siglip2", "nsfw", "dfine"), "model_missing"))
    assert (found.status, found.reason, found.output) == ("skipped", "model_missing", None)


def test_a_taxonomy_without_policies_is_no_error():
    found = judged(quiet(2), explicit=[0.9, 0.1], objects=[{}, {}], taxonomy="other")
    assert (found.status, found.reason) == ("partial", "no_sources")
    assert "moderation.toml" in found.message
    assert [c.id for c in found.output.categories] == ["explicit"]


def test_a_classifier_without_an_explicit_class_has_not_looked():
    result = judged(quiet(3), explicit=[0.9, 0.9, 0.9], objects=[{}, {}, {}], classes=("neutral", "high"))
    assert (result.status, result.reason) == ("partial", "no_sources")
    assert result.output.looked == ["object", "zero_shot"]
    assert result.output.unknown == {"classifier": "no_sources"}
    assert "neutral, high" in result.message
