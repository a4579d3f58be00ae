"""Decoding of Whisper windows, greedy or with chance, and the time of each token from the decoder's own attention.

transformers' long-form `generate` seeks, re-encodes and refuses given encoder outputs; windows here are never longer
than the 30 s that the encoder takes, so its generic loop does, with Whisper's own timestamp rules on top.
Source: Radford et al. 2022, arXiv 2212.04356; whisper/decoding.py (ApplyTimestampRules), whisper/timing.py (alignment).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECONDS_PER_TIMESTAMP = 0.02
"""One timestamp token, and one frame of the encoder's output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """Ids that are not text."""

    start: int
    end: int
    transcribe: int
    no_timestamps: int
    languages: dict[int, str]
    """Token id → BCP-47 code."""
    no_speech: int | None

    @property
    def first_timestamp(self) -> int:
        """Id of <|0.00|>; every id from here on is a time."""
        return self.no_timestamps + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What the decoder wrote for one window."""

    language: str
    language_prob: float
    no_speech_prob: float
    tokens: tuple[int, ...]
    """Text and timestamp tokens, without prompt and end."""
    logprobs: tuple[float, ...]
    ends_s: tuple[float, ...] | None
    """Per token, seconds in the window; `None` where the checkpoint does not name its alignment heads."""
    temperature: float = 0.0
    """Of the sampling; 0: greedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """How a batch is decoded that is not decoded greedily."""

    temperature: float
    noise: Callable[[Any, Any], Any]
    """Token ids so far and scores, both (B, …) → scores; comes after Whisper's own rules."""


def decode(
    model: Any,
    special: Special,
    encoded: Any,
    frames: Sequence[int],
    tokens_max: int,
    *,
    chance: Chance | None = None,
) -> list[Decoded]:
    """Return what is said in each window.

    Args:
        model: WhisperForConditionalGeneration.
        special: ids of the tokens that are not text.
        encoded: the encoder's output for B windows.
        frames: per window, encoder frames (20 ms) that hold sound and not padding.
        tokens_max: written per window at most.
        chance: `None`: greedy.
    """
    hidden = encoded.last_hidden_state
    languages, no_speech = _first_step(model, special, hidden)
    prompt = [[special.start, language, special.transcribe] for language, _p in languages]
    written = _write(model, special, encoded, prompt, tokens_max, chance=chance)
    logprobs, ends = _align(model, written, hidden, frames, len(prompt[0]))
    found = []
    for row, (language, p) in enumerate(languages):
        tokens = written[row, len(prompt[0]) :].tolist()
        length = tokens.index(special.end) if special.end in tokens else len(tokens)
        found.append(
            Decoded(
                language=special.languages[language],
                language_prob=p,
                no_speech_prob=no_speech[row],
                tokens=tuple(tokens[:length]),
                logprobs=tuple(logprobs[row][:length]),
                ends_s=None if ends is None else tuple(ends[row][:length]),
                temperature=chance.temperature if chance else 0.0,
            )
        )
    return found


def _first_step(model: Any, special: Special, hidden: Any) -> tuple[list[tuple[int, float]], list[float]]:
    """Return per window the likeliest language token with its probability, and that nobody speaks."""
    import torch

    start = torch.full((len(hidden), 1), special.start, device=hidden.device)
    state = model.model.decoder(input_ids=start, encoder_hidden_states=hidden).last_hidden_state
    logits = model.proj_out(state)[:, -1].float()
    ids = list(special.languages)
    shares = logits[:, ids].softmax(dim=-1)
    best = [(ids[i], float(row[i])) for i, row in zip(shares.argmax(dim=-1).tolist(), shares, strict=True)]
    if special.no_speech is None:
        return best, [0.0] * len(hidden)
    return best, logits.softmax(dim=-1)[:, special.no_speech].tolist()


def _write(
    model: Any, special: Special, encoded: Any, prompt: list[list[int]], tokens_max: int, *, chance: Chance | None
) -> Any:
    """Return (B, n) token ids, prompt included, filled up with the end token."""
    import torch
    import transformers

    config = model.generation_config
    ids = torch.tensor(prompt, device=encoded.last_hidden_state.device)
    rules = transformers.LogitsProcessorList()
    for kind, banned in (("suppress_tokens", False), ("begin_suppress_tokens", True)):
        tokens = getattr(config, kind, None)
        if tokens and banned:
            rules.append(
                transformers.SuppressTokensAtBeginLogitsProcessor(tokens, begin_index=ids.shape[1], device=ids.device)
            )
        elif tokens:
            rules.append(transformers.SuppressTokensLogitsProcessor(tokens, device=ids.device))
    rules.append(transformers.WhisperTimeStampLogitsProcessor(config, begin_index=ids.shape[1]))
    if chance is not None:
        rules.append(chance.noise)
    plain = transformers.GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_length=ids.shape[1] + tokens_max,
        eos_token_id=special.end,
        pad_token_id=special.end,
        decoder_start_token_id=special.start,
    )
    return transformers.GenerationMixin.generate(
        model, encoder_outputs=encoded, decoder_input_ids=ids, generation_config=plain, logits_processor=rules
    )


def _align(
    model: Any, written: Any, hidden: Any, frames: Sequence[int], prompt: int
) -> tuple[list[list[float]], list[list[float]] | None]:
    """Return per window the log-probability and the end (seconds) of each token after the prompt.

    One pass over the finished text: attention weights are only there without the fused kernel.
    """
    heads = getattr(model.generation_config, "alignment_heads", None)
    fused = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        out = model.model.decoder(input_ids=written, encoder_hidden_states=hidden, output_attentions=heads is not None)
    finally:
        model.set_attn_implementation(fused)
    logits = model.proj_out(out.last_hidden_state).float().log_softmax(dim=-1)
    told = logits[:, prompt - 1 : -1].gather(2, written[:, prompt:, None]).squeeze(2)
    if heads is None:
        return told.tolist(), None
    weights = [out.cross_attentions[layer][:, head].float().cpu().numpy() for layer, head in heads]
    width = getattr(model.config, "median_filter_width", 7)
    ends = [
        token_ends(np.stack([w[row, prompt - 1 : -1, : max(frames[row], 1)] for w in weights]), width)
        for row in range(len(written))
    ]
    return told.tolist(), ends


def token_ends(weights: NDArray[np.float32], median_width: int) -> list[float]:
    """Return the end of each token in seconds.

    Args:
        weights: (heads, tokens, frames) cross-attention of the step that wrote each token.
        median_width: frames of the median filter over time.
    """
    from scipy.ndimage import median_filter

    spread = weights.std(axis=1, keepdims=True)
    even = (weights - weights.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    matrix = median_filter(even, size=(1, 1, median_width), mode="reflect").mean(axis=0)
    text, time = warp(-matrix)
    return [float(time[text <= i].max() + 1) * SECONDS_PER_TIMESTAMP for i in range(weights.shape[1])]


def warp(cost: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cheapest monotone path (dynamic time warping, Sakoe and Chiba 1978) through (N, M) costs.

    Whole anti-diagonals at a time, as each depends on the two before it alone.
    """
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf, np.float64)
    total[0, 0] = 0.0
    step = np.zeros((n + 1, m + 1), np.int8)
    for diagonal in range(2, n + m + 1):
        i = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        j = diagonal - i
        options = np.stack([total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]])
        best = options.argmin(axis=0)
        step[i, j] = best
        total[i, j] = cost[i - 1, j - 1] + options[best, np.arange(len(i))]
    i, j = n, m
    path = []
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        move = step[i, j]
        i, j = (i - 1 if move in (0, 1) else i), (j - 1 if move in (0, 2) else j)
    rows, columns = np.array(path[::-1]).T
    return rows, columns
