"""Windows that Whisper seems to have got wrong, decoded again with chance: loops and guesses often end there.

As `whisper.transcribe` does it: greedy first; where the text repeats itself or its tokens are unlikely, again at
temperatures 0.2, 0.4 … 1.0 until it does neither. Chance is drawn from the sound of the window and nothing else, so
that the same sound gives the same words alone, in any batch and at any time.
Source: Radford et al. 2022, arXiv 2212.04356, section 4.5; whisper/transcribe.py (decode_with_fallback).
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._transcript import COMPRESSION_MAX, LOGPROB_MIN, NO_SPEECH_MAX, compression_ratio
from tiktokd.encoders._whisper_decode import Decoded

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""After greedy decoding (defaults of whisper.transcribe)."""

Text = Callable[[Decoded], str]
Again = Callable[[Sequence[int], float], Sequence[Decoded]]
"""Row numbers and a temperature → those rows decoded again."""


def settle(
    first: Sequence[Decoded], text: Text, again: Again, temperatures: Sequence[float] | None = None
) -> list[Decoded]:
    """Return what to believe of each window: the first decoding without fault, else the least bad of all.

    Args:
        first: the greedy decoding of each window.
        text: writes the words of one.
        again: decodes windows in another way.
        temperatures: of the further tries; `None`: `TEMPERATURES`.
    """
    tried = [[heard] for heard in first]
    for temperature in TEMPERATURES if temperatures is None else temperatures:
        failing = [row for row, tries in enumerate(tried) if is_doubtful(tries[-1], text(tries[-1]))]
        if not failing:
            break
        for row, heard in zip(failing, again(failing, temperature), strict=True):
            tried[row].append(heard)
    return [_best(tries, text) for tries in tried]


def is_doubtful(heard: Decoded, text: str) -> bool:
    """Return whether a window is worth another try: a loop or a guess, unless nobody speaks in it."""
    mean = mean_logprob(heard)
    if heard.no_speech_prob > NO_SPEECH_MAX and mean < LOGPROB_MIN:
        return False
    return mean < LOGPROB_MIN or compression_ratio(text) > COMPRESSION_MAX


def mean_logprob(heard: Decoded) -> float:
    """Return the mean natural logarithm of the tokens' probabilities; 0 where nothing was written."""
    return float(np.mean(heard.logprobs)) if heard.logprobs else 0.0


def _best(tries: Sequence[Decoded], text: Text) -> Decoded:
    """Return the last try if it is sound, else the likeliest of those that do not repeat themselves, else of all."""
    last = tries[-1]
    if not is_doubtful(last, text(last)):
        return last
    return max(tries, key=lambda heard: (compression_ratio(text(heard)) <= COMPRESSION_MAX, mean_logprob(heard)))


def seed(samples: NDArray[np.int16], temperature: float) -> int:
    """Return the seed of one window at one temperature: a digest of its sound."""
    digest = hashlib.sha256(np.ascontiguousarray(samples).tobytes() + f"{temperature:.1f}".encode())
    return int.from_bytes(digest.digest()[:16], "big")


def gumbel(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Return `count` draws from the standard Gumbel distribution.

    The largest of logits / T + Gumbel noise is a draw from softmax(logits / T) (Gumbel 1954): greedy decoding with this
    noise is sampling, each row with its own generator, which the samplers of torch and transformers have not.
    """
    waits = rng.standard_exponential(count, dtype=np.float32)
    return np.asarray(-np.log(np.maximum(waits, np.finfo(np.float32).tiny)), np.float32)


def noise_of(seeds: Sequence[int], temperature: float) -> Callable[[Any, Any], Any]:
    """Return what turns greedy decoding of a batch into sampling, each row from its own seed, in their order."""
    generators = [np.random.default_rng(number) for number in seeds]

    def add(_tokens: Any, scores: Any) -> Any:
        """Return the scores with noise; what the rules forbid (minus infinity) stays forbidden."""
        import torch

        noise = np.stack([gumbel(rng, scores.shape[-1]) for rng in generators])
        return scores / temperature + torch.from_numpy(noise).to(scores.device)

    return add
