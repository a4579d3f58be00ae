"""Brands named in captions, in the picture and in speech, found by a word list (`data/brands.toml`, or the user's own).

One `BrandMatch` per place, in reading order. Words that are brands and everyday words alike count only as #name, @name
or capitalized within a sentence. Letters that reading mixes up (0/O, 1/l, 5/S, rn/m) are forgiven in the picture, and
one wrong letter in names of eight and more.

Bad at: brands that are not on the list, everyday words at the start of a sentence, logos (encoder `logos`
looks for those).
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiktokd import datafiles
from tiktokd.encoders._data_forms import known, texts
from tiktokd.errors import ConfigError
from tiktokd.likeness import edit_distance
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.texts import TAGS, BrandMatch, Passage, passages

FILE = "brands.toml"
FUZZY_LETTERS = 8
"""One wrong letter is forgiven from this length on; shorter names have words as neighbours (Google, goggle)."""
CONFUSED_LETTERS = 4
CONFUSED = str.maketrans({"0": "o", "1": "l", "5": "s", "8": "b", "|": "l", "!": "l", "$": "s"})
TAG_ENDINGS = r"(?:official|us|usa|uk|de|fr|es|br|jp|global|app|tv|store|shop|beauty|girl|haul|finds|run)?"
"""#nikeofficial and @nike.uk are still the brand; #nikename is not looked into."""
_WORD_LATIN = r"[A-Za-z0-9_À-ɏ]"


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """The list, made ready for searching."""

    plain: re.Pattern[str]
    ambiguous: re.Pattern[str]
    tag: re.Pattern[str]
    names: Mapping[str, str] = field(default_factory=dict)
    """Squeezed spelling → name."""
    confusable: Mapping[str, str] = field(default_factory=dict)
    """Names without spaces, not ambiguous, as reading may see them → name."""


def load(context: LoadContext) -> Gazetteer:
    """Return the gazetteer; raises `ConfigError` where the user's file has another form."""
    table, file = datafiles.read_toml(FILE, context.data_dir), datafiles.find(FILE, context.data_dir)
    if not any(table.values()):
        raise ConfigError(f'{file}: no brand is in it; write names = ["Acme", …], or remove the file')
    return build(table, file)


def build(table: Mapping[str, Any], file: str | Path = FILE) -> Gazetteer:
    """Return the gazetteer of a parsed file."""
    known(str(file), table, ("names", "ambiguous", "aliases"))
    aliases = table.get("aliases", {})
    if not isinstance(aliases, dict):
        raise ConfigError(f'{file}: [aliases] has lines "Name" = ["other spelling", …]')
    names, ambiguous = (_listed(f"{file}: {key}", table, key) for key in ("names", "ambiguous"))
    for name, found in aliases.items():
        texts(f"{file}: [aliases] {name}", found, '["other spelling", …]')
    spelled = {spelling: name for name, found in aliases.items() for spelling in found} | {n: n for n in names}
    plain = sorted(spelled, key=len, reverse=True)
    squeezed = {_squeeze(s): n for s, n in spelled.items()} | {_squeeze(n): n for n in ambiguous}
    return Gazetteer(
        plain=re.compile("|".join(_spelling(s) for s in plain) or r"(?!)", re.IGNORECASE),
        ambiguous=re.compile("|".join(_spelling(s) for s in sorted(ambiguous, key=len, reverse=True)) or r"(?!)"),
        tag=re.compile(f"({'|'.join(map(re.escape, sorted(squeezed, key=len, reverse=True)))}){TAG_ENDINGS}"),
        names=squeezed,
        confusable={_seen(_squeeze(n)): n for n in names if re.fullmatch(r"[\w'’.-]+", n)},
    )


def _listed(where: str, table: Mapping[str, Any], key: str) -> list[str]:
    return texts(where, table[key], '["Acme", …]') if table.get(key, []) != [] else []


def items(context: Context) -> list[Passage]:
    """Return every stretch of text of one video; one empty text where there are none, so that "nothing was found" and
    "the list is broken" stay apart."""
    return passages(context) or [Passage(kind="caption", text="")]


def encode(model: Gazetteer, found: Sequence[Passage]) -> list[list[BrandMatch]]:
    """Return the brands of each passage."""
    return [search(model, passage) for passage in found]


def search(model: Gazetteer, passage: Passage) -> list[BrandMatch]:
    """Return the brands named in one passage, in reading order, each place once."""
    text = passage.text
    places = _tagged(text, model)
    for match in model.plain.finditer(text):
        places.setdefault(match.start(), (match.end(), model.names[_squeeze(match.group())]))
    for match in model.ambiguous.finditer(text):
        if _within_sentence(text, match.start()):
            places.setdefault(match.start(), (match.end(), model.names[_squeeze(match.group())]))
    taken, found = 0, []
    for start, (end, name) in sorted(places.items()):
        if start >= taken:
            found.append(BrandMatch(name=name, kind=passage.kind, start_s=passage.start_s))
            taken = end
    if passage.kind == "ocr":
        found += _forgiven(model, passage, {match.name for match in found})
    return found


def collect(_context: Context, results: Sequence[list[BrandMatch]]) -> list[BrandMatch]:
    """Return the brands of the whole video."""
    return [match for found in results for match in found]


def _tagged(text: str, model: Gazetteer) -> dict[int, tuple[int, str]]:
    """Return start → (end, name) of #tags and @names that are a brand's as a whole."""
    found = {}
    for match in (*_MENTION.finditer(text), *TAGS.finditer(text)):
        start = match.start()
        for tag in re.split("[#＃@＠]", match.group())[1:]:
            if whole := model.tag.fullmatch(_squeeze(tag)):
                found[start] = (start + 1 + len(tag), model.names[whole.group(1)])
            start += 1 + len(tag)
    return found


_MENTION = re.compile(r"(?<![\w.])[@＠][\w.]{2,24}")


def _within_sentence(text: str, start: int) -> bool:
    """Return whether a capitalized word follows others of its sentence, and the sentence is not all capitals."""
    before = re.split(r"[.!?…\n:]", text[:start])[-1]
    around = re.sub(r"[^A-Za-z]", "", before)
    return bool(around) and not around.isupper()


def _forgiven(model: Gazetteer, passage: Passage, already: set[str]) -> list[BrandMatch]:
    """Return brands that reading got slightly wrong."""
    found = []
    for token in re.findall(r"[\w|!$]+", passage.text.lower()):
        name = _nearest(model, _seen(token))
        if name is not None and name not in already:
            already.add(name)
            found.append(BrandMatch(name=name, kind=passage.kind, start_s=passage.start_s))
    return found


def _nearest(model: Gazetteer, seen: str) -> str | None:
    if len(seen) >= CONFUSED_LETTERS and seen in model.confusable:
        return model.confusable[seen]
    if len(seen) < FUZZY_LETTERS - 1:
        return None
    for single, name in model.confusable.items():
        close = len(single) >= FUZZY_LETTERS and abs(len(seen) - len(single)) <= 1
        if close and (seen[0] == single[0] or seen[1:] == single[1:]) and edit_distance(seen, single) == 1:
            return name
    return None


def _seen(text: str) -> str:
    """Return the text with letters that look alike made the same."""
    return text.translate(CONFUSED).replace("rn", "m")


def _squeeze(text: str) -> str:
    """Return the text without case, accents, spaces and signs: L’Oréal and loreal are one name."""
    plain = (char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))
    return re.sub(r"[\s\-'’.&・]+", "", "".join(plain))


def _spelling(name: str) -> str:
    """Return a pattern for a name with optional spaces, hyphens and apostrophes, at word borders."""
    letters = "".join(_LOOSE.get(char, re.escape(char)) for char in name)
    before = f"(?<!{_WORD_LATIN})" if re.match(_WORD_LATIN, name[0]) else ""
    after = f"(?!{_WORD_LATIN})" if re.match(_WORD_LATIN, name[-1]) else ""
    return f"{before}{letters}{after}"


_LOOSE = {
    " ": r"[\s\-]?", "-": r"[\s\-]?", "'": "['’]?", "&": r"\s?&\s?", "・": "・?", "é": "[ée]", "è": "[èe]",
    "ô": "[ôo]", "ä": "[äa]", "ü": "[üu]", "ë": "[ëe]", "Š": "[ŠS]", "ö": "[öo]",
}  # fmt: skip
"""What people leave out or spell plainly."""


ENCODER = Encoder(
    name="brands",
    title="Brands named in the words of a video (word list)",
    input="text",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    collect=collect,
    after=("on_screen_text", "speech_transcription"),
    gflop_per_item=0.0,
)
