"""Names of people, organisations and places in ten languages. Names in text, never the identity of somebody seen.

Bad at slang, all-capitals captions, brand names that are common words, and languages it was not trained on.
Source: Davlan/xlm-roberta-base-ner-hrl (AFL-3.0 by its card; check before you redistribute), CoNLL-style tags.
"""

import re
from collections.abc import Sequence
from typing import Any

from tiktokd.encoders import _texts
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.text_features import NAMED, NamedEntity, TextEntities
from tiktokd.texts import IDEOGRAPHS

WEIGHTS = Weights(
    hub_id="Davlan/xlm-roberta-base-ner-hrl",
    revision="253f557bd8249b8515114cfd7f71974fe5fa4d2f",
    licence="AFL-3.0",
    size_mib=1059,
)


def load(context: LoadContext) -> _texts.Labeller:
    """Return the tagger; raises `ModelMissing` for one whose tags name no people, organizations or places."""
    model = _texts.load(WEIGHTS, context, "AutoModelForTokenClassification")
    return _texts.must_know(model, [f"{part}-{kind}".lower() for part in "BI" for kind in NAMED], "names (B-PER …)")


def encode(model: _texts.Labeller, batch: Sequence[str]) -> Sequence[tuple[NamedEntity, ...]]:
    """Return the names in each text."""

    def head(out: Any, tokens: Any) -> Any:
        scores, tags = out.logits.float().softmax(dim=-1).max(dim=-1)
        return scores.cpu().tolist(), tags.cpu().tolist(), tokens["offset_mapping"].tolist()

    scores, tags, offsets = _texts.run(model.hub, model.tokenizer, batch, head)
    rows = zip(batch, offsets, tags, scores, strict=True)
    return [join(text, where, [model.labels[t] for t in row], sure) for text, where, row, sure in rows]


def join(
    text: str, offsets: Sequence[Sequence[int]], tags: Sequence[str], scores: Sequence[float]
) -> tuple[NamedEntity, ...]:
    """Return the names in a text: tags `B-X`, `I-X`, `O` joined while the type stays and nothing lies between.

    A word has the tag of its first token: taggers are trained on those alone, and what they say of the others is
    anything (transformers' examples/pytorch/token-classification, `label_all_tokens`); names would lose their ends.

    Args:
        text: what was tagged.
        offsets: per token, start and end in the text; empty for tokens that are not text.
        tags: per token.
        scores: per token, 0..1.
    """
    found: list[tuple[int, int, str, list[float]]] = []
    word_end, kind = 0, ""
    for (start, end), tag, score in zip(offsets, tags, scores, strict=True):
        if end <= start:
            continue
        inside = start == word_end and _in_one_word(text, start)
        word_end = end
        if inside:
            if kind:
                found[-1] = (found[-1][0], end, kind, found[-1][3])
            continue
        kind = tag.partition("-")[2]
        if not kind:
            continue
        last = found[-1] if found else None
        if last and last[2] == kind and not text[last[1] : start].strip() and not tag.startswith("B-"):
            found[-1] = (last[0], end, kind, [*last[3], score])
        else:
            found.append((start, end, kind, [score]))
    return tuple(
        NamedEntity(text=text[a:b].strip(), type=kind, score=round(sum(s) / len(s), 4)) for a, b, kind, s in found
    )


def _in_one_word(text: str, at: int) -> bool:
    """Return whether the letters around a place in a text are of one word; Han and kana are words of their own."""
    around = text[at - 1 : at + 1]
    return at > 0 and len(around) == 2 and all(char.isalnum() and not _IDEOGRAPH.match(char) for char in around)


_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")


def collect(context: Context, results: Sequence[tuple[NamedEntity, ...]]) -> TextEntities:
    """Return the names by text."""
    return TextEntities(entities=dict(zip(_texts.stretches(context), results, strict=True)))


ENCODER = Encoder(
    name="ner",
    title="Names of people, organisations and places in caption, read text and speech",
    input="text",
    place="cpu",
    load=load,
    items=_texts.stretches,
    nothing="no_text",
    encode=encode,
    collect=collect,
    weights=WEIGHTS,
    max_batch=16,
    gflop_per_item=0.17 * 32,
)
