"""Tone of English sentences and of emoji, by word lists.

Words: VADER (Hutto & Gilbert, ICWSM 2014; MIT). Emoji are taken out first and scored by the table below, since VADER
reads their names (fire, skull) as words. Feature: text → `Tone`.

Bad at: slang (obsessed, sick, deadass), irony, anything but English words.
"""

from collections.abc import Sequence
from typing import Any

from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.text_features import Tone
from tiktokd.texts import blocks, passages, sentences

_SCORED = (
    ("😍🥰😘💖💕💗💘💝🎉🥳🤩🫶", 0.8),
    ("❤♥💜💙💚🧡💛🤍🩷😊☺😇🤗🙌👏🏆💃✨🌸😻👑", 0.6),
    ("😁😄😃😀😆😎👍👌✌💪🙏😂🤣😜😋😉🔥💯🤝😌", 0.4),
    ("🙂😏😅🤭", 0.2),
    ("😐😑🙄😶🫠", -0.2),
    ("😒😕🙁☹😟😔😞😣😖😓😪🥲😬🥴", -0.4),
    ("😢😥😰😨💔😩😫😤👎😠😭", -0.5),
    ("😡🤬🤮🤢😱🖕😈👿", -0.7),
)
EMOJI = {emoji: value for emojis, value in _SCORED for emoji in emojis}
"""Emoji → tone -1..1, by hand in coarse steps, in the order of the Emoji Sentiment Ranking (Kralj Novak et al. 2015)
where it lists them. Crying 😭 and the skull are used for laughing too: the one is mild here, the other left out."""


def load(_context: LoadContext) -> Any:
    """Return VADER's analyzer; raises `ModelMissing` where it is not installed."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as exc:
        raise ModelMissing("the package vaderSentiment is not installed; run: pip install vaderSentiment") from exc
    return SentimentIntensityAnalyzer()


def items(context: Context) -> list[str]:
    """Return the different sentences of one video."""
    return list(dict.fromkeys(one.text for one in sentences(blocks(passages(context)))))


def encode(model: Any, texts: Sequence[str]) -> list[Tone]:
    """Return the tone of each sentence."""
    return [_tone(model, text) for text in texts]


def collect(context: Context, results: Sequence[Tone]) -> dict[str, Tone]:
    """Return the tones by sentence."""
    return dict(zip(items(context), results, strict=True))


def _tone(model: Any, text: str) -> Tone:
    words = "".join(" " if char in model.emojis or char in EMOJI else char for char in text).strip()
    scored = [EMOJI[char] for char in text if char in EMOJI]
    return Tone(
        words=float(model.polarity_scores(words)["compound"]) if any(char.isalpha() for char in words) else None,
        emoji=sum(scored) / len(scored) if scored else None,
        emoji_count=len(scored),
    )


ENCODER = Encoder(
    name="vader",
    title="Tone of English sentences and of emoji (word lists)",
    input="text",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    nothing="no_sources",
    collect=collect,
    models=(ModelUsed(id="vaderSentiment 3.3 lexicon"),),
    gflop_per_item=0.0,
)
