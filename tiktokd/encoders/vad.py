"""When somebody speaks: Silero's voice-activity network over 16 kHz sound, and the spans of speech made from it.

Probability 0..1 per 32 ms; spans in seconds, onsets good to about 0.1 s down to 0 dB signal-to-noise ratio.

Bad at: singing and rap (counted as speech when they are clear), voices far below the music, faint speech in the first
seconds before loud music, whispering, a voice whose echo is as loud as itself (an old recording made in a hall, with as
much again added, was missed by half; four dry voices were not), a phrase of brass or saxophone shortly before somebody
speaks.

Source: silero-vad 6.2, https://github.com/snakers4/silero-vad, MIT. Its ONNX file is opened directly: importing the
package sets torch's number of threads for the whole process.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.sound import ONLY_SILENCE, SOUND_FULL_SCALE, Span, Speech, is_silent

RATE_HZ = 16_000
WINDOW = 512
"""Samples per probability (32 ms), and ..."""
LOOK_BACK = 64
"""... samples of the window before, which the network also sees (silero_vad.utils_vad.OnnxWrapper)."""
STATE = (1, 1, 128)
CHUNK = 1_875
"""Windows per run: 60 s, 4 MB."""
MODEL_FILE = "silero_vad_16k_sequence.onnx"

ENTER, LEAVE = 0.5, 0.35
"""Speech starts and ends at these probabilities (defaults of silero_vad.get_speech_timestamps)."""
MIN_GAP_S = 0.1
PAD_S = 0.03
MIN_SPAN_S = 0.2
CERTAIN = 0.85
"""Mean probability of a span that stands alone. Clean and noisy speech (0 dB) gives 0.88..0.99 here, brass and
saxophone phrases of instrumental jazz 0.60..0.79, one of them 0.90 where the sound starts shortly before it."""
CERTAIN_LONG, LONG_S = 0.65, 1.75
"""Nor do instruments hold this for so long (1.6 s at most in 200 excerpts); speech under louder music does, down to
5 dB below it."""
COMPANY_S = 1.5
"""Less certain spans count next to a certain one: words swallowed by noise."""

WARM_UP_S = 10.0
"""The network carries a state, and where it has heard nothing yet it takes solo brass and saxophone for a voice: 80 of
2,633 excerpts of instrumental music had speech in them. What it finds this early must be found again when it has
listened to the sound once already; then one has."""
FOUND_AGAIN = 0.25
"""Share of a span in which the second listening must find any run: through a telephone speech is less certain then."""

USUAL_DBFS, GAIN_MAX = -20.0, 100.0
"""Level of the loud parts (95th percentile of 0.1 s) that quieter sound is raised to, by 40 dB at most: of a voice at
-45 dBFS the network missed the first three seconds."""
LEVEL_BLOCK = 1_600

Window = NDArray[np.int16]


def spans(probability: NDArray[np.float32], duration_s: float) -> tuple[Span, ...]:
    """Return the spans of speech for one probability per 32 ms."""
    step_s = WINDOW / RATE_HZ
    found = [(start, end) for start, end in _runs(probability) if (end - start) * step_s >= MIN_SPAN_S]
    padded: list[Span] = []
    for start, end in _believable(probability, found):
        early = max(0.0, start * step_s - PAD_S)
        late = min(duration_s, end * step_s + PAD_S)
        if padded and early - padded[-1][1] < MIN_GAP_S:
            early = padded.pop()[0]
        padded.append((round(early, 3), round(late, 3)))
    return tuple(padded)


def _runs(probability: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return first and last + 1 window of each run: entered at ENTER, left when below LEAVE for MIN_GAP_S."""
    hold = max(1, round(MIN_GAP_S * RATE_HZ / WINDOW))
    runs: list[tuple[int, int]] = []
    start: int | None = None
    quiet = 0
    for number, value in enumerate(probability.tolist()):
        if start is None:
            if value >= ENTER:
                start, quiet = number, 0
        elif value >= LEAVE:
            quiet = 0
        elif (quiet := quiet + 1) >= hold:
            runs.append((start, number + 1 - quiet))
            start = None
    if start is not None:
        runs.append((start, len(probability) - quiet))
    return runs


def _believable(probability: NDArray[np.float32], runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the runs that are certain by themselves or stand near one that is."""
    step_s = WINDOW / RATE_HZ

    def is_certain(start: int, end: int) -> bool:
        mean = float(probability[start:end].mean())
        return mean >= CERTAIN or (mean >= CERTAIN_LONG and (end - start) * step_s >= LONG_S)

    certain = [run for run in runs if is_certain(*run)]
    near = COMPANY_S / step_s
    return [(a, b) for a, b in runs if any(a - end <= near and start - b <= near for start, end in certain)]


def gain_of(samples: NDArray[np.int16]) -> float:
    """Return the factor, at least 1, that brings quiet sound to the usual level."""
    blocks = samples[: len(samples) // LEVEL_BLOCK * LEVEL_BLOCK].reshape(-1, LEVEL_BLOCK)
    if len(blocks) == 0:
        return 1.0
    power = [float(np.square(block, dtype=np.float32).mean()) for block in blocks]
    loud = max(float(np.sqrt(np.percentile(power, 95))) / SOUND_FULL_SCALE, 1e-9)
    return min(max(1.0, 10 ** (USUAL_DBFS / 20) / loud), GAIN_MAX)


def probabilities(session: Any, samples: NDArray[np.int16], gain: float = 1.0) -> NDArray[np.float32]:
    """Return the probability of speech per 32 ms; the last window is filled up with silence."""
    count = -(-len(samples) // WINDOW)
    padded = np.zeros(LOOK_BACK + count * WINDOW, np.float32)
    padded[LOOK_BACK : LOOK_BACK + len(samples)] = samples
    padded *= gain / SOUND_FULL_SCALE
    windows = np.lib.stride_tricks.sliding_window_view(padded, LOOK_BACK + WINDOW)[::WINDOW]
    hidden, cell = np.zeros(STATE, np.float32), np.zeros(STATE, np.float32)
    found: list[NDArray[np.float32]] = []
    for start in range(0, count, CHUNK):
        part = np.ascontiguousarray(windows[start : start + CHUNK])
        values, hidden, cell = session.run(None, {"input": part, "h": hidden, "c": cell})
        found.append(np.asarray(values, np.float32).reshape(-1))
    return np.concatenate(found)


def items(context: Context) -> list[NDArray[np.int16]]:
    """Return the 16 kHz sound; nothing for digital silence, so that all who look for speech say so."""
    samples = context.arrays.get("audio16")
    return [] if samples is None or is_silent(samples) else [samples]


def load(context: LoadContext) -> Any:
    """Return the network in an onnxruntime session."""
    import onnxruntime

    found = importlib.util.find_spec("silero_vad")
    where = found.submodule_search_locations if found else None
    path = Path(where[0], "data", MODEL_FILE) if where else None
    if path is None or not path.is_file():
        raise ModelMissing(f"{MODEL_FILE} of package silero-vad is not installed; run: pip install 'silero-vad>=6.2'")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = context.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arena keeps the largest run for ever; its gain is not measurable here.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def encode(model: Any, batch: Sequence[NDArray[np.int16]]) -> list[Speech]:
    """Find speech in each track."""
    return [_speech(model, samples) for samples in batch]


def _speech(session: Any, samples: NDArray[np.int16]) -> Speech:
    duration_s = len(samples) / RATE_HZ
    gain = gain_of(samples)
    probability = probabilities(session, samples, gain)
    found = spans(probability, duration_s)
    if any(start < WARM_UP_S for start, _end in found):
        step_s = WINDOW / RATE_HZ
        again = [(a * step_s, b * step_s) for a, b in _runs(warmed_up(session, samples, gain))]
        found = tuple(span for span in found if span[0] >= WARM_UP_S or _shared(span, again) >= FOUND_AGAIN)
    return Speech(probability=probability, spans=found, duration_s=duration_s)


def warmed_up(session: Any, samples: NDArray[np.int16], gain: float) -> NDArray[np.float32]:
    """Return the probabilities of a network that has heard the last ten seconds (short sounds over and over) before."""
    lead = round(WARM_UP_S * RATE_HZ) // WINDOW * WINDOW
    before = np.tile(samples, -(-lead // len(samples)))[-lead:]
    return probabilities(session, np.concatenate((before, samples)), gain)[lead // WINDOW :]


def _shared(span: Span, others: Sequence[Span]) -> float:
    """Return the share of a span that lies in others, 0..1."""
    return sum(max(0.0, min(span[1], b) - max(span[0], a)) for a, b in others) / (span[1] - span[0])


def signals(features: Speech) -> dict[str, Any]:
    """Return the spans (at most 400 of them) and sums: `spans_s`, `speech_s`, `duration_s`."""
    return {
        "spans_s": [[round(start, 2), round(end, 2)] for start, end in features.spans[:400]],
        "speech_s": round(features.total_s, 3),
        "duration_s": round(features.duration_s, 3),
    }


ENCODER = Encoder(
    name="vad",
    title="Speech probability per 32 ms and spans of speech",
    input="audio16",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    nothing="no_audio",
    nothing_said=ONLY_SILENCE,
    signals=signals,
    models=(
        ModelUsed(
            id="silero-vad 6.2/" + MODEL_FILE,
            sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
            dtype="float32",
        ),
    ),
    gflop_per_item=1.5,
)
