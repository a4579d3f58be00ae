"""Spellings that are meant to get past filters, made plain, by a word list (`data/algospeak.toml`, or the user's own).

Feature: text → (text in plain words, the spellings that were replaced). Bad at: spellings that are not on the list, and
words that are used in earnest (corn, accountant, mascara): those are left off on purpose.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tiktokd import datafiles
from tiktokd.encoders._data_forms import known
from tiktokd.errors import ConfigError
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.texts import IN_WORD, blocks, passages

FILE = "algospeak.toml"
Plain = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Spellings:
    """The list, ready for searching."""

    pattern: re.Pattern[str]
    words: Mapping[str, str]


def load(context: LoadContext) -> Spellings:
    """Return the list; raises `ConfigError` where the user's file has another form."""
    table, file = datafiles.read_toml(FILE, context.data_dir), datafiles.find(FILE, context.data_dir)
    known(str(file), table, ("words",))
    words = table.get("words")
    if not isinstance(words, dict) or not words:
        raise ConfigError(f'{file}: [words] has lines "spelling" = "plain word"; without any, remove the file')
    for spelling, plain in words.items():
        if not spelling.strip() or not isinstance(plain, str) or not plain.strip():
            raise ConfigError(
                f'{file}: [words] "{spelling}": lines are "spelling" = "plain word", and neither is empty'
            )
    longest_first = sorted(words, key=len, reverse=True)
    body = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first)
    return Spellings(
        re.compile(rf"(?<![{IN_WORD}])(?:{body})(?![{IN_WORD}])", re.IGNORECASE),
        {word.lower(): plain for word, plain in words.items()},
    )


def items(context: Context) -> list[str]:
    """Return the different stretches of text; one empty text where there are none."""
    return list(dict.fromkeys(block.text for block in blocks(passages(context)))) or [""]


def encode(model: Spellings, texts: Sequence[str]) -> list[Plain]:
    """Return each text in plain words."""
    return [_plain(model, text) for text in texts]


def collect(context: Context, results: Sequence[Plain]) -> dict[str, Plain]:
    """Return the plain words by text."""
    return dict(zip(items(context), results, strict=True))


def _plain(model: Spellings, text: str) -> Plain:
    replaced: list[str] = []

    def put(match: re.Match[str]) -> str:
        spelling = " ".join(match.group().lower().split())
        replaced.append(spelling)
        return model.words[spelling]

    return model.pattern.sub(put, text), tuple(dict.fromkeys(replaced))


def signals(features: dict[str, Plain]) -> dict[str, int]:
    """Return how many spellings were replaced."""
    return {"replaced": sum(len(found) for _, found in features.values())}


ENCODER = Encoder(
    name="algospeak",
    title="Spellings that are meant to get past filters, made plain (word list)",
    input="text",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    collect=collect,
    signals=signals,
    gflop_per_item=0.0,
)
