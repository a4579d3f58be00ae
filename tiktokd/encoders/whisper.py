"""What is said, word by word, by Whisper on the stretches in which somebody speaks. 99 languages.

Only windows with detected speech are decoded: silence and music cost nothing and cannot be "heard" wrongly. Greedy;
windows that come out as loops or guesses again with rising temperature (`_whisper_fallback`), the same for the same
sound alone or in a batch; what still looks invented is left out (`_transcript`).

Bad at: lyrics against speech, two people at once, code switching inside a window, names; word times are good to about
0.2 s.
Source: Radford et al. 2022, arXiv 2212.04356; openai/whisper-large-v3-turbo, MIT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub, _transcript, _whisper_decode, _whisper_fallback
from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.sound import SOUND_FULL_SCALE, Span, Speech, Transcript

WEIGHTS = Weights(
    hub_id="openai/whisper-large-v3-turbo",
    revision="41f01f3fe87f28c78e2fbf8b568835947dd65ed9",
    licence="MIT",
    size_mib=1544,
)
RATE_HZ = 16_000
WINDOW_S = 30.0
"""What the encoder was trained on; shorter windows are padded."""
JOIN_GAP_S = 3.0
"""Longer pauses start a new window: nothing is gained by decoding them."""
PAD_S = 0.2
SPEECH_MIN_S = 0.5
FRAME_SAMPLES = 320
"""One frame of the encoder's output: 20 ms."""
BCP47 = {"jw": "jv"}
"""Javanese is jw only in whisper/tokenizer.py; all its other codes are BCP-47."""
TOKENS_MAX = 224
"""Per window, as in whisper's decoder: half of the text context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One stretch of speech."""

    start_s: float
    samples: NDArray[np.int16]
    speech: tuple[Span, ...]
    """Of the whole clip, for the guards."""


class Speller(Protocol):
    """A Whisper, whatever runs it, for those who only read what it wrote."""

    @property
    def special(self) -> _whisper_decode.Special:
        """Ids that are not text."""

    @property
    def tokenizer(self) -> Any:
        """Has `decode(ids, skip_special_tokens)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisper:
    """The model, its tokenizer and its spectrogram."""

    hub: _hub.HubModel
    tokenizer: Any
    extractor: Any
    special: _whisper_decode.Special

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the words."""
        return self.hub.used


def load(context: LoadContext) -> Whisper:
    """Return the model; raises `ModelMissing` for one that cannot tell languages."""
    import transformers

    hub = _hub.load(WEIGHTS, context, "WhisperForConditionalGeneration")
    tokenizer = _hub.tokenizer(hub)
    quiet = [tokenizer.convert_tokens_to_ids(name) for name in ("<|nospeech|>", "<|nocaptions|>")]
    known = [i for i in quiet if i is not None and i != tokenizer.unk_token_id]
    try:
        special = special_tokens(hub.model.generation_config.to_dict(), known[0] if known else None)
    except KeyError as exc:
        raise ModelMissing(
            f"{hub.used[0].id} in {hub.path} knows one language alone, or its generation_config.json lacks {exc}: "
            "name another model in analysis.models"
        ) from exc
    extractor = transformers.WhisperFeatureExtractor(feature_size=hub.model.config.num_mel_bins)
    return Whisper(hub=hub, tokenizer=tokenizer, extractor=extractor, special=special)


def special_tokens(settings: Mapping[str, Any], no_speech: int | None) -> _whisper_decode.Special:
    """Return the ids that are not text, as a checkpoint's generation settings name them."""
    end = settings["eos_token_id"]
    return _whisper_decode.Special(
        start=settings["decoder_start_token_id"],
        end=end[0] if isinstance(end, list) else end,
        transcribe=settings["task_to_id"]["transcribe"],
        no_timestamps=settings["no_timestamps_token_id"],
        languages=languages(settings["lang_to_id"]),
        no_speech=no_speech,
    )


def languages(lang_to_id: Mapping[str, int]) -> dict[int, str]:
    """Return token id → BCP-47 code for a checkpoint's tokens such as <|en|>."""
    codes = ((i, token.strip("<|>")) for token, i in lang_to_id.items())
    return {i: BCP47.get(code, code) for i, code in codes}


def items(context: Context) -> Sequence[Window]:
    """Return the windows with speech; none where somebody speaks for less than half a second."""
    speech: Speech = context.features["vad"]
    samples = context.arrays["audio16"]
    if speech.total_s < SPEECH_MIN_S:
        return []
    found = []
    for start_s, end_s in windows(speech.spans):
        first, last = round(max(start_s - PAD_S, 0.0) * RATE_HZ), round((end_s + PAD_S) * RATE_HZ)
        last = min(last, first + round(WINDOW_S * RATE_HZ))
        found.append(Window(start_s=first / RATE_HZ, samples=samples[first:last], speech=speech.spans))
    return found


def windows(spans: Sequence[Span]) -> list[Span]:
    """Return stretches of at most 30 s that hold all speech: neighbours joined, monologues cut at pauses where any."""
    longest = WINDOW_S - 2 * PAD_S
    found: list[Span] = []
    for start, end in spans:
        at = start
        while end - at > longest:
            found.append((at, at + longest))
            at += longest
        if found and at - found[-1][1] <= JOIN_GAP_S and end - found[-1][0] <= longest:
            found[-1] = (found[-1][0], end)
        else:
            found.append((at, end))
    return found


def encode(model: Whisper, batch: Sequence[Window]) -> Sequence[Transcript]:
    """Return the words of each window."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    hub = model.hub
    sound = [w.samples.astype(np.float32) / SOUND_FULL_SCALE for w in batch]
    mel = model.extractor(sound, sampling_rate=RATE_HZ, return_tensors="pt")["input_features"]
    frames = [min(len(s) // FRAME_SAMPLES, hub.model.config.max_source_positions) for s in sound]
    limit = min(TOKENS_MAX, hub.model.config.max_target_positions - 4)
    with torch.inference_mode():
        encoded = hub.model.model.encoder(mel.to(hub.device, hub.dtype))

        def again(rows: Sequence[int], temperature: float) -> list[_whisper_decode.Decoded]:
            some = BaseModelOutput(last_hidden_state=encoded.last_hidden_state[list(rows)])
            seeds = [_whisper_fallback.seed(batch[row].samples, temperature) for row in rows]
            noise = _whisper_fallback.noise_of(seeds, temperature)
            chance = _whisper_decode.Chance(temperature=temperature, noise=noise)
            return _whisper_decode.decode(
                hub.model, model.special, some, [frames[r] for r in rows], limit, chance=chance
            )

        first = _whisper_decode.decode(hub.model, model.special, encoded, frames, limit)
        decoded = _whisper_fallback.settle(first, lambda heard: text_of(model, heard.tokens), again)
    return [transcript_of(model, window, heard) for window, heard in zip(batch, decoded, strict=True)]


def text_of(model: Speller, tokens: Sequence[int]) -> str:
    """Return the words of tokens, those that are not text left out."""
    text = [token for token in tokens if token < model.special.end]
    return str(model.tokenizer.decode(text, skip_special_tokens=True))


def transcript_of(model: Speller, window: Window, heard: _whisper_decode.Decoded) -> Transcript:
    """Return the words of a window, without what looks invented."""
    end_s = len(window.samples) / RATE_HZ
    pieces = _transcript.pieces(heard, model.special.first_timestamp, model.special.end, window.start_s, end_s)
    found = [_transcript.sentence(piece, lambda tokens: text_of(model, tokens), heard.language) for piece in pieces]
    kept = tuple(s for s in found if _transcript.invented(s, window.speech) is None)
    return Transcript(
        words=tuple(word for s in kept for word in s.words),
        sentences=kept,
        dropped=len(found) - len(kept),
        language=heard.language,
        language_prob=heard.language_prob,
        no_speech_prob=heard.no_speech_prob,
    )


def collect(_context: Context, results: Sequence[Transcript]) -> Transcript:
    """Return one transcript; the language is that of most of the speech."""
    weight: dict[str, float] = {}
    for part in results:
        spoken = sum(s.end_s - s.start_s for s in part.sentences)
        weight[part.language] = weight.get(part.language, 0.0) + spoken + 1e-6
    language = max(weight, key=lambda code: weight[code])
    return Transcript(
        words=tuple(word for part in results for word in part.words),
        sentences=tuple(s for part in results for s in part.sentences),
        dropped=sum(part.dropped for part in results),
        language=language,
        language_prob=max(part.language_prob for part in results if part.language == language),
        no_speech_prob=min(part.no_speech_prob for part in results),
    )


ENCODER = Encoder(
    name="whisper",
    title="Words with times of the stretches in which somebody speaks",
    input="audio16",
    place="gpu",
    load=load,
    items=items,
    nothing="no_speech",
    nothing_said=f"nobody speaks for {SPEECH_MIN_S:g} s",
    encode=encode,
    collect=collect,
    uses=("vad",),
    weights=WEIGHTS,
    max_batch=8,
    gflop_per_item=2348.1,
)
