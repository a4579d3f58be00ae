"""Searches texts for phrases that are listed by kind and language in a data file. Shared by encoders of phrase lists.

A file has one table per kind: language = ['regular expression', …], where ~ stands for white space, ~? for optional
white space and $ for the end of what is said: of the text, or before an emoji, a hashtag or a sign that parts; besides
`negation`, `subject`, `saying` and `reminder` (language = "words") and `tags` (kind = "hashtags").
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tiktokd import datafiles
from tiktokd.encoders._data_forms import base_of, known, languages, texts
from tiktokd.errors import ConfigError
from tiktokd.plugins import LoadContext
from tiktokd.texts import IN_WORD, CallMatch, Passage, hashtags

OTHER_TABLES = frozenset({"negation", "subject", "saying", "reminder", "tags"})
UNSPACED = frozenset({"ja", "ko", "zh"})
"""Written without spaces or with endings that hang on: no word borders."""
INFLECTED = frozenset({"tr", "pl", "ru", "ar", "hi", "id"})
"""A phrase may be the beginning of a longer word."""
SCRIPT = {
    "ru": "[\u0400-\u04ff]",
    "ar": "[\u0600-\u06ff]",
    "ja": "[\u3040-\u30ff\u4e00-\u9fff]",
    "ko": "[\uac00-\ud7a3]",
    "zh": "[\u4e00-\u9fff]",
    "hi": "[\u0900-\u097fa-zA-Z]",
}
IN_LATIN = frozenset({"de", "en", "es", "fr", "id", "it", "pl", "pt", "tr", "vi"})
LATIN, ANY = "[A-Za-z]", r"[^\W\d_]"
"""A list is tried where there is a letter of its script; of a language that is not shipped, where there is any."""
FORM, WORDS_FORM = "language = ['pattern', …]", 'name = "words with spaces between them"'
BETWEEN_WORDS = re.compile(r"(?<![+*?}])~(?![\\?])")
"""A space between two known words; beside "any word" it must stay, or the search would try every way to cut a text."""
END = re.compile(r"(?<!\\)\$(?![^\[\]]*\])")
"""A $ of a list that is neither escaped nor in brackets."""
PARTS = r"[\n#＃|•·:;(–—\u2190-\u2bff\U0001f000-\U0001faff]"
"""What ends a call besides the end of the text: "save this 🔥", "Please share #fyp"; arrows, symbols, emoji. There
it must begin a clause ("We tried to save it 💔" does not ask for it), or stand second behind one of these words."""
LINKS = frozenset(
    {"and", "&", "+", "please", "pls", "plz", "und", "bitte", "et", "y", "e", "i", "и", "ve", "dan", "và"}
)
BEGINS = re.compile(rf"{PARTS[:-1]}.!?,…。！？]")
WORD = re.compile(rf"[{IN_WORD}']+")
TO = frozenset({"to", "zu", "de", "à", "a", "di"})
"""What may stand between a verb and a call in the infinitive: "I want to follow my dreams"."""
BETWEEN = frozenset({
    "always", "also", "just", "still", "only", "really", "often", "usually", "sometimes", "even", "can", "could", "do",
    "did", "will", "would", "must", "should", "immer", "auch", "nur", "oft", "toujours", "aussi", "siempre", "también",
    "sempre", "também", "anche", "zawsze", "też", "всегда", "тоже",
})  # fmt: skip
"""May stand between who does something and the verb."""
ASKED = frozenset({"you", "u", "ya", "y'all", "guys", "everyone", "euch", "dich", "vous", "te", "ustedes", "você"})
"""Who is asked: "I want you to follow me" is a call whoever asks."""
LOOK_BACK_WORDS = 3
"""A negation counts this many words before a call."""


class Listed(NamedTuple):
    """One list of phrases."""

    kind: str
    lang: str
    pattern: re.Pattern[str]
    to_the_end: re.Pattern[str]
    """The same with a $ at the end of the text only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """The lists, ready for searching."""

    patterns: tuple[Listed, ...]
    read_patterns: tuple[Listed, ...]
    """What to search in text that was read off the picture."""
    scripts: Mapping[str, re.Pattern[str]]
    negations: Mapping[str, frozenset[str]]
    subjects: Mapping[str, frozenset[str]]
    """Words for who does something and is not asked to: "i", "they"."""
    sayings: Mapping[str, frozenset[str]]
    """Verbs that quote: what they quote is negated by any negation of the clause."""
    reminders: frozenset[str]
    tags: Mapping[str, frozenset[str]]
    """Kind → hashtags in lower case."""


def load(file: str, context: LoadContext, *, also: Collection[str] = (), glued: bool = False) -> Phrases:
    """Return the lists; raises `ConfigError` where the user's file has another form.

    Args:
        also: kinds that are read besides those of the shipped file.
        glued: find phrases in the picture also where the reader lost a space ("Linkin bio").
    """
    table, path = datafiles.read_toml(file, context.data_dir), datafiles.find(file, context.data_dir)
    kinds = {*datafiles.read_toml(file), *OTHER_TABLES, *also}
    _check_keys(path, table, kinds)
    return build(table, path, glued=glued)


def _check_keys(path: Path, table: Mapping[str, Any], kinds: Collection[str]) -> None:
    """Refuse tables, languages and kinds that nothing reads: what stands under them would never be found."""
    known(str(path), table, kinds, what="table")
    for kind, lists in table.items():
        if not lists:
            form = WORDS_FORM if kind in OTHER_TABLES else FORM
            raise ConfigError(f"{path}: [{kind}] is empty; remove the line, or write {form}")
        if not isinstance(lists, dict):
            continue  # told where it is read
        if kind == "tags":
            known(f"{path}: [tags]", lists, {*kinds} - OTHER_TABLES, what="kind")
        elif kind == "reminder":
            known(f"{path}: [reminder]", lists, ("all",))
        else:
            languages(f"{path}: [{kind}]", lists, regions=True)
    if not table:
        raise ConfigError(f"{path}: no table is in it; write [kind] and below it {FORM}, or remove the file")


def build(table: Mapping[str, Any], file: str | Path, *, glued: bool = False) -> Phrases:
    """Return the lists of a parsed file."""
    for kind, lists in table.items():
        for code, told in lists.items() if isinstance(lists, dict) else [("", lists)]:
            if kind in OTHER_TABLES and not isinstance(told, str):
                raise ConfigError(f"{file}: [{kind}] has lines {WORDS_FORM} ({code})")
            if kind not in OTHER_TABLES:
                texts(f"{file}: [{kind}] {code}".rstrip(), told, "['pattern', …]" if code else FORM)
    try:
        lists = [
            (kind, lang, phrases)
            for kind, by_language in table.items()
            if kind not in OTHER_TABLES
            for lang, phrases in by_language.items()
        ]
        spoken = {lang for _, lang, _ in lists}
        patterns = _patterns(file, lists)
        return Phrases(
            patterns=patterns,
            read_patterns=_patterns(file, lists, glued=True) if glued else patterns,
            scripts={lang: re.compile(_script(base_of(lang))) for lang in spoken},
            negations=_words(table, "negation"),
            subjects=_words(table, "subject"),
            sayings=_words(table, "saying"),
            reminders=frozenset(table.get("reminder", {}).get("all", "").split()),
            tags={kind: frozenset(words.split()) for kind, words in table.get("tags", {}).items()},
        )
    except (AttributeError, TypeError, re.error) as exc:
        raise ConfigError(f"{file}: every table is language = ['pattern', …]: {exc}") from exc


def _words(table: Mapping[str, Any], kind: str) -> dict[str, frozenset[str]]:
    return {lang: frozenset(words.split()) for lang, words in table.get(kind, {}).items()}


def _script(lang: str) -> str:
    return SCRIPT.get(lang, LATIN if lang in IN_LATIN else ANY)


def search(model: Phrases, passage: Passage) -> list[CallMatch]:
    """Return the calls in one passage, each kind and place once, in reading order; none that is negated."""
    return [match for match in search_all(model, passage) if not match.negated]


def search_all(model: Phrases, passage: Passage) -> list[CallMatch]:
    """Return the calls in one passage and those that are negated ("never follow strangers"), marked as such."""
    text = _lines(passage.text.replace("’", "'"))
    present = {lang for lang, script in model.scripts.items() if script.search(text)}
    places: dict[tuple[str, bool], list[tuple[int, int, str]]] = {}
    for kind, lang, pattern, to_the_end in model.read_patterns if passage.kind == "ocr" else model.patterns:
        if lang not in present:
            continue
        for match in pattern.finditer(text):
            if match.end() > match.start() and (to_the_end.match(text, match.start()) or _begins(text, match)):
                negated = _negated(model, lang, text, match)
                _put(places.setdefault((kind, negated), []), (match.start(), match.end(), lang))
    found = [
        (
            start,
            CallMatch(type=kind, text=" ".join(text[start:end].split()), lang=lang, passage=passage, negated=negated),
        )
        for (kind, negated), taken in places.items()
        for start, end, lang in taken
    ]
    tagged = [tag for tag in hashtags(text) for kind, words in model.tags.items() if tag.lower() in words]
    kinds = {tag: kind for tag in tagged for kind, words in model.tags.items() if tag.lower() in words}
    ordered = [match for _, match in sorted(found, key=lambda one: (one[0], one[1].type))]
    return ordered + [CallMatch(type=kinds[tag], text=f"#{tag}", lang="und", passage=passage) for tag in tagged]


def _begins(text: str, match: re.Match[str]) -> bool:
    """Return whether a match stands at the beginning of a clause, or second in a row of two."""
    before = BEGINS.split(text[: match.start()])[-1].lower().split()
    others = [word for word in before if word not in LINKS]
    linked = len(others) < len(before) or match.group().lower().split()[0] in LINKS
    return len(others) <= int(linked)


def _lines(text: str) -> str:
    """Return the text with single spaces, and a newline where a line that begins anew stands below another.

    A sentence that is wrapped goes on in small letters, or is all in capitals.
    """
    joined = ""
    for line in (" ".join(line.split()) for line in text.splitlines()):
        anew = joined and line[:1].isupper() and not joined.rsplit("\n", 1)[-1].isupper()
        joined += f"\n{line}" if anew else f" {line}"
    return joined.strip()


def _put(taken: list[tuple[int, int, str]], place: tuple[int, int, str]) -> None:
    """Keep the longer of two that overlap, whichever language found it."""
    for i, (start, end, _) in enumerate(taken):
        if place[0] < end and start < place[1]:
            if place[1] - place[0] > end - start:
                taken[i] = place
            return
    taken.append(place)


def _negated(model: Phrases, lang: str, text: str, match: re.Match[str]) -> bool:
    """Return whether a match is no call: after a negation, or told of somebody and asked of nobody."""

    def told(table: Mapping[str, frozenset[str]]) -> frozenset[str]:
        return table.get(lang, table.get(base_of(lang), frozenset()))

    clause = re.split(r"[.!?,;:…。！？、]", text[: match.start()])[-1].lower()
    above, _, line = clause.rpartition("\n")
    negations, subjects = told(model.negations), told(model.subjects)
    if base_of(lang) in UNSPACED:
        return line.strip() in subjects or line.rstrip().endswith(tuple(negations))
    # A line is a clause of its own, unless the one above ends with a negation: "Please Don't / Share This".
    here = WORD.findall(line)
    words = [*WORD.findall(above)[-1:], *here]
    before = words[-LOOK_BACK_WORDS:]
    if any(word in model.reminders for word in before):
        return False
    quoted = words if any(word in told(model.sayings) for word in before) else before
    return any(word in negations for word in quoted) or _is_told(here, match.group().lower().split()[0], subjects)


def _is_told(before: Sequence[str], first: str, subjects: frozenset[str]) -> bool:
    """Return whether somebody does what a phrase names, and nobody is asked to: "i follow", "they like and follow".

    Args:
        before: words of the clause before the phrase.
        first: its first word.
    """
    and_, to = LINKS - subjects, TO - subjects
    links = [first, *before[-1:]]
    rest = [*before[:-1]] if before and before[-1] in and_ | to else [*before]
    if any(word in to for word in links):  # "I want to follow", not "I want you to follow"
        last = rest[-LOOK_BACK_WORDS:]
        return any(word in subjects for word in last) and not any(word in ASKED for word in last)
    if any(word in and_ for word in links):
        return len(rest) >= 2 and rest[-2] in subjects
    while rest and rest[-1] in BETWEEN:
        rest.pop()
    return bool(rest) and rest[-1] in subjects


def _patterns(
    file: str | Path, lists: Iterable[tuple[str, str, Sequence[str]]], *, glued: bool = False
) -> tuple[Listed, ...]:
    return tuple(
        Listed(kind, lang, *_pattern(f"{file}: [{kind}] {lang}", base_of(lang), phrases, glued=glued))
        for kind, lang, phrases in lists
    )


def _pattern(where: str, lang: str, phrases: Sequence[str], *, glued: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the two patterns of one list; raises `ConfigError` naming the phrase that is no regular expression."""
    try:
        return _compile(lang, phrases, glued=glued)
    except re.error:
        for phrase in phrases:
            try:
                _compile(lang, [phrase], glued=glued)
            except re.error as exc:
                raise ConfigError(f"{where}: {phrase!r} is no regular expression: {exc.msg}") from exc
        raise


def _compile(lang: str, phrases: Sequence[str], *, glued: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    body = "|".join(f"(?:{phrase})" for phrase in phrases).replace("~?", r"\s*")
    # Where a word may be the beginning of another, one without its space is too easily found inside a third.
    if glued and lang not in INFLECTED:
        body = BETWEEN_WORDS.sub(r"\\s*", body)
    body = body.replace("~", r"\s+")
    before = "" if lang in UNSPACED else rf"(?<![{IN_WORD}])" + ("[وف]?" if lang == "ar" else "")
    after = "" if lang in UNSPACED or lang in INFLECTED else rf"(?![{IN_WORD}])"
    wide, strict = (
        re.compile(f"{before}(?:{end.join(END.split(body))}){after}", re.IGNORECASE)
        for end in (rf"(?=\s*(?:\Z|{PARTS}))", r"\Z")
    )
    return wide, strict
