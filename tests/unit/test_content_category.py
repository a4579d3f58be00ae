"""Fusion of pictures and words: what is absent drops out."""

import numpy as np
import pytest

from tests.contexts import facts
from tiktokd.analyzers import content_category as c
from tiktokd.model import Metadata
from tiktokd.pictures import Label
from tiktokd.plugins import Context
from tiktokd.text_features import TextLabels, TextVectors

IDS = ["dance", "pets", "cars", "travel", "gaming"]


def visual(**cosines):
    values = {i: 0.01 * n for n, i in enumerate(IDS)} | cosines
    return {"siglip2": {"labels": {"content_categories": {"cosine": values, "floor": 0.0}}}}


def words(best, text="my dog"):
    vectors = np.eye(5, 8, dtype=np.float32) * 0.2 + np.arange(5, dtype=np.float32)[:, None] * 0.01
    labels = tuple(Label(id=i, name=i.title()) for i in IDS)
    vector = np.zeros(8, np.float32)
    vector[IDS.index(best)] = 1.0
    known = TextLabels(
        labels=labels, vectors=vectors, prototypes=vectors, of=np.arange(5), background=np.zeros((0, 8), np.float32)
    )
    return TextVectors(vectors={text: vector}, taxonomies={"content_categories": known})


def judge(signals=None, features=None, frames=5):
    media = facts(duration_s=5, frames=frames, audio=True)
    return c.analyze(
        Context(facts=media, signals=signals or {}, features=features or {}, metadata=Metadata(description="my dog"))
    )


def test_pictures_alone_count_for_the_whole():
    found = judge(signals=visual(pets=0.5))
    assert found.status == "ok"
    assert found.output.modalities == ["visual"]
    assert found.output.labels[0].id == "pets"
    assert found.output.labels[0].evidence.text is None


def test_words_alone_are_partial_and_say_so():
    found = judge(features={"e5": words("pets")})
    assert (found.status, found.reason) == ("partial", "model_missing")
    assert found.output.labels[0].id == "pets"
    assert found.output.labels[0].name == "Pets"


def test_a_file_without_a_picture_asks_for_no_weights_that_would_see_it():
    found = judge(features={"e5": words("pets")}, frames=0)
    assert (found.status, found.reason) == ("partial", "no_video")
    assert (judge(frames=0).status, judge(frames=0).reason) == ("skipped", "no_video")


def test_both_together_outweigh_either():
    together = judge(signals=visual(pets=0.5), features={"e5": words("pets")})
    apart = judge(signals=visual(pets=0.5), features={"e5": words("cars")})
    assert together.output.labels[0].z > apart.output.labels[0].z


def test_without_any_model_the_answer_is_the_command_that_fetches_one():
    found = judge()
    assert (found.status, found.reason) == ("skipped", "model_missing")
    assert "tiktokctl models pull" in found.message


def test_equal_scores_name_nothing():
    assert c.standard(dict.fromkeys(IDS, 0.3)) == {}
    assert c.fuse({"visual": {"a": 2.0}, "text": {"a": 4.0}}) == pytest.approx({"a": 3.0})
