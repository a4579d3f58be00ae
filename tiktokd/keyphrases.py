"""Keyphrases by word co-occurrence (RAKE: Rose et al., Automatic Keyword Extraction from Individual Documents, 2010).

Pure, shared by the analyzer that ranks them and the encoder that embeds them. Phrases are what stands between stop
words, punctuation and the ends of lines; in Chinese and Japanese, runs of ideographs or katakana between dividing
characters, since words are not spaced there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import partial
from itertools import takewhile

from tiktokd.texts import IDEOGRAPHS, IN_WORD, TOGETHER_S, Kind, Passage, without_tags, words

LONGEST_WORDS = 4
"""Longer runs without a stop word are lists or lyrics, not phrases."""
LONGEST_WORD = 40
"""Letters: longer than the longest words that people use (German 39); screams and keys are no topics."""
LONGEST_NUMBER = 4
"""Digits of a year or a model; longer ones are phone, card and account numbers: private, and no topics either."""
LONGEST_SIGNS, SHORTEST_SIGNS = 8, 2
"""The same for ideographs."""
CANDIDATES = 12
"""Phrases of one source that are weighed against its meaning."""
LIKELY_LISTS = 3
"""Lists of stop words under which candidates are looked for before the language is known."""
NEAR_LINES, ALIKE_LINES, OVER_LINES = 0.5, 0.5, 0.5
"""Lines are stacked where less than half a line lies between them, the lower has half the height of the higher at
least, and half of the narrower lies under or over the other: small letters alone make a line half as high."""
_BREAK = re.compile(r"[^\w\s'’\-&+" + "\u200c\u200d" + rf"{IN_WORD[2:]}]|\n|\s-+\s")
_IDEOGRAPHS = re.compile(f"[{IDEOGRAPHS}]{{2}}")
_TOKEN = re.compile(rf"[{IN_WORD}]+(?:['’&+-][{IN_WORD}]+)*")
_SIGNS = re.compile("[\u30a1-\u30ffー]{2,}|[\u3400-\u4dbf\u4e00-\u9fff]{2,}")


def unbroken(found: Iterable[Passage], kind: Kind) -> list[str]:
    """Return the texts of one source, tags and links taken out, with a line break where no phrase goes on.

    Lines of a caption are written one by one, and so are those in the picture: a phrase goes on in the next one only
    where it was wrapped, see `_is_wrapped`. What other analyzers take for one text, all lines of a moment, is no
    sentence to count words in.
    """
    chains: list[list[Passage]] = []
    for one in (passage for passage in found if passage.kind == kind):
        moment = takewhile(partial(_is_of_moment, one), reversed(chains))
        chain = next((chain for chain in moment if _is_wrapped(chain[-1], one)), None)
        if chain is None:
            chains.append([one])
        else:
            chain.append(one)
    return [without_tags(_whole(chain)) for chain in chains]


def _whole(lines: Sequence[Passage]) -> str:
    """Return lines as one; what is written without spaces is joined without one."""
    text = lines[0].text
    for line in lines[1:]:
        unspaced = _IDEOGRAPHS.fullmatch(text[-1:] + line.text[:1])
        text += line.text if unspaced else f" {line.text}"
    return text


def _is_of_moment(one: Passage, chain: Sequence[Passage]) -> bool:
    """Return whether the last of some lines in the picture comes up together with another."""
    return abs((chain[-1].start_s or 0.0) - (one.start_s or 0.0)) <= TOGETHER_S


def _is_wrapped(a: Passage, b: Passage) -> bool:
    """Return whether the words of line `a` go on in line `b`.

    They do where `b` stands right under `a`, both are there for the same time, the first word of `b` would not have
    fitted into the picture behind `a`, and `b` does not open a sentence, which a capital does behind words in small
    letters. Whoever had room and began a new line meant a new text, or chose a good place to break one.
    """
    if a.box is None or b.box is None or abs((a.end_s or 0.0) - (b.end_s or 0.0)) > TOGETHER_S:
        return False
    (left, top, width, height), (b_left, b_top, b_width, b_height) = a.box, b.box
    shared = min(left + width, b_left + b_width) - max(left, b_left)
    stacked = (
        abs(b_top - (top + height)) < NEAR_LINES * max(height, b_height)
        and min(height, b_height) >= ALIKE_LINES * max(height, b_height)
        and shared >= OVER_LINES * min(width, b_width)
    )
    if not stacked:  # as nearly all pairs of a page: their words need no look
        return False
    first = next(iter(words(b.text)), "")
    fits = width + b_width * (len(first) + 1) / (len(b.text) + 1) <= 1.0
    opens = b.text[:1].isupper() and any(word[0].islower() for word in a.text.split())
    return not fits and not opens


def keyphrases(texts: Iterable[str], stop: Set[str], limit: int) -> list[tuple[str, float]]:
    """Return up to `limit` phrases with scores 0..1 (share of the best), best first.

    Args:
        texts: As `unbroken` returns them.
        stop: Words in lower case that end phrases.
    """
    phrases = [phrase for text in texts for phrase in _candidates(text, stop)]
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    for phrase in phrases:
        for word in phrase:
            frequency[word] += 1
            degree[word] += len(phrase)
    scores = {" ".join(p): sum(degree[w] / frequency[w] for w in p) for p in phrases}
    times = Counter(" ".join(p) for p in phrases)
    ranked = sorted(scores, key=lambda p: (-scores[p] * times[p], p))[:limit]
    best = max((scores[p] * times[p] for p in ranked), default=1.0)
    return [(phrase, round(scores[phrase] * times[phrase] / best, 4)) for phrase in ranked]


def candidates(texts: Sequence[str], stop: Mapping[str, Set[str]]) -> list[str]:
    """Return what `keyphrases` may find in the texts of one source, whichever language they turn out to be in.

    The phrases under all lists together and under each of the three that know most words of the texts.
    """
    said = {word.lower() for text in texts for word in _TOKEN.findall(text)}
    hits = {code: len(said & words) for code, words in stop.items()}
    likely = [code for code in sorted(hits, key=lambda c: (-hits[c], c)) if hits[code]][:LIKELY_LISTS]
    lists = [frozenset().union(*stop.values()), *(stop[code] for code in likely)]
    found = [phrase for words in lists for phrase, _ in keyphrases(texts, words, CANDIDATES)]
    return list(dict.fromkeys(found))


def rerank(ranked: Sequence[tuple[str, float]], near: Mapping[str, float], limit: int) -> list[tuple[str, float]]:
    """Return up to `limit` phrases by statistics and meaning together, scores 0..1 (share of the best), best first.

    Both count half; the cosines are stretched over the phrases at hand, since E5's fill only a small part of -1..1
    (KeyBERT, Grootendorst 2020, ranks by the cosine alone, which favours long phrases). Phrases without a vector keep
    the half that they have.

    Args:
        ranked: phrases with their scores, as `keyphrases` returns them.
        near: phrase → cosine to the whole text.
    """
    cosines = [near[phrase] for phrase, _ in ranked if phrase in near]
    if not cosines:
        return list(ranked[:limit])
    low, spread = min(cosines), max(cosines) - min(cosines)
    scale = 1.0 / spread if spread > 1e-6 else 0.0
    both = {phrase: 0.5 * s + 0.5 * (near.get(phrase, low) - low) * scale for phrase, s in ranked}
    best = max(both.values()) or 1.0
    order = sorted(both, key=lambda phrase: (-both[phrase], phrase))[:limit]
    return [(phrase, round(both[phrase] / best, 4)) for phrase in order]


def _candidates(text: str, stop: Set[str]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for chunk in _BREAK.split(text):
        run: list[str] = []
        for token in _TOKEN.findall(chunk):
            if re.search(f"[{IDEOGRAPHS}]", token):
                found += _keep(run)
                run = []
                found += [(signs,) for signs in _asian(token, stop)]
                continue
            word = token.lower()
            is_number = word.isdigit() or sum(map(str.isdigit, word)) > LONGEST_NUMBER
            if word in stop or is_number or not 2 <= len(word) <= LONGEST_WORD:
                found += _keep(run)
                run = []
            else:
                run.append(word)
        found += _keep(run)
    return found


def _keep(run: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(run)] if 0 < len(run) <= LONGEST_WORDS and any(len(word) > 2 for word in run) else []


def _asian(token: str, stop: Set[str]) -> list[str]:
    dividers = sorted((word for word in stop if re.match(f"[{IDEOGRAPHS}]", word)), key=len, reverse=True)
    parts = re.split("|".join(map(re.escape, dividers)), token) if dividers else [token]
    return [s for part in parts for s in _SIGNS.findall(part) if SHORTEST_SIGNS <= len(s) <= LONGEST_SIGNS]
