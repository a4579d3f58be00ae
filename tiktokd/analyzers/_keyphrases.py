"""Keyphrases by word co-occurrence (RAKE: Rose et al., Automatic Keyword Extraction from Individual Documents, 2010).

Pure. Phrases are what stands between stop words and punctuation; in Chinese and Japanese, runs of ideographs or
katakana between dividing characters, since words are not spaced there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set

from tiktokd.texts import IDEOGRAPHS, IN_WORD

LONGEST_WORDS = 4
"""Longer runs without a stop word are lists or lyrics, not phrases."""
LONGEST_SIGNS, SHORTEST_SIGNS = 8, 2
"""The same for ideographs."""
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
            if word in stop or word.isdigit() or len(word) < 2:
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
