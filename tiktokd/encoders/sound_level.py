"""How loud each 20 ms of the sound is: what silence is told by. Plain level, not weighted for the ear.

Bad at noise: a hiss above -60 dBFS is no silence, however faint it is beside the rest.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders.level import Track, items
from tiktokd.plugins import Encoder, LoadContext
from tiktokd.sound import LEVEL_STEP_S, SOUND_FULL_SCALE, SoundLevel

RATE_HZ = 48_000
STEP = round(LEVEL_STEP_S * RATE_HZ)
CHUNK = 500 * STEP
"""10 s at a time: a long clip needs no more memory than a short one."""
FLOOR_DB = -120.0


def load(_context: LoadContext) -> None:
    """Nothing to load: a formula."""


def encode(_model: Any, batch: Sequence[Track]) -> list[SoundLevel]:
    """Measure each track."""
    return [SoundLevel(db=level_db(track.samples)) for track in batch]


def level_db(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return (n // STEP,) the RMS of the louder channel per whole 20 ms of (n, channels), dBFS, at least -120."""
    parts = [samples[start : start + CHUNK] for start in range(0, len(samples), CHUNK)]
    power = np.concatenate([np.zeros(0), *map(_mean_squares, parts)]) / SOUND_FULL_SCALE**2
    return 10.0 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def _mean_squares(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    whole = len(samples) // STEP
    blocks = np.ascontiguousarray(samples[: whole * STEP].T, np.float32).reshape(samples.shape[1], whole, STEP)
    return np.asarray((np.einsum("cbk,cbk->cb", blocks, blocks) / STEP).max(axis=0), np.float64)


ENCODER = Encoder(
    name="sound_level",
    title="Level of the sound per 20 ms",
    input="audio48",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    portable=SoundLevel,
)
