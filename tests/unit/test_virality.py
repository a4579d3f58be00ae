"""Rates of a post, and a fit that may not peek at the creators on whom it is judged."""

import numpy as np
import pytest

from tests.written import analyze, context_of
from tiktokd.analyzers import virality_features
from tiktokd.model import Envelope
from tiktokd.virality_fit import VIDEOS_MIN, fit, outlier_z, percentile, spearman

NAME = "virality_features"
POST = {
    "view_count": 20_000,
    "like_count": 1_500,
    "comment_count": 100,
    "repost_count": 300,
    "save_count": 100,
    "created_at_s": 1_000_000.0,
    "fetched_at_s": 1_000_000.0 + 4 * 86_400,
}


def summary(**changes):
    return analyze(NAME, context_of("A caption #one #two", **{**POST, **changes})).summary


def test_rates_are_exact():
    found = summary()
    assert found["engagement_rate"] == 0.1
    assert (found["share_rate"], found["save_rate"], found["views_per_day"]) == (0.015, 0.005, 5000.0)
    assert (found["features"]["like_rate"], found["features"]["comment_rate"]) == (0.075, 0.005)
    assert (found["features"]["caption_chars"], found["features"]["hashtag_count"]) == (9, 2)
    assert (found["outlier_z"], found["percentile"], found["model"]) == (None, None, None)


def test_what_is_not_known_is_null_and_never_zero():
    found = summary(save_count=None)
    assert (found["save_rate"], found["engagement_rate"]) == (None, 0.095)
    assert summary(repost_count=None)["engagement_rate"] is None
    assert summary(created_at_s=None)["views_per_day"] is None
    assert summary(fetched_at_s=1_000_000.0 + 60)["views_per_day"] is None
    envelope = analyze(NAME, context_of("a", **(POST | {"view_count": 0})))
    assert envelope.status == "partial"
    assert "nobody has seen it" in envelope.message
    nobody = envelope.summary
    assert (nobody["engagement_rate"], nobody["share_rate"]) == (None, None)
    assert found["features"]["loudness.integrated_lufs"] is None


def test_a_local_file_has_no_metadata():
    envelope = analyze(NAME, context_of(None, fetched_at_s=None))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "no_metadata", {})


def test_a_post_without_counts_has_no_metadata():
    envelope = analyze(NAME, context_of("only a caption"))
    assert (envelope.status, envelope.reason) == ("skipped", "no_metadata")


def test_features_are_read_from_results_that_are_there():
    hook = Envelope(analyzer="hook", version="1", status="partial", tier="full", summary={"hook_index": 0.4})
    failed = Envelope(analyzer="motion", version="1", status="error", tier="full", summary={"motion_mean": 1.0})
    output = virality_features.analyze(context_of(None, outputs=[hook, failed], **POST)).output
    assert isinstance(output, virality_features.ViralityFeatures)
    assert output.features["hook.hook_index"] == 0.4
    assert output.features["motion.motion_mean"] is None


def corpus(n: int, seed: int = 0, creators: int = 40):
    """Return rows, views and creators whose views follow known weights."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, 4))
    logs = 4 + values @ np.array([0.8, -0.5, 0.3, 0.0]) + random.normal(0, 0.1, n)
    rows = [{"a": v[0], "b": v[1], "c": v[2] if i % 10 else None, "noise": v[3]} for i, v in enumerate(values)]
    return rows, (10**logs).astype(int).tolist(), [f"creator{i % creators}" for i in range(n)]


def test_known_weights_are_recovered_on_unseen_creators():
    found = fit(*corpus(400))
    assert found is not None
    assert found.cv_spearman >= 0.9
    assert found.cv_r2 >= 0.8
    weights = dict(zip(found.names, found.weights, strict=True))
    assert weights["a"] > weights["c"] > abs(weights["noise"])
    assert weights["b"] < -0.3
    importance = dict(zip(found.names, found.importance, strict=True))
    assert importance["a"] > importance["b"] > importance["noise"]
    assert abs(importance["noise"]) < 0.02


@pytest.mark.parametrize("n", [0, 50, VIDEOS_MIN - 1])
def test_a_small_corpus_is_refused(n):
    assert fit(*corpus(n)) is None


def test_too_few_creators_are_refused():
    assert fit(*corpus(400, creators=4)) is None


def test_nothing_leaks_from_a_creator_to_the_judgement():
    random = np.random.default_rng(3)
    creators = [f"c{i % 20}" for i in range(400)]
    fame = {name: random.normal() for name in set(creators)}
    trait = {name: random.normal() for name in set(creators)}
    rows = [{f"is_{name}": float(name == creator) for name in fame} | {"trait": trait[creator]} for creator in creators]
    views = [int(10 ** (4 + fame[creator])) for creator in creators]
    found = fit(rows, views, creators)
    assert found is not None
    assert found.cv_spearman < 0.3, "views depend on the creator alone, and the judged creators were never seen"


def test_a_fit_is_the_same_every_time():
    assert fit(*corpus(250)) == fit(*corpus(250))


def test_an_outlier_is_measured_against_the_creators_own_videos():
    history = [900, 1000, 1100, 950, 1050, 1020, 980, 1010]
    assert outlier_z(1000, history) == pytest.approx(0.0, abs=0.5)
    assert outlier_z(100_000, history) > 10
    assert outlier_z(1000, history[:7]) is None
    assert outlier_z(1000, [500] * 9) is None


def test_a_percentile_counts_ties_half():
    assert percentile(3.0, [1.0, 2.0, 3.0, 4.0]) == 0.625
    assert percentile(0.0, [1.0]) == 0.0
    assert percentile(1.0, []) is None


def test_rank_correlation_knows_ties_and_constants():
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2, 2, 4]), np.array([4.0, 2, 2, 1])) == pytest.approx(-1.0)
    assert spearman(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])) == 0.0
