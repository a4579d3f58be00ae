"""AudioSet scores (527 sounds) per window of 10.24 s, by the Audio Spectrogram Transformer.

Bad at: anything shorter than a second inside a window, sound effects, overlapping sounds; times are as coarse as the
windows.
Source: Gong et al. 2021, "AST", Interspeech; MIT/ast-finetuned-audioset-10-10-0.4593, BSD-3, mAP 0.459. Filter bank:
Kaldi's (25 ms Hann, 10 ms hop, pre-emphasis 0.97), as `ASTFeatureExtractor` computes it, here in torch on the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub
from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.sound import ONLY_SILENCE, SOUND_FULL_SCALE, SoundScores, is_silent

WEIGHTS = Weights(
    hub_id="MIT/ast-finetuned-audioset-10-10-0.4593",
    revision="f826b80d28226b62986cc218e5cec390b1096902",
    licence="BSD-3-Clause",
    size_mib=331,
)
RATE_HZ = 16_000
FRAME, HOP, FFT = 400, 160, 512
"""Samples: 25 ms, 10 ms, and the transform's length."""
WINDOW_S = 10.24
WINDOWS_MAX = 12
"""Two minutes of sound; longer videos are sampled evenly."""
FUSED_MAX = 40
"""Classes that level 2 reads: 1.5 KiB."""
LAST_WINDOW_MIN_S = 1.0
"""A rest shorter than this says little and is left to the window before, unless it is all there is."""
MEAN, STD = -4.2677393, 4.5689974
"""Of AudioSet's filter bank (the authors' `ast_feature_extractor`); inputs are (x - mean) / (2 std)."""
FLOOR = 1.192092955078125e-07
"""Kaldi's epsilon: float32's."""
PRE_EMPHASIS = 0.97
ASKED = ("Speech", "Music", "Singing")
"""Their shares of the time are asked for: of a model that does not know them they would all be 0."""
VOICES = {
    "Male speech, man speaking": "Speech", "Female speech, woman speaking": "Speech",
    "Child speech, kid speaking": "Speech", "Male singing": "Singing", "Female singing": "Singing",
    "Child singing": "Singing",
}  # fmt: skip
"""AudioSet's classes that judge who speaks or sings, and what they count as: sex and age of a person leave no trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One stretch of sound."""

    start_s: float
    end_s: float
    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ast:
    """The classifier, its filter bank and class names."""

    hub: _hub.HubModel
    labels: tuple[str, ...]
    mel: Any
    """(FFT / 2 + 1, mel bins) float32 on the device."""
    frames: int
    """Spectrogram frames that the model takes."""

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the scores."""
        return self.hub.used


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    window: Window
    values: NDArray[np.float32]
    labels: tuple[str, ...]


def load(context: LoadContext) -> Ast:
    """Return the classifier; raises `ModelMissing` for one of other sounds than AudioSet's."""
    import torch
    from transformers.audio_utils import mel_filter_bank

    hub = _hub.load(WEIGHTS, context, "ASTForAudioClassification")
    config = hub.model.config
    mel = mel_filter_bank(
        num_frequency_bins=FFT // 2 + 1,
        num_mel_filters=config.num_mel_bins,
        min_frequency=20,
        max_frequency=RATE_HZ // 2,
        sampling_rate=RATE_HZ,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    labels = tuple(str(config.id2label[i]) for i in range(len(config.id2label)))
    if lacks := [name for name in ASKED if name not in labels]:
        raise ModelMissing(f"{hub.used[0].id} in {hub.path} does not know {', '.join(lacks)}: it is not of AudioSet")
    return Ast(
        hub=hub,
        labels=labels,
        mel=torch.from_numpy(mel.astype(np.float32)).to(hub.device),
        frames=config.max_length,
    )


def items(context: Context) -> Sequence[Window]:
    """Return windows of 10.24 s one after another, at most `WINDOWS_MAX` of them, none for silence."""
    samples = context.arrays.get("audio16")
    if samples is None or len(samples) < FRAME or is_silent(samples):
        return []
    length = round(WINDOW_S * RATE_HZ)
    starts = [s for s in range(0, len(samples), length) if s == 0 or len(samples) - s >= LAST_WINDOW_MIN_S * RATE_HZ]
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), WINDOWS_MAX)).round().astype(int))
    windows = [samples[starts[i] : starts[i] + length] for i in chosen]
    begins = [starts[i] / RATE_HZ for i in chosen]
    return [
        Window(start_s=begin, end_s=begin + len(part) / RATE_HZ, samples=part)
        for begin, part in zip(begins, windows, strict=True)
        if len(part) >= FRAME
    ]


def filter_bank(samples: NDArray[np.int16], mel: Any, frames: int) -> Any:
    """Return (frames, mel bins) float32: log filter bank of int16 sound, normalised, padded or cut to `frames`."""
    import torch

    sound = torch.from_numpy(samples.astype(np.float32) / SOUND_FULL_SCALE).to(mel.device)
    parts = sound.unfold(0, FRAME, HOP)
    parts = parts - parts.mean(dim=1, keepdim=True)
    before = torch.cat([parts[:, :1], parts[:, :-1]], dim=1)
    parts = (parts - PRE_EMPHASIS * before) * torch.hann_window(FRAME, periodic=False, device=mel.device)
    power = torch.fft.rfft(parts, n=FFT).abs().pow(2)
    bank = (power @ mel).clamp_min(FLOOR).log()[:frames]
    bank = torch.nn.functional.pad(bank, (0, 0, 0, frames - len(bank)))
    return (bank - MEAN) / (STD * 2)


def encode(model: Ast, batch: Sequence[Window]) -> Sequence[_Scores]:
    """Return the scores of each window, each class by itself (sigmoid)."""
    import torch

    with torch.inference_mode():
        banks = torch.stack([filter_bank(window.samples, model.mel, model.frames) for window in batch])
        values = model.hub.model(input_values=banks.to(model.hub.dtype)).logits.float().sigmoid().cpu().numpy()
    return [_Scores(window=w, values=v, labels=model.labels) for w, v in zip(batch, values, strict=True)]


def collect(_context: Context, results: Sequence[_Scores]) -> SoundScores:
    """Return the scores window by window; a voice is a voice, whoever it may belong to (`VOICES`)."""
    scores = np.stack([r.values for r in results]).astype(np.float32)
    names = [VOICES.get(label, label) for label in results[0].labels]
    labels = tuple(dict.fromkeys(names))
    columns = [scores[:, [i for i, name in enumerate(names) if name == label]].max(axis=1) for label in labels]
    return SoundScores(
        labels=labels,
        windows_s=tuple((r.window.start_s, r.window.end_s) for r in results),
        scores=np.stack(columns, axis=1),
    )


def signals(features: SoundScores) -> dict[str, Any]:
    """Return the forty highest classes with their mean score over the clip, for fusion: hints are weak and many."""
    mean = features.scores.mean(axis=0)
    top = np.argsort(-mean, kind="stable")[:FUSED_MAX]
    return {"labels": {features.labels[i]: round(float(mean[i]), 4) for i in top}}


ENCODER = Encoder(
    name="ast",
    title="AudioSet scores per window of 10.24 s",
    input="audio16",
    place="gpu",
    load=load,
    items=items,
    nothing="no_audio",
    nothing_said=f"{ONLY_SILENCE}, or less than {FRAME / RATE_HZ:g} s",
    encode=encode,
    collect=collect,
    signals=signals,
    weights=WEIGHTS,
    max_batch=16,
    gflop_per_item=261.03,
)
