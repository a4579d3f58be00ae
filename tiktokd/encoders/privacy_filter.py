"""Private data in free text: names, addresses, dates, links, accounts and secrets, by OpenAI's Privacy Filter.

An extra: 2.7 GiB that nobody needs who is content with the shapes that `text_moderation` knows. Per token the model
says which kind of private data it begins, continues, ends or is; the likeliest sequence that makes whole spans is taken
(Viterbi). Texts are read one after another, so that none depends on its neighbours; those that are long in windows that
overlap. On the CPU its weights stay in bfloat16, as published, or each worker would need 5.3 GiB.

Bad at: languages other than English, public against private people, made-up words, text without context. Scores are
not calibrated. Its weights were never at hand here: its accuracy on captions and speech is not measured.
Source: openai/privacy-filter, Apache-2.0; its card for labels and decoding.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _texts
from tiktokd.errors import ModelMissing
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.text_features import PrivateSpan
from tiktokd.texts import blocks, passages

Floats = NDArray[np.float32]
WEIGHTS = Weights(
    hub_id="openai/privacy-filter",
    revision="7ffa9a043d54d1be65afb281eddf0ffbe629385b",
    licence="Apache-2.0",
    size_mib=2669,
    extra=True,
)
WINDOW, MARGIN = 1024, 256
"""Tokens per window, and how many at either end only give the others their surroundings. Each of the eight layers looks
128 tokens to either side; the memory for a window grows with its square."""
TEXTS_MAX, CHARACTERS_MAX = 64, 20_000
"""Stretches per video, and characters of each that are read."""
SURE = 0.5
"""Mean probability from which a span counts. Chosen, not measured."""
NEXT = {"O": "OBS", "E": "OBS", "S": "OBS", "B": "IE", "I": "IE"}
"""What may follow: a span is one token (S), or begins (B), goes on (I) and ends (E)."""


def load(context: LoadContext) -> _texts.Labeller:
    """Return the tagger; raises `ModelMissing` also where the tags are not those of whole spans."""
    model = _texts.load(WEIGHTS, context, "OpenAIPrivacyFilterForTokenClassification", dtype="bfloat16")
    kinds = {tag[2:] for tag in model.labels if tag != "O"}
    if {*model.labels} != {"O", *(f"{part}-{kind}" for part in "BIES" for kind in kinds)}:
        raise ModelMissing(f"the tags of {model.hub.path} are not O and B, I, E, S of each kind: another model")
    return model


def items(context: Context) -> list[str]:
    """Return the different stretches of text of one video, as the analyzers see them."""
    found = dict.fromkeys(part.text for part in blocks(passages(context)))
    return [text for text in found if any(c.isalnum() for c in text)][:TEXTS_MAX]


def encode(model: _texts.Labeller, batch: Sequence[str]) -> Sequence[tuple[PrivateSpan, ...]]:
    """Return the private stretches of each text, in order; they do not overlap."""
    return [tuple(_spans(model, text)) for text in batch]


def _spans(model: _texts.Labeller, text: str) -> Iterator[PrivateSpan]:
    tokens = model.tokenizer(
        text[:CHARACTERS_MAX], add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    if not tokens["input_ids"]:
        return
    sure = _probabilities(model, tokens["input_ids"])
    path = likeliest(np.log(np.maximum(sure, 1e-9)), model.labels)
    for first, last in whole(path, model.labels):
        start, end = _trimmed(text, int(tokens["offset_mapping"][first][0]), int(tokens["offset_mapping"][last][1]))
        score = float(np.mean([sure[i, path[i]] for i in range(first, last + 1)]))
        if score >= SURE and any(c.isalnum() for c in text[start:end]):
            yield PrivateSpan(start=start, end=end, type=model.labels[path[first]][2:], score=round(score, 4))


def _probabilities(model: _texts.Labeller, ids: Sequence[int]) -> Floats:
    """Return (tokens, tags) 0..1, window after window."""
    import torch

    parts = []
    step = WINDOW - 2 * MARGIN
    for start in range(0, len(ids), step):
        first = max(start - MARGIN, 0)
        window = torch.tensor([ids[first : start + step + MARGIN]], device=model.hub.device)
        with torch.inference_mode():
            out = model.hub.model(input_ids=window, attention_mask=torch.ones_like(window)).logits
        parts.append(out[0, start - first : start - first + step].float().softmax(dim=-1).cpu().numpy())
    return np.concatenate(parts)


def likeliest(scores: Floats, tags: Sequence[str]) -> list[int]:
    """Return the tag of each token in the likeliest sequence that makes whole spans of one kind each.

    Args:
        scores: (tokens, tags) log-probabilities; one token at least.
        tags: `O` and B, I, E, S of each kind.
    """
    fits = np.array([[_may_follow(before, after) for after in tags] for before in tags])
    allowed = np.where(fits, 0.0, -np.inf)
    outside = np.array([tag[0] for tag in tags])
    best = scores[0] + np.where(np.isin(outside, ["O", "B", "S"]), 0.0, -np.inf)
    back = []
    for row in scores[1:]:
        ways = best[:, None] + allowed
        back.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + row
    at = int((best + np.where(np.isin(outside, ["O", "E", "S"]), 0.0, -np.inf)).argmax())
    path = [at]
    for came in reversed(back):
        at = int(came[at])
        path.append(at)
    return path[::-1]


def _may_follow(before: str, after: str) -> bool:
    return after[0] in NEXT[before[0]] and (before[0] not in "BI" or before[2:] == after[2:])


def whole(path: Sequence[int], tags: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield first and last token of each span of a sequence that `likeliest` gave."""
    first = 0
    for i, tag in enumerate(path):
        if tags[tag][0] in "BS":
            first = i
        if tags[tag][0] in "ES":
            yield first, i


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without the white space that tokens begin with."""
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip()), end - len(inside) + len(inside.rstrip())


def collect(context: Context, results: Sequence[tuple[PrivateSpan, ...]]) -> Mapping[str, tuple[PrivateSpan, ...]]:
    """Return the private stretches by text."""
    return dict(zip(items(context), results, strict=True))


ENCODER = Encoder(
    name="privacy_filter",
    title="Private data in the free text of caption, picture and speech",
    input="text",
    place="cpu",
    load=load,
    items=items,
    nothing="no_text",
    encode=encode,
    collect=collect,
    weights=WEIGHTS,
    max_batch=16,
    gflop_per_item=0.1 * 32,
)
