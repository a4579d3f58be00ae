"""What is said, with the time of each word, in 99 languages.

Whisper on the stretches with detected speech. Windows that come out as loops or guesses are decoded again with rising
temperature, as the original does; sentences that still look invented are left out and counted. Lyrics that are sung
clearly count as speech. Where there is no GPU, a smaller model does the same (tier lite) if a person has put it there.

Bad at lyrics against speech, two people at once, code switching inside half a minute, rare names; word times are good
to about 0.2 s. The smaller model gets more words wrong, in other languages than English most of all (appendix D of the
source). Times of words are the model's own alignment.
Source: Radford et al. 2022, arXiv 2212.04356; openai/whisper-large-v3-turbo, MIT.
"""

from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import Sentence, Transcript, cut_off_at


class SpokenWord(Output):
    """One word."""

    w: str
    """As written by the model, punctuation attached; in Chinese, Japanese, Thai, Lao and Burmese a character or two."""
    start_s: float
    """Seconds from the start of the video."""
    end_s: float
    """Seconds from the start of the video."""
    p: float
    """0..1, the model's own probability."""


class SpeechTranscription(Output):
    """The transcript."""

    text: str
    """All sentences, separated by spaces."""
    language: str
    """BCP-47, of most of the speech."""
    language_prob: float
    """0..1, the model's own."""
    words: list[SpokenWord]
    """In order."""
    no_speech_prob: float
    """0..1, of the window that is most surely speech."""
    avg_logprob: float
    """Mean natural logarithm of the tokens' probabilities; near 0 is sure, below -1 is a guess."""
    dropped_sentences_count: int
    """Sentences left out because they look invented."""


class SpeechSegment(Segment):
    """One sentence."""

    text: str
    """As written by the model."""
    avg_logprob: float
    """As in `SpeechTranscription`."""
    temperature: float
    """0: the likeliest words; 0.2..1: the likeliest looked like a loop or a guess, so they were drawn with this much
    chance (from the sound itself: the same file gives the same words). Trust it less."""


def analyze(context: Context) -> Result:
    """Return the transcript."""
    found: Transcript = context.features["whisper"]
    if not found.sentences:
        return skipped("no_speech", f"{found.dropped} sentence(s) looked invented" if found.dropped else None)
    output = SpeechTranscription(
        text=" ".join(s.text for s in found.sentences),
        language=found.language,
        language_prob=round(found.language_prob, 4),
        words=[
            SpokenWord(w=w.text, start_s=round(w.start_s, 3), end_s=round(w.end_s, 3), p=round(w.p, 4))
            for w in found.words
        ],
        no_speech_prob=round(found.no_speech_prob, 4),
        avg_logprob=round(_mean_logprob(found.sentences), 4),
        dropped_sentences_count=found.dropped,
    )
    segments = [
        SpeechSegment(
            start_s=round(s.start_s, 3),
            end_s=round(s.end_s, 3),
            text=s.text,
            avg_logprob=round(s.avg_logprob, 4),
            temperature=s.temperature,
        )
        for s in found.sentences
    ]
    cut_s = cut_off_at(context.audio16_covers_s, context.audio48_covers_s, context.facts.duration_s)
    if cut_s is not None:
        told = f"only the first {cut_s:.1f} s of sound were listened to"
        return partial(output, "truncated", told, segments, calibrated=False)
    return ok(output, segments, calibrated=False)


def _mean_logprob(sentences: tuple[Sentence, ...]) -> float:
    weights = [max(len(s.words), 1) for s in sentences]
    return sum(s.avg_logprob * w for s, w in zip(sentences, weights, strict=True)) / sum(weights)


ANALYZER = Analyzer(
    name="speech_transcription",
    title="What is said, with the time of each word, in 99 languages",
    group="audio",
    output=SpeechTranscription,
    segment=SpeechSegment,
    analyze=analyze,
    uses=("whisper",),
    needs=frozenset({"audio"}),
    lightweight=False,
    version="5",
)
