"""Which decoded pictures of a video go into the slot: full-size frames, small luma pictures, thumbnails.

Knows nothing of files and streams, and leaves sizes and colours to `decode_scale`.
"""

import av
from av.video.reformatter import Interpolation

from tiktokd.decode_scale import Orientation, Scaler
from tiktokd.plugins import Array
from tiktokd.sampling import THUMB_HEIGHT_PX, THUMB_WIDTH_PX, Plan, Thinner
from tiktokd.slots import SlotWriter


class Pictures:
    """Takes frames in display order and keeps what the plan asks for."""

    def __init__(self, writer: SlotWriter, plan: Plan, orient: Orientation) -> None:
        width, height = plan.frame_width_px, plan.frame_height_px
        self._frames = _Store(
            writer,
            "frames",
            (height * 3 // 2, width),
            Thinner(plan.frame_count, plan.frame_interval_s, plan.hook_interval_s),
        )
        self._low = _Store(
            writer, "low", (plan.low_height_px, plan.low_width_px), Thinner(plan.low_count, plan.low_interval_s)
        )
        self._thumbs = _Store(
            writer, "thumbs", (THUMB_HEIGHT_PX, THUMB_WIDTH_PX, 3), Thinner(plan.thumb_count, plan.thumb_stride)
        )
        self._to_frame = Scaler(width, height, "yuv420p", orient, Interpolation.BICUBIC)
        self._to_low = Scaler(plan.low_width_px, plan.low_height_px, "yuv420p", orient, Interpolation.AREA)
        self._to_thumb = Scaler(THUMB_WIDTH_PX, THUMB_HEIGHT_PX, "rgb24", orient, Interpolation.AREA)
        self.count = 0
        """Frames offered."""

    def add(self, frame: av.VideoFrame, time_s: float) -> None:
        """Keep what is wanted of the picture shown at `time_s`, which must not be before an earlier one."""
        if (room := self._thumbs.room(self.count, time_s)) is not None:
            room[...] = self._to_thumb.rgb(frame)
        if (room := self._low.room(time_s, time_s)) is not None:
            room[...] = self._to_low.luma(frame)
        if (room := self._frames.room(time_s, time_s)) is not None:
            self._to_frame.planes(frame, room)
        self.count += 1

    def close(self) -> None:
        """Give unused rows back."""
        for store in (self._frames, self._low, self._thumbs):
            store.close()


class _Store:
    """Rows of one array and their times, thinned in place."""

    def __init__(self, writer: SlotWriter, name: str, shape: tuple[int, ...], thinner: Thinner) -> None:
        self._writer, self._name, self._thinner = writer, name, thinner
        self._rows = writer.reserve(name, (thinner.capacity, *shape), "uint8")
        self._pts = writer.reserve(f"{name}_pts", (thinner.capacity,), "float64")

    def room(self, key: float, time_s: float) -> Array | None:
        """Return the row to fill with the picture at `time_s`, or `None` where it is not wanted."""
        place = self._thinner.offer(key)
        for new, old in enumerate(place.keep or ()):
            if new != old:
                self._rows[new], self._pts[new] = self._rows[old], self._pts[old]
        if place.row is None:
            return None
        self._pts[place.row] = time_s
        return self._rows[place.row]  # type: ignore[no-any-return]

    def close(self) -> None:
        count = len(self._thinner.times_s)
        self._writer.truncate(self._name, count)
        self._writer.truncate(f"{self._name}_pts", count)
