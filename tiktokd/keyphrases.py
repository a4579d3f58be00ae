"""Keyphrases by word co-occurrence (RAKE: Rose et al., Automatic Keyword Extraction from Individual Documents, 2010).

Pure, shared by the analyzer that ranks them and the encoder that embeds them. Phrases are what stands between stop
words and punctuation; in Chinese and Japanese, runs of ideographs or katakana between dividing characters, since words
are not spaced there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

from tiktokd.texts import IDEOGRAPHS, IN_WORD

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
_BREAK = re.compile(r"[^\w\s'’\-&+" + "\u200c\u200d" + rf"{IN_WORD[2:]}]|\n|\s-+\s")
_TOKEN = re.compile(rf"[{IN_WORD}]+(?:['’&+-][{IN_WORD}]+)*")
_SIGNS = re.compile("[\u30a1-\u30ffー]{2,}|[\u3400-\u4dbf\u4e00-\u9fff]{2,}")


def keyphrases(texts: Iterable[str], stop: Set[str], limit: int) -> list[tuple[str, float]]:
    """Return up to `limit` phrases with scores 0..1 (share of the best), best first.

    Args:
        texts: Sentences or blocks without tags and links.
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
