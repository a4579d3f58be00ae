"""What is said, word by word, where no GPU works: a smaller Whisper with weights of 8 bits, run by CTranslate2.

The same windows of speech, guards and results as `whisper`, for which it stands. Windows that come out as loops or
guesses are decoded once more by a beam search that may not write the same three tokens twice: no chance is in it, so
that the same sound gives the same words, and it bounds the time (chance would take up to five more tries). Window after
window: nothing depends on what else is in the batch.

Bad at: what `whisper` is bad at, and more of it; more wrong words in other languages than English most of all (appendix
D of the source).
Source: Radford et al. 2022, arXiv 2212.04356; openai/whisper-base, Apache-2.0; CTranslate2, github.com/OpenNMT, MIT.
Its file is made here, of the safetensors that were fetched (`convert`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd import weights
from tiktokd.conversion import Conversion
from tiktokd.encoders import _hub, _log_mel, _whisper_fallback, whisper
from tiktokd.encoders._whisper_decode import SECONDS_PER_TIMESTAMP, Decoded, Special
from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import Encoder, LoadContext, Weights
from tiktokd.sound import Transcript

SETTINGS, TOKENIZER = "generation_config.json", "tokenizer.json"
CONTEXT, PROMPT = 448, 4
"""Tokens that every Whisper can look back on, and those of them that are no text."""
BEAMS = 5
"""Of the second try, as in whisper/transcribe.py."""
REPEAT_TOKENS = 3
"""The second try writes no run of so many tokens twice."""
MEDIAN_COLUMNS = 7
"""Smooths attention over time (whisper/timing.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """The engine with its model, and what is needed to read and feed it."""

    engine: Any
    tokenizer: Any
    special: Special
    tokens_max: int
    """Written per window at most."""
    bands: NDArray[np.float32]
    """As in `_log_mel`."""
    used: tuple[ModelUsed, ...]


def convert(spec: Weights, models_dir: Path, target: Path) -> None:
    """Write the engine's files with weights of 8 bits, from safetensors alone, and copies of what is read beside them.

    Raises:
        ModelMissing: tensors or files are missing, or it is no Whisper.
    """
    tensors = replace(spec, conversion=None)
    hub = _hub.load(tensors, LoadContext(models_dir=models_dir), "WhisperForConditionalGeneration")
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(str(hub.path), copy_files=[SETTINGS, TOKENIZER])
    converter.load_model = lambda *_args, **_options: hub.model
    converter.load_tokenizer = lambda *_args, **_options: _hub.tokenizer(hub)
    try:
        converter.convert(str(target), quantization="int8")
    except (OSError, RuntimeError, ValueError, KeyError) as exc:
        raise ModelMissing(f"{spec.hub_id} in {hub.path} cannot be converted: {exc}") from exc


WEIGHTS = Weights(
    hub_id="openai/whisper-base",
    revision="e37978b90ca9030d5170a5c07aadb050351a65bb",
    licence="Apache-2.0",
    size_mib=277,
    extra=True,
    conversion=Conversion(
        folder="ctranslate2-int8",
        files=("model.bin", "config.json", "vocabulary.json", SETTINGS, TOKENIZER),
        package="ctranslate2",
        extra="asr-cpu",
        make=convert,
    ),
)


def load(context: LoadContext) -> Listener:
    """Return the engine, after a look at every byte of what it reads: only what was made here is."""
    spec = weights.chosen(WEIGHTS, context.models)
    folder, entry = weights.made(spec, context.models_dir)
    import ctranslate2
    from tokenizers import Tokenizer

    try:
        settings = json.loads((folder / SETTINGS).read_text())
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        tokens_max = min(whisper.TOKENS_MAX, settings.get("max_length", CONTEXT) - PROMPT)
        special = whisper.special_tokens(settings, tokenizer.token_to_id("<|nospeech|>"))
        engine = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=max(1, context.threads)
        )
    except (OSError, RuntimeError, ValueError, KeyError) as exc:
        why = str(exc) or type(exc).__name__
        raise ModelMissing(f"{folder} does not load: {why}; {weights.how_to_get(spec)}") from exc
    if not engine.is_multilingual:
        raise ModelMissing(f"{spec.hub_id} knows one language alone: name another model in analysis.models")
    used = ModelUsed(
        id=spec.hub_id,
        revision=entry.get("revision"),
        sha256=entry["files"]["model.bin"]["sha256"],
        dtype="int8",
        device="cpu",
    )
    return Listener(
        engine=engine,
        tokenizer=tokenizer,
        special=special,
        tokens_max=tokens_max,
        bands=_log_mel.filters(engine.n_mels),
        used=(used,),
    )


def encode(model: Listener, batch: Sequence[whisper.Window]) -> Sequence[Transcript]:
    """Return the words of each window."""
    return [_transcript(model, window) for window in batch]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sound:
    """One window as the engine has heard it."""

    encoded: Any
    columns: int
    """Of 10 ms, padding left out."""
    language: str
    """As a token."""
    language_prob: float


def _transcript(model: Listener, window: whisper.Window) -> Transcript:
    sound = _heard(model, window)

    def again(_rows: Sequence[int], _temperature: float) -> list[Decoded]:
        return [_decoded(model, sound, beam_size=BEAMS, no_repeat_ngram_size=REPEAT_TOKENS)]

    first = _decoded(model, sound, beam_size=1)
    (heard,) = _whisper_fallback.settle([first], lambda one: whisper.text_of(model, one.tokens), again, (0.0,))
    return whisper.transcript_of(model, window, heard)


def _heard(model: Listener, window: whisper.Window) -> _Sound:
    import ctranslate2

    picture = ctranslate2.StorageView.from_array(_log_mel.log_mel(window.samples, model.bands)[None])
    encoded = model.engine.encode(picture, to_cpu=True)
    language, prob = model.engine.detect_language(encoded)[0][0]  # likeliest first
    columns = min(len(window.samples) // _log_mel.HOP, _log_mel.COLUMNS)
    return _Sound(encoded=encoded, columns=columns, language=language, language_prob=float(prob))


def _decoded(model: Listener, sound: _Sound, **search: int) -> Decoded:
    """Return what is written for one window: tokens by the engine's search, times and probabilities by alignment."""
    special = model.special
    spoken = model.tokenizer.token_to_id(sound.language)
    prompt = [special.start, spoken, special.transcribe]
    (found,) = model.engine.generate(
        sound.encoded,
        [prompt],
        max_length=2 * model.tokens_max,  # the engine writes half of it at most, as the original does
        return_scores=True,
        return_no_speech_prob=True,
        **search,
    )
    tokens = [int(token) for token in found.sequences_ids[0]]
    text = [token for token in tokens if token < special.end]
    ends_s, logprobs = _aligned(model, sound, prompt, text) if text else ([], [])
    words = iter(zip(ends_s, logprobs, strict=True))
    each = [
        next(words)
        if token < special.end
        # The engine tells no probability of single times: they have the mean of all tokens.
        else ((token - special.first_timestamp) * SECONDS_PER_TIMESTAMP, float(found.scores[0]))
        for token in tokens
    ]
    return Decoded(
        language=special.languages[spoken],
        language_prob=sound.language_prob,
        no_speech_prob=float(found.no_speech_prob),
        tokens=tuple(tokens),
        logprobs=tuple(logprob for _end_s, logprob in each),
        ends_s=tuple(end_s for end_s, _logprob in each),
    )


def _aligned(model: Listener, sound: _Sound, prompt: list[int], text: list[int]) -> tuple[list[float], list[float]]:
    """Return the end (seconds) and the log-probability of each token of text."""
    (found,) = model.engine.align(sound.encoded, prompt, [text], sound.columns, median_filter_width=MEDIAN_COLUMNS)
    pairs = np.asarray(found.alignments, np.int64)
    # Rows are the steps that write a token each, and one more for the end.
    ends_s = [float(pairs[pairs[:, 0] <= row, 1].max() + 1) * SECONDS_PER_TIMESTAMP for row in range(len(text))]
    return ends_s, np.log(np.maximum(found.text_token_probs, np.finfo(np.float32).tiny)).tolist()


ENCODER = Encoder(
    name="whisper_cpu",
    title="Words with times where no GPU works: a smaller Whisper with weights of 8 bits",
    input="audio16",
    place="cpu",
    load=load,
    items=whisper.items,
    nothing="no_speech",
    nothing_said=whisper.ENCODER.nothing_said,
    encode=encode,
    collect=whisper.collect,
    uses=("vad",),
    weights=WEIGHTS,
    stands_for="whisper",
    max_batch=1,
    gflop_per_item=108.4,
)
