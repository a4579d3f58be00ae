"""Positive, neutral or negative: the tone of a text in a dozen languages.

Bad at irony, slang, lyrics and single words; trained on reviews, so short video captions are unusual to it.
Source: lxyuan/distilbert-base-multilingual-cased-sentiments-student, Apache-2.0.
"""

from collections.abc import Sequence

from tiktokd.encoders import _classify, _texts
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.text_features import TextScores
from tiktokd.texts import blocks, passages, sentences

WEIGHTS = Weights(
    hub_id="lxyuan/distilbert-base-multilingual-cased-sentiments-student",
    revision="cf991100d706c13c0a080c097134c05b7f436c45",
    licence="Apache-2.0",
    size_mib=516,
)


def load(context: LoadContext) -> _texts.Labeller:
    """Return the model; raises `ModelMissing` for one that does not tell positive from negative."""
    model = _texts.load(WEIGHTS, context, "AutoModelForSequenceClassification")
    for tendency in ("positive", "negative"):
        _texts.must_know(model, (tendency,), tendency)
    return model


def items(context: Context) -> list[str]:
    """Return the different sentences of one video: the tone may turn from one to the next."""
    return _texts.bounded(sentences(blocks(passages(context))))


def collect(context: Context, results: Sequence[_classify.Scores]) -> TextScores:
    """Return the scores by sentence."""
    return _classify.by_text(items(context), results)


ENCODER = Encoder(
    name="sentiment",
    title="Tone of caption, read text and speech: positive, neutral, negative",
    input="text",
    place="cpu",
    load=load,
    items=items,
    nothing="no_text",
    encode=_classify.one_of_several,
    collect=collect,
    weights=WEIGHTS,
    max_batch=16,
    gflop_per_item=0.085 * 32,
)
