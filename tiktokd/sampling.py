"""How much of a video goes into a slot: sizes, rates and counts, as a pure function of what is known before decoding.

Knows nothing of containers, decoders or memory. The budget, in shares of the slot: `low` 22 %, `audio48` 20 %,
`audio16` 15 %, `thumbs` 10 %; each takes what it needs up to its share, and `frames` get all that is left (33 % at
least). A video that is too long for that is sampled thinner; sound is then cut after `audio*_covers_s`. With the
default 64 MiB a 30 s clip of 576x1024 keeps 48 full frames (1.6 per second), 10 luma pictures per second, each
thumbnail and all its sound; 48 kHz sound stays complete up to 70 s, 16 kHz sound up to 314 s.

The length may be unknown or a lie, so the counts are capacities: who decodes drops every second picture and doubles
the spacing when one is full (`Thinner`).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from tiktokd.slots import ALIGN_BYTES

LOW_SHARE, AUDIO48_SHARE, AUDIO16_SHARE, THUMBS_SHARE = 0.22, 0.20, 0.15, 0.10
MAX_SIDE_PX = 1024
"""Longest side of any picture; what `download.max_height` asks the site for."""
MIN_SHORT_SIDE_PX = 360
"""Frames are not made smaller than this to win a higher count: text of 5 % of the width stays 18 px high."""
ENOUGH_FRAMES = 32
"""Frames are made smaller until this many fit: what the image encoders sample from a clip."""
LOW_SHORT_SIDE_PX = 160
LOW_FPS = 10.0
THUMB_WIDTH_PX, THUMB_HEIGHT_PX = 48, 27
HOOK_S = 3.0
"""The first seconds decide whether people stay; they keep their density when a long video is thinned."""
SLACK_S = 1.0
"""Room for a stream that runs a little longer than its container says."""
MIN_SLOT_BYTES = 1 << 20
ARRAYS = 8
"""In a clip; each may lose up to `ALIGN_BYTES` to padding."""
ASSUMED_FPS = 30.0
"""Where the container names no rate; the most usual one on TikTok."""
JITTER_S = 0.002
"""A picture this much before its time counts as on time: containers round times to 1 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes and capacities of a clip's arrays; see `model.Clip` for what they hold. Counts are 0 where nothing is."""

    frame_width_px: int
    frame_height_px: int
    frame_count: int
    frame_interval_s: float
    hook_interval_s: float
    """Spacing within the first `HOOK_S`; at most `frame_interval_s`."""
    low_width_px: int
    low_height_px: int
    low_count: int
    low_interval_s: float
    thumb_count: int
    thumb_stride: int
    """Each n-th frame becomes a thumbnail."""
    audio16_samples: int
    audio48_samples: int

    @property
    def total_bytes(self) -> int:
        """Bytes of all arrays with their padding."""
        rows = (
            (self.frame_count, self.frame_width_px * self.frame_height_px * 3 // 2),
            (self.low_count, self.low_width_px * self.low_height_px),
            (self.thumb_count, THUMB_WIDTH_PX * THUMB_HEIGHT_PX * 3),
        )
        pictures = sum(_padded(count * size) + _padded(count * 8) for count, size in rows)
        return pictures + _padded(self.audio16_samples * 2) + _padded(self.audio48_samples * 4)


def plan(
    *,
    slot_bytes: int,
    width_px: int | None,
    height_px: int | None,
    video_fps: float | None,
    duration_s: float | None,
    has_audio: bool,
    fps: float,
) -> Plan:
    """Return what to keep of a video so that it fits into `slot_bytes` (1 MiB at least).

    Args:
        width_px: Displayed size, after rotation and with square pixels; `None` where there is no picture.
        height_px: As `width_px`.
        video_fps: Mean rate; `None`: not known, 30 is assumed.
        duration_s: `None`: not known; everything starts dense and is thinned while decoding.
        fps: Full-size frames per second that are wanted.
    """
    if slot_bytes < MIN_SLOT_BYTES:
        raise ValueError(f"a slot has {slot_bytes} bytes, at least {MIN_SLOT_BYTES} are needed")
    audio16 = audio48 = 0
    if has_audio:
        audio16 = _samples(slot_bytes * AUDIO16_SHARE, 16_000, 2, duration_s)
        audio48 = _samples(slot_bytes * AUDIO48_SHARE, 48_000, 4, duration_s)
    if not width_px or not height_px:
        return _no_picture(audio16, audio48)

    low_width, low_height = scaled_to_short_side(width_px, height_px, LOW_SHORT_SIDE_PX)
    low_room = int(slot_bytes * LOW_SHARE)
    low_count, low_interval = _spaced(low_room, low_width * low_height + 8, 1.0 / LOW_FPS, duration_s)
    thumb_room, thumb_row = int(slot_bytes * THUMBS_SHARE), THUMB_WIDTH_PX * THUMB_HEIGHT_PX * 3 + 8
    rate = video_fps or ASSUMED_FPS
    thumb_count, thumb_interval = _spaced(thumb_room, thumb_row, 1.0 / rate, duration_s)
    used = (low_width * low_height + 8) * low_count + thumb_row * thumb_count + audio16 * 2 + audio48 * 4
    room = slot_bytes - used - ARRAYS * ALIGN_BYTES
    width, height = _frame_size(width_px, height_px, room, _wanted(fps, duration_s))
    fitting = room // (width * height * 3 // 2 + 8)
    count = max(1, min(fitting, math.ceil(_wanted(fps, duration_s)))) if duration_s is not None else fitting
    interval, hook_interval = _intervals(count, fps, duration_s)
    return Plan(
        frame_width_px=width,
        frame_height_px=height,
        frame_count=count,
        frame_interval_s=interval,
        hook_interval_s=hook_interval,
        low_width_px=low_width,
        low_height_px=low_height,
        low_count=low_count,
        low_interval_s=low_interval,
        thumb_count=thumb_count,
        thumb_stride=max(1, math.ceil(thumb_interval * rate - 1e-6)),
        audio16_samples=audio16,
        audio48_samples=audio48,
    )


class Placement(NamedTuple):
    """What to do with an offered picture: first keep only the rows `keep`, where there are any, then write `row`."""

    keep: list[int] | None
    row: int | None


class Thinner:
    """Picks pictures by time: one per interval, denser in the first `HOOK_S`, twice the interval whenever it is full.

    Works on any rising number; with frame numbers for times and a stride for the interval it keeps each n-th frame.
    """

    def __init__(self, capacity: int, interval_s: float, hook_interval_s: float | None = None) -> None:
        self.capacity, self.interval_s = capacity, interval_s
        self.hook_interval_s = interval_s if hook_interval_s is None else hook_interval_s
        self.times_s: list[float] = []
        """Times of the pictures that are kept, rising."""
        self._due_s = -math.inf

    def wants(self, time_s: float) -> bool:
        """Return whether `offer` would do anything with this time."""
        return self.capacity > 0 and time_s >= self._due_s - JITTER_S

    def offer(self, time_s: float) -> Placement:
        """Decide on the picture shown at `time_s`, which must not be before an earlier one."""
        if not self.wants(time_s):
            return Placement(None, None)
        keep = self._halve() if len(self.times_s) >= self.capacity else None
        if not self.wants(time_s) or len(self.times_s) >= self.capacity:
            return Placement(keep, None)
        step = self._step(time_s)
        on_grid = time_s - self._due_s < step
        self._due_s = (self._due_s if on_grid else time_s) + step
        self.times_s.append(time_s)
        return Placement(keep, len(self.times_s) - 1)

    def _halve(self) -> list[int]:
        count = len(self.times_s)
        hook = sum(time < HOOK_S - JITTER_S for time in self.times_s)
        dense = hook if self.hook_interval_s < self.interval_s and hook * 2 <= count and count >= 4 else 0
        self.interval_s *= 2
        if not dense:
            self.hook_interval_s = min(self.hook_interval_s * 2, self.interval_s)
        keep = [*range(dense), *range(dense, count, 2)]
        self.times_s = [self.times_s[index] for index in keep]
        self._due_s = self.times_s[-1] + self._step(self.times_s[-1])
        return keep

    def _step(self, time_s: float) -> float:
        return self.hook_interval_s if time_s < HOOK_S - JITTER_S else self.interval_s


def scaled_to_short_side(width_px: int, height_px: int, short_side_px: int) -> tuple[int, int]:
    """Return an even (width, height) of this shape with a short side of `short_side_px` or less; never enlarges."""
    most = MAX_SIDE_PX / max(width_px, height_px)
    return _scaled(width_px, height_px, min(1.0, most, short_side_px / min(width_px, height_px)))


def _scaled(width_px: int, height_px: int, ratio: float) -> tuple[int, int]:
    # Rounded down to even, as 4:2:0 needs; a side of 1 px becomes 2.
    return max(2, int(width_px * ratio) // 2 * 2), max(2, int(height_px * ratio) // 2 * 2)


def _padded(size: int) -> int:
    return -(-size // ALIGN_BYTES) * ALIGN_BYTES


def _samples(room: float, rate_hz: int, sample_bytes: int, duration_s: float | None) -> int:
    most = int(room) // sample_bytes
    return most if duration_s is None else min(most, math.ceil((duration_s + SLACK_S) * rate_hz))


def _spaced(room: int, row_bytes: int, interval_s: float, duration_s: float | None) -> tuple[int, float]:
    """Return how many rows fit and how far apart they are, so that they reach to the end."""
    most = max(1, room // row_bytes)
    if duration_s is None:
        return most, interval_s
    wanted = math.ceil((duration_s + SLACK_S) / interval_s) + 1
    if wanted <= most:
        return wanted, interval_s
    return most, max(interval_s, (duration_s + SLACK_S) / most)


def _wanted(fps: float, duration_s: float | None) -> float:
    return math.inf if duration_s is None else (duration_s + SLACK_S) * fps + 1


def _frame_size(width_px: int, height_px: int, room: int, wanted: float) -> tuple[int, int]:
    """Return the largest even size of which enough fit into `room` bytes."""
    ratio = min(1.0, MAX_SIDE_PX / max(width_px, height_px))
    most_bytes = room / min(wanted, ENOUGH_FRAMES) - 8
    enough = math.sqrt(max(most_bytes, 1.0) / (width_px * height_px * 1.5))
    floor = min(ratio, MIN_SHORT_SIDE_PX / min(width_px, height_px))
    width, height = _scaled(width_px, height_px, min(ratio, max(enough, floor)))
    while (width * height * 3 // 2 + 8) > room:  # a strip far longer than it is high: MAX_SIDE_PX does the rest
        width, height = _scaled(width, height, 0.9)
    return width, height


def _intervals(count: int, fps: float, duration_s: float | None) -> tuple[float, float]:
    """Return the spacing of `count` frames over the video, and within its first `HOOK_S`."""
    interval = 1.0 / fps
    if duration_s is None or (duration_s + SLACK_S) * fps + 1 <= count:
        return interval, interval
    if duration_s <= HOOK_S or count < 4:
        even = max(interval, (duration_s + SLACK_S) / count)
        return even, even
    hook_count = min(HOOK_S * fps, count / 2)
    hook = HOOK_S / hook_count
    return max(hook, (duration_s + SLACK_S - HOOK_S) / (count - hook_count)), hook


def _no_picture(audio16: int, audio48: int) -> Plan:
    return Plan(
        frame_width_px=0,
        frame_height_px=0,
        frame_count=0,
        frame_interval_s=0.0,
        hook_interval_s=0.0,
        low_width_px=0,
        low_height_px=0,
        low_count=0,
        low_interval_s=0.0,
        thumb_count=0,
        thumb_stride=1,
        audio16_samples=audio16,
        audio48_samples=audio48,
    )
