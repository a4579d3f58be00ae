"""Toxic, insulting, threatening, obscene or hateful text in seven languages. A review signal, not a verdict.

Bad at reclaimed words, quotations and dialects (toxicity models score some dialects higher without reason), and at
spellings made to escape it that are not on the list of encoder `algospeak`.
Source: Hanu and Unitary 2020, "Detoxify"; unitary/multilingual-toxic-xlm-roberta, Apache-2.0.
"""

from collections.abc import Sequence
from dataclasses import replace

from tiktokd.encoders import _classify, _texts
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.text_features import TOXIC

WEIGHTS = Weights(
    hub_id="unitary/multilingual-toxic-xlm-roberta",
    revision="4ad6f5c104d9ce813a1a2f33cac0c5b579ef6ee5",
    licence="Apache-2.0",
    size_mib=1061,
)

CLEAN = frozenset({"neutral", "non-toxic", "non_toxic", "not_toxic", "not-toxic", "nontoxic", "clean", "safe"})
"""Labels of models that choose one of several: their scores are shares."""


def load(context: LoadContext) -> _texts.Labeller:
    """Return the model; raises `ModelMissing` for one that has no label of a kind of toxicity."""
    model = _texts.load(WEIGHTS, context, "AutoModelForSequenceClassification")
    if model.labels == ("LABEL_0",):
        return replace(model, labels=("toxicity",))  # a single score without a name says the one thing
    return _texts.must_know(model, TOXIC, "toxicity")


def encode(model: _texts.Labeller, batch: Sequence[str]) -> Sequence[_classify.Scores]:
    """Return the scores of each text: every class for itself, or shares where the model has one for clean text."""
    chooses = any(label.lower() in CLEAN for label in model.labels)
    return _classify.one_of_several(model, batch) if chooses else _classify.each_by_itself(model, batch)


def items(context: Context) -> list[str]:
    """Return the stretches of text in plain words: spellings made to escape the model undone."""
    plain = context.features.get("algospeak", {})
    return [plain.get(text, (text,))[0] for text in _texts.stretches(context)]


ENCODER = Encoder(
    name="toxicity",
    title="Toxicity of caption, read text and speech, each kind by itself",
    input="text",
    place="cpu",
    load=load,
    items=items,
    uses=("algospeak",),
    nothing="no_text",
    encode=encode,
    collect=_classify.collect,
    weights=WEIGHTS,
    max_batch=16,
    gflop_per_item=0.17 * 32,
)
