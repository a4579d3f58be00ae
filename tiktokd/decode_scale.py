"""One decoded frame into the size, format, colours and orientation that a slot holds. Knows no files and no times.

Everything comes out upright, with square pixels, 8 bits, 4:2:0, limited range, BT.709; HDR by way of `decode_hdr`.

Measured on 576x1024 frames (one core, ms each): thumbnail with AREA 0.20, with BILINEAR 0.24, from each fourth line
0.12 (1.2 levels off on average), with FAST_BILINEAR 0.04 (17 levels off: it aliases, and shots would be found where
nothing is); small luma picture 0.27, asking for `gray` instead of the first plane 0.40 and full range.
"""

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from tiktokd.decode_hdr import needs_conversion, to_sdr
from tiktokd.errors import UnsupportedMedia
from tiktokd.plugins import Array

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


class Scaler:
    """Turns frames of any size, format and colours into one size and format, upright."""

    def __init__(
        self, width_px: int, height_px: int, pixels: str, orient: Orientation, interpolation: Interpolation
    ) -> None:
        self._size = (height_px, width_px) if orient.transpose else (width_px, height_px)
        self._pixels, self._orient, self._filter = pixels, orient, interpolation
        self._reformatter, self._deepened = VideoReformatter(), VideoReformatter()

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
        plain = frame.format.name == "yuv420p" and frame.color_range != FULL_RANGE and not needs_conversion(frame)
        if plain and _matrix(frame) == Colorspace.ITU709:
            return frame
        return self._scaled(frame, frame.width, frame.height)

    def _scaled(self, frame: av.VideoFrame, width: int = 0, height: int = 0) -> av.VideoFrame:
        width, height = width or self._size[0], height or self._size[1]
        try:
            if not needs_conversion(frame):
                return self._converted(frame, width, height, self._pixels)
            deep = self._deepened.reformat(
                frame,
                width=width,
                height=height,
                format="rgb48le",
                src_colorspace=_matrix(frame),
                src_color_range=_range(frame),
                dst_color_range=ColorRange.JPEG,
                interpolation=self._filter,
                threads=1,
            )
            plain = av.VideoFrame.from_ndarray(to_sdr(deep.to_ndarray(), frame.color_trc), "rgb24")
            return plain if self._pixels == "rgb24" else self._converted(plain, width, height, self._pixels)
        except (av.FFmpegError, ValueError) as exc:
            raise UnsupportedMedia(f"pictures of format {frame.format.name} cannot be converted: {exc}") from exc

    def _converted(self, frame: av.VideoFrame, width: int, height: int, pixels: str) -> av.VideoFrame:
        return self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=pixels,
            src_colorspace=_matrix(frame),
            dst_colorspace=Colorspace.ITU709,
            src_color_range=_range(frame),
            dst_color_range=ColorRange.JPEG if pixels == "rgb24" else ColorRange.MPEG,
            interpolation=self._filter,
            threads=1,
        )


def _plane(frame: av.VideoFrame, index: int) -> Array:
    plane = frame.planes[index]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _range(frame: av.VideoFrame) -> ColorRange:
    full = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj") or frame.format.is_rgb
    return ColorRange.JPEG if full else ColorRange.MPEG


def _matrix(frame: av.VideoFrame) -> Colorspace:
    """Return the YUV matrix; where the file does not say, HD is BT.709 and anything smaller BT.601, as players do."""
    known = MATRICES.get(int(frame.colorspace))
    if known is not None:
        return known
    large = frame.width >= HD_WIDTH_PX or frame.height > SD_HEIGHT_PX
    return Colorspace.ITU709 if large else Colorspace.ITU601
