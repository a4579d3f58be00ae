"""Whisper's tokens to words and sentences, and what looks invented left out. Pure: knows no model and no torch.

Whisper writes fluent text for music and noise. Guards, each from the original decoder or from what is known to be
invented: no-speech probability with a low mean log-probability, compression ratio, repeated phrases, no overlap with
detected speech, and the stock phrases of its training subtitles.
Source: Radford et al. 2022, arXiv 2212.04356, section 4.5, and whisper/transcribe.py (thresholds).
"""

import math
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tiktokd.encoders._whisper_decode import SECONDS_PER_TIMESTAMP, Decoded
from tiktokd.sound import UNSPACED, Sentence, Span, Word

NO_SPEECH_MAX, LOGPROB_MIN, COMPRESSION_MAX = 0.6, -1.0, 2.4
"""Defaults of whisper.transcribe."""
REPEATS_MAX = 4
"""The same three words this often in one sentence are a loop of the decoder."""
OVERLAP_MIN = 0.2
"""Share of a sentence that must be detected speech."""
STOCK_PHRASES = frozenset(
    {
        "thanks for watching", "thank you for watching", "thank you", "please subscribe", "bye", "you", "music",
        "subtitles by the amara.org community", "untertitel der amara.org-community",
        "sous-titres réalisés par la communauté d'amara.org", "subtítulos realizados por la comunidad de amara.org",
        "legendas pela comunidade amara.org", "sottotitoli creati dalla comunità amara.org",
        "ご視聴ありがとうございました", "字幕由amara.org社区提供", "请不吝点赞订阅转发打赏支持明镜与点点栏目",
        "продолжение следует", "시청해주셔서 감사합니다", "altyazı m.k.",
    }
)  # fmt: skip
"""Texts that Whisper is known to write where nobody speaks; kept where the model is sure and speech was detected."""
STOCK_LOGPROB_MIN = -0.4

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One decoded stretch of a window: tokens of text alone, with their times and log-probabilities."""

    start_s: float
    end_s: float
    tokens: tuple[int, ...]
    token_end_s: tuple[float, ...]
    logprobs: tuple[float, ...]
    no_speech: float
    """0..1, of the whole window."""
    temperature: float = 0.0
    """As in `Decoded`."""


def pieces(heard: Decoded, first_timestamp: int, end: int, start_s: float, length_s: float) -> list[Piece]:
    """Return the stretches between timestamp tokens, with times in the video.

    Args:
        heard: what the decoder wrote for one window.
        first_timestamp: id of <|0.00|>.
        end: id of the end token; larger ids are not text.
        start_s: of the window in the video.
        length_s: of the window; no time lies beyond it.
    """
    found: list[Piece] = []
    text: list[int] = []
    begin_s = 0.0

    def close(at_s: float) -> None:
        if text:
            ends = heard.ends_s or (at_s,) * len(heard.tokens)
            found.append(
                Piece(
                    start_s=start_s + begin_s,
                    end_s=start_s + max(at_s, begin_s),
                    tokens=tuple(heard.tokens[i] for i in text),
                    token_end_s=tuple(start_s + min(max(ends[i], begin_s), max(at_s, begin_s)) for i in text),
                    logprobs=tuple(heard.logprobs[i] for i in text),
                    no_speech=heard.no_speech_prob,
                    temperature=heard.temperature,
                )
            )
            text.clear()

    for number, token in enumerate(heard.tokens):
        if token >= first_timestamp:
            at_s = min((token - first_timestamp) * SECONDS_PER_TIMESTAMP, length_s)
            close(at_s)
            begin_s = at_s
        elif token < end:
            text.append(number)
    close(length_s)
    return found


def sentence(piece: Piece, decode: Decode, language: str) -> Sentence:
    """Return the text, words and confidence of a piece."""
    return Sentence(
        start_s=piece.start_s,
        end_s=piece.end_s,
        text=decode(piece.tokens).strip(),
        avg_logprob=sum(piece.logprobs) / len(piece.logprobs) if piece.logprobs else 0.0,
        no_speech_prob=piece.no_speech,
        temperature=piece.temperature,
        words=tuple(words(piece, decode, language)),
    )


def words(piece: Piece, decode: Decode, language: str) -> list[Word]:
    """Return the words of a piece; a token that is part of a character waits for the rest of it."""
    found: list[tuple[str, float, float, list[float]]] = []
    pending: list[int] = []
    start_s = piece.start_s
    logprobs: list[float] = []
    for token, end_s, logprob in zip(piece.tokens, piece.token_end_s, piece.logprobs, strict=True):
        pending.append(token)
        logprobs.append(logprob)
        text = decode(pending)
        if "\ufffd" in text:
            continue
        starts_word = not found or text.startswith(" ") or language in UNSPACED
        if starts_word or not text.strip():
            found.append((text, start_s, end_s, logprobs))
        else:
            before = found[-1]
            found[-1] = (before[0] + text, before[1], end_s, before[3] + logprobs)
        pending, logprobs, start_s = [], [], end_s
    return [
        Word(text=text.strip(), start_s=a, end_s=max(a, b), p=math.exp(sum(p) / len(p)))
        for text, a, b, p in found
        if text.strip()
    ]


def invented(found: Sentence, speech: Sequence[Span]) -> str | None:
    """Return why a sentence is left out, or `None` where it stands."""
    if not found.text:
        return "empty"
    if found.no_speech_prob > NO_SPEECH_MAX and found.avg_logprob < LOGPROB_MIN:
        return "no_speech"
    if compression_ratio(found.text) > COMPRESSION_MAX or repeats(found.text) >= REPEATS_MAX:
        return "repetition"
    if overlap(found.start_s, found.end_s, speech) < OVERLAP_MIN:
        return "outside_speech"
    if plain(found.text) in STOCK_PHRASES and found.avg_logprob < STOCK_LOGPROB_MIN:
        return "stock_phrase"
    return None


def compression_ratio(text: str) -> float:
    """Return how much zlib shrinks the text; loops shrink most. 1 or less for short texts."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def repeats(text: str) -> int:
    """Return how often the most frequent run of three words stands in the text."""
    parts = text.lower().split()
    runs = Counter(zip(parts, parts[1:], parts[2:], strict=False))
    return max(runs.values(), default=0)


def overlap(start_s: float, end_s: float, spans: Sequence[Span]) -> float:
    """Return the share (0..1) of a stretch that lies inside the spans; of a moment: 1 inside, 0 outside."""
    if end_s <= start_s:
        return 1.0 if any(a <= start_s <= b for a, b in spans) else 0.0
    shared = sum(max(0.0, min(end_s, b) - max(start_s, a)) for a, b in spans)
    return shared / (end_s - start_s)


def plain(text: str) -> str:
    """Return the text in lower case without the punctuation around it."""
    return text.lower().strip(" .!?…,。！？♪-[]()\"'")
