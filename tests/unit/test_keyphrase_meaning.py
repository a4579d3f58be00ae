"""Keyphrases weighed by their meaning, and products in the picture."""

import numpy as np
import pytest

from tests.unit.test_paraphrases import run
from tests.written import CATALOGUE, analyze, context_of
from tiktokd.analyzers._products import PRODUCTS
from tiktokd.encoders import dfine, e5
from tiktokd.keyphrases import CANDIDATES, candidates, keyphrases, rerank
from tiktokd.pictures import Detection, FrameDetections
from tiktokd.plugins import Context, LoadContext
from tiktokd.text_features import TextVectors

STOP = CATALOGUE.encoders["stopwords"].load(LoadContext())
CAPTIONS = {
    "en": "The easy banana bread recipe is for beginners and it tastes of summer",
    "de": "Das einfache Rezept für Bananenbrot ist auch für Anfänger und schmeckt nach Sommer",
    "es": "La receta fácil de pan de plátano es para principiantes y sabe a verano",
    "ja": "東京タワーの夜景が綺麗です",
}


@pytest.mark.parametrize("language", sorted(CAPTIONS))
def test_the_phrases_of_a_text_are_embedded_before_its_language_is_known(language):
    text = CAPTIONS[language]
    context = context_of(text)
    items = e5.items(Context(facts=context.facts, metadata=context.metadata, features={"stopwords": STOP}))
    wanted = [phrase for phrase, _ in keyphrases([text], STOP[language], CANDIDATES)]
    assert wanted
    assert set(wanted) <= set(items) | {text.lower()}
    assert len(items) == len(set(items))


def test_candidates_are_phrases_under_likely_lists_only():
    stop = {"en": frozenset({"the", "of"}), "xx": frozenset({"house"})}
    assert set(candidates(["the house of cards"], stop)) == {"house", "cards", "the", "of cards"}
    assert set(candidates(["the tower of cards"], stop)) == {"tower", "cards"}


def test_nearness_and_statistics_count_half_each():
    ranked = [("statistics say so", 1.0), ("meaning says so", 0.4), ("neither", 0.2), ("not embedded", 0.1)]
    near = {"statistics say so": 0.80, "meaning says so": 0.90, "neither": 0.80}
    found = rerank(ranked, near, 3)
    assert [phrase for phrase, _ in found] == ["meaning says so", "statistics say so", "neither"]
    assert [score for _, score in found] == pytest.approx([1.0, 0.5 / 0.7, 0.1 / 0.7], abs=1e-4)


def test_without_vectors_the_order_and_the_scores_stay():
    ranked = [("a phrase", 1.0), ("another", 0.4)]
    assert rerank(ranked, {}, 5) == ranked
    assert [p for p, _ in rerank(ranked, {"a phrase": 0.8, "another": 0.8}, 5)] == ["a phrase", "another"]


def test_the_phrase_nearest_to_the_whole_text_comes_first():
    caption = "the harbour is behind the very long concrete wall of the harbour"
    lite = run("entities_keywords", context_of(caption), None).keyphrases
    assert all(phrase.similarity is None for phrase in lite)
    best = lite[-1].text
    axis = np.eye(2, dtype=np.float32)
    vectors = {caption: axis[0]} | {phrase.text: axis[1] for phrase in lite} | {best: axis[0]}
    full = run("entities_keywords", context_of(caption), TextVectors(vectors=vectors, taxonomies={})).keyphrases
    assert full[0].text == best != lite[0].text
    assert full[0].similarity == 1.0


def seen(**labels):
    found = {name.replace("_", " "): {"time_ratio": r, "score": s, "first_s": t} for name, (r, s, t) in labels.items()}
    return {"dfine": {"labels": found, "people": []}}


def test_products_in_the_picture_are_entities_where_they_are_seen_often_and_surely():
    bare = context_of(None)
    given = seen(lipstick=(0.5, 0.8, 1.5), person=(1.0, 0.9, 0.0), watch=(0.1, 0.9, 0.0), sneakers=(0.9, 0.45, 0.0))
    envelope = analyze("entities_keywords", Context(facts=bare.facts, metadata=bare.metadata, signals=given))
    assert envelope.status == "ok"
    assert envelope.summary["entities"] == [{"text": "lipstick", "type": "product", "source": "picture", "t_s": 1.5}]


def test_boxes_become_signals_with_first_moments_and_people_per_frame():
    def box(label):
        return Detection(label=label, score=0.7, box=(0.1, 0.1, 0.2, 0.2))

    frames = (
        FrameDetections(pts_s=0.0, found=(box("person"), box("person")), share=0.75),
        FrameDetections(pts_s=1.0, found=(box("watch"),), share=0.25),
    )
    assert dfine.signals(frames) == {
        "labels": {
            "person": {"time_ratio": 0.75, "score": 0.7, "first_s": 0.0},
            "watch": {"time_ratio": 0.25, "score": 0.7, "first_s": 1.0},
        },
        "people": [[0.0, 0.04, 0.04], [1.0]],
    }
    assert "person" not in PRODUCTS
