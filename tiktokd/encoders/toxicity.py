"""Toxic, insulting, threatening, obscene or hateful text in seven languages. A review signal, not a verdict.

Bad at reclaimed words, quotations and dialects (toxicity models score some dialects higher without reason), and at
spellings made to escape it that are not on the list of encoder `algospeak`.
Source: Hanu and Unitary 2020, "Detoxify"; unitary/multilingual-toxic-xlm-roberta, Apache-2.0.
"""

from tiktokd.encoders import _classify, _texts
from tiktokd.plugins import Context, Encoder, Weights

WEIGHTS = Weights(
    hub_id="unitary/multilingual-toxic-xlm-roberta",
    revision="4ad6f5c104d9ce813a1a2f33cac0c5b579ef6ee5",
    licence="Apache-2.0",
    size_mib=1061,
)


def items(context: Context) -> list[str]:
    """Return the stretches of text in plain words: spellings made to escape the model undone."""
    plain = context.features.get("algospeak", {})
    return [plain.get(text, (text,))[0] for text in _texts.stretches(context)]


ENCODER = Encoder(
    name="toxicity",
    title="Toxicity of caption, read text and speech, each kind by itself",
    input="text",
    place="cpu",
    load=_classify.loader(WEIGHTS, "AutoModelForSequenceClassification"),
    items=items,
    uses=("algospeak",),
    nothing="no_text",
    encode=_classify.each_by_itself,
    collect=_classify.collect,
    weights=WEIGHTS,
    max_batch=16,
    gflop_per_item=0.17 * 32,
)
