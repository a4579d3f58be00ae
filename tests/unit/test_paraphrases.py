"""Calls and openings in other words: what counts as nearer to a prototype than to sentences that say nothing of it."""

from typing import get_args

import numpy as np
import pytest

from tests.written import CATALOGUE, context_of
from tiktokd.analyzers.call_to_action import CallType
from tiktokd.analyzers.hook import HookType
from tiktokd.encoders import _prompts, e5
from tiktokd.pictures import Label
from tiktokd.plugins import Context, LoadContext
from tiktokd.text_features import PARAPHRASE_MARGIN, TextLabels, TextVectors

CALL, SHARE, NEUTRAL = np.eye(3, dtype=np.float32)


def vectors(texts, taxonomy="calls", ids=("follow", "share")):
    """Return made-up features: two labels with one prototype each and one background sentence, each its own axis."""
    labels = TextLabels(
        labels=tuple(Label(id=i, name=i) for i in ids),
        vectors=np.stack([CALL, SHARE]),
        prototypes=np.stack([CALL, SHARE]),
        of=np.array([0, 1]),
        background=NEUTRAL[None],
    )
    return TextVectors(
        vectors={text: (v / np.linalg.norm(v)).astype(np.float32) for text, v in texts.items()},
        taxonomies={taxonomy: labels},
    )


def run(name, context, given):
    """Return the result of an analyzer with its own phrase lists and made-up vectors (`None`: no weights)."""
    spec = CATALOGUE.analyzers[name]
    features = {} if given is None else {"e5": given}
    for used in spec.uses:
        encoder = CATALOGUE.encoders[used]
        model, items = encoder.load(LoadContext()), encoder.items(context)
        features[used] = encoder.collect(context, encoder.encode(model, items))
    seen = Context(facts=context.facts, metadata=context.metadata, outputs=context.outputs, features=features)
    return spec.analyze(seen).output


@pytest.mark.parametrize(
    ("vector", "kind"),
    [
        (CALL, "follow"),
        (SHARE + 0.3 * NEUTRAL, "share"),
        (NEUTRAL, None),
        (CALL + (1.0 - 0.5 * PARAPHRASE_MARGIN) * NEUTRAL, None),
        (CALL + 0.9 * NEUTRAL, "follow"),
    ],
)
def test_a_prototype_counts_where_it_beats_every_background_sentence_by_the_margin(vector, kind):
    assert vectors({"a text": vector}).paraphrased("a text", "calls") == kind


def test_what_was_not_embedded_and_what_has_no_background_says_nothing():
    known = vectors({"a text": CALL})
    assert known.paraphrased("another text", "calls") is None
    assert known.paraphrased("a text", "unknown") is None
    bare = known.taxonomies["calls"]
    empty = TextLabels(
        labels=bare.labels, vectors=bare.vectors, prototypes=bare.prototypes, of=bare.of, background=np.zeros((0, 3))
    )
    assert TextVectors(vectors=known.vectors, taxonomies={"calls": empty}).paraphrased("a text", "calls") is None


def test_a_call_in_other_words_is_found_in_its_sentence_and_marked():
    context = context_of("My garden in May. Become part of this little family!", ocr=[("hello there you", 1.0, 2.0)])
    meant = {"Become part of this little family!": CALL, "My garden in May.": NEUTRAL, "hello there you": NEUTRAL}
    (call,) = run("call_to_action", context, vectors(meant)).ctas
    assert (call.type, call.text) == ("follow", "Become part of this little family!")
    assert (call.source, call.lang, call.score, call.paraphrase) == ("caption", None, 0.5, True)
    assert run("call_to_action", context, None).ctas == []


def test_a_phrase_of_the_lists_wins_over_the_meaning_of_its_sentence():
    context = context_of("Follow me for more recipes")
    (call,) = run("call_to_action", context, vectors({"Follow me for more recipes": SHARE})).ctas
    assert (call.type, call.score, call.paraphrase) == ("follow", 0.9, False)


def test_a_negated_call_is_no_paraphrase_of_itself():
    context = context_of("Never follow me home again. Nobody wants that.")
    found = run("call_to_action", context, vectors({"Never follow me home again.": CALL}))
    assert found.ctas == []
    assert found.disclosure.present is False


@pytest.mark.parametrize("text", ["join us", "and " * 30 + "join"])
def test_two_words_and_long_stories_have_no_meaning_that_could_be_told(text):
    text = text.strip()
    assert run("call_to_action", context_of(text), vectors({text: CALL})).ctas == []


def test_an_opening_in_other_words_is_told_where_no_phrase_is_found():
    ids = ("problem", "curiosity_gap")
    context = context_of(ocr=[("my skin was awful", 0.0, 2.5)])
    meant = vectors({"my skin was awful": CALL}, "openings", ids)
    found = run("hook", context, meant)
    assert (found.hook_types, found.paraphrased_types) == (["problem"], ["problem"])
    lite = run("hook", context, None)
    assert (lite.hook_types, lite.paraphrased_types) == ([], [])
    listed = run("hook", context_of(ocr=[("WAIT FOR IT", 0.0, 2.5)]), vectors({"WAIT FOR IT": CALL}, "openings", ids))
    assert (listed.hook_types, listed.paraphrased_types) == (["curiosity_gap"], [])


@pytest.mark.parametrize(("name", "kinds"), [("calls", get_args(CallType)), ("openings", get_args(HookType))])
def test_every_shipped_prototype_is_of_a_known_kind_in_many_languages_and_beside_a_background(name, kinds):
    file = _prompts.read(name, None, e5.TAXONOMIES[name])
    assert {label.id for label in file.labels} <= set(kinds)
    assert len(file.background) >= 30
    flat = [text for texts in file.prompts for text in texts]
    assert len(flat) == len(set(flat) - set(file.background))
    assert all(len(texts) >= 12 for texts in file.prompts)


def test_sentences_of_a_caption_and_the_words_of_the_opening_are_embedded_once_each():
    context = context_of(
        "One thing. Another thing. #tag", speech=[("a sentence that runs on and on for a long while", 1.0, 9.0)]
    )
    items = e5.items(context)
    assert len(items) == len(set(items))
    assert {"One thing. Another thing. #tag", "One thing.", "Another thing."} <= set(items)
    assert "a sentence that" in items
    assert e5.items(context_of("😀")) == []
