"""Decoded pictures of one video into a slot: full-size frames, small luma pictures, thumbnails.

Knows nothing of files and streams. Everything comes out upright, with square pixels, 8-bit 4:2:0, limited range,
BT.709, whatever went in.
"""

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from tiktokd.plugins import Array
from tiktokd.sampling import THUMB_HEIGHT_PX, THUMB_WIDTH_PX, Plan, Thinner
from tiktokd.slots import SlotWriter

MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""FFmpeg's `AVColorSpace` → the matrix that swscale knows."""
HD_WIDTH_PX, SD_HEIGHT_PX = 1280, 576
"""Sizes from which an untagged picture counts as HD (the rule of mpv and other players)."""
FULL_RANGE = 2
"""Of FFmpeg's `AVColorRange`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How the coded picture becomes upright: transpose it first, then mirror it."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """Clockwise rotation, 0, 90, 180 or 270; a mirrored picture counts as its rotation alone."""
        if self.transpose:
            return 90 if self.flip_x or not self.flip_y else 270
        return 180 if self.flip_y else 0

    def upright(self, picture: Array) -> Array:
        """Return a view of `picture` (H, W, …) as it is displayed."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        return picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


def orientation(matrix: bytes | None) -> Orientation:
    """Return what a display matrix asks for; anything but quarter turns and mirrors counts as upright.

    Args:
        matrix: Nine 32-bit integers, a b u / c d v / x y w: (p, q) is displayed at (ap + cq + x, bp + dq + y)
            (ISO/IEC 14496-12, 8.2.2); `None`: there is none.
    """
    if matrix is None or len(matrix) < 20:
        return Orientation()
    a, b, _, c, d = np.frombuffer(matrix[:20], np.int32).tolist()
    if b == c == 0:
        return Orientation(flip_x=a < 0, flip_y=d < 0)
    if a == d == 0:
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    return Orientation()


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
        self._to_frame = _Scaler(width, height, "yuv420p", orient)
        self._to_low = _Scaler(plan.low_width_px, plan.low_height_px, "yuv420p", orient)
        self._to_thumb = _Scaler(THUMB_WIDTH_PX, THUMB_HEIGHT_PX, "rgb24", orient)
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


class _Scaler:
    """Turns frames of any size, format and colours into one size and format, upright."""

    def __init__(self, width_px: int, height_px: int, pixels: str, orient: Orientation) -> None:
        self._size = (height_px, width_px) if orient.transpose else (width_px, height_px)
        self._pixels, self._orient = pixels, orient
        self._reformatter = VideoReformatter()

    def rgb(self, frame: av.VideoFrame) -> Array:
        """Return (H, W, 3) uint8 RGB."""
        return self._orient.upright(self._scaled(frame).to_ndarray())

    def luma(self, frame: av.VideoFrame) -> Array:
        """Return (H, W) uint8, limited range."""
        return self._orient.upright(_plane(self._scaled(frame), 0))

    def planes(self, frame: av.VideoFrame, out: Array) -> None:
        """Write the three planes one after another into `out` (H * 3 / 2, W)."""
        frame = self._cropped_or_scaled(frame)
        width, height = self._size
        flat, start = out.reshape(-1), 0
        for index in range(3):
            shrink = 1 if index == 0 else 2
            part = _plane(frame, index)[: height // shrink, : width // shrink]
            part = self._orient.upright(part)
            flat[start : start + part.size].reshape(part.shape)[...] = part
            start += part.size

    def _cropped_or_scaled(self, frame: av.VideoFrame) -> av.VideoFrame:
        # One odd row or column is left out: scaling by 1 px would blur everything.
        width, height = self._size
        if not (0 <= frame.width - width <= 1 and 0 <= frame.height - height <= 1):
            return self._scaled(frame)
        if frame.format.name == "yuv420p" and frame.color_range != FULL_RANGE and _matrix(frame) == Colorspace.ITU709:
            return frame
        return self._scaled(frame, frame.width, frame.height)

    def _scaled(self, frame: av.VideoFrame, width: int = 0, height: int = 0) -> av.VideoFrame:
        rgb = self._pixels == "rgb24"
        return self._reformatter.reformat(
            frame,
            width=width or self._size[0],
            height=height or self._size[1],
            format=self._pixels,
            src_colorspace=_matrix(frame),
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG if _is_full_range(frame) else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG if rgb else ColorRange.MPEG,
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )


def _plane(frame: av.VideoFrame, index: int) -> Array:
    plane = frame.planes[index]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _is_full_range(frame: av.VideoFrame) -> bool:
    return bool(frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj") or frame.format.is_rgb)


def _matrix(frame: av.VideoFrame) -> Colorspace:
    """Return the YUV matrix; where the file does not say, HD is BT.709 and anything smaller BT.601, as players do."""
    known = MATRICES.get(int(frame.colorspace))
    if known is not None:
        return known
    large = frame.width >= HD_WIDTH_PX or frame.height > SD_HEIGHT_PX
    return Colorspace.ITU709 if large else Colorspace.ITU601
