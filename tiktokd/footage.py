"""What the picture encoders find and the picture analyzers read: shots, per-picture statistics, flow, hashes.

Values only; how they are found is in `encoders`. Times are seconds from the start of the video.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiktokd.pdq import Hashed

Floats = NDArray[np.float32]
Span = tuple[float, float]
"""Start and end, seconds."""
CROPS = (0.05, 0.10)
"""Shares of the width and height that the cropped hashes leave out: copies are cropped by up to 12 % and stay near."""
Kind = Literal["cut", "fade", "dissolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of shot."""

    kind: Kind
    start_s: float
    end_s: float
    """Equal to `start_s` for a cut: the time of the first frame of the new shot."""
    score: float
    """0..1, how clearly it stands out."""

    @property
    def t_s(self) -> float:
        """Middle of the transition."""
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A stretch between two transitions, in thumbnails `first..last` inclusive."""

    first: int
    last: int
    start_s: float
    end_s: float
    keyframe_s: float
    """The frame nearest to the shot's mean picture, away from its ends."""
    black: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Features of one video."""

    transitions: tuple[Transition, ...]
    shots: tuple[Shot, ...]
    """In order, covering the video; includes stretches of black."""
    change: Floats
    """(T,) mean |change| from the frame before, 0..510 over three planes; the first is 0."""
    pts: NDArray[np.float64]
    """(T,) seconds, of the thumbnails."""

    def cut_times_s(self) -> list[float]:
        """Return when a shot begins at once, with another before it. Black is no shot: its hard edges are no cuts."""
        begun = {s.start_s for s in [s for s in self.shots if not s.black][1:]}
        return [t.start_s for t in self.transitions if t.kind == "cut" and t.start_s in begun]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What frames the picture, as shares (0..1) of the displayed height and width; 0: nothing on that side."""

    top: float
    bottom: float
    left: float
    right: float
    fill: Literal["plain", "blurred"] | None
    """One colour, or a blurred copy of the picture; `None` where there are no bars."""

    @property
    def content_ratio(self) -> float:
        """Share (0..1) of the picture's area inside the bars."""
        return (1.0 - self.top - self.bottom) * (1.0 - self.left - self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillness:
    """Where nothing is shown, and where one picture is repeated; to the frame, in order."""

    black: tuple[Span, ...]
    """Stretches of black."""
    frozen: tuple[Span, ...]
    """Stretches of at least 1 s in which the picture stands still (black ones are not counted)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LumaStatistics:
    """Technical measurements of the luma inside the bars, full range 0..255; F frames, P pairs of `low` pictures."""

    frame_s: NDArray[np.float64]
    """(F,) times of the full-size frames that were measured, at most 32, spread over the video."""
    mean: Floats
    """(F,) mean luma, 0..255."""
    contrast: Floats
    """(F,) standard deviation of the luma, 0..127."""
    sharpness: Floats
    """(F,) variance of the Laplacian at a short side of 360 px: 0 for a flat picture, tens for a soft one, hundreds for
    a crisp one."""
    clipped: Floats
    """(F,) share 0..1 of pixels that are white or black to within 2 levels."""
    noise_sigma: Floats
    """(F,) standard deviation of the noise in the smoothest fifth of the picture, levels of 255."""
    spatial_information: Floats
    """(F,) ITU-T P.910 SI of each frame: standard deviation of the Sobel gradient, at a short side of 160 px."""
    temporal_information: Floats
    """(P,) ITU-T P.910 TI of each pair of neighbours in `low` that are near in time and within one shot: standard
    deviation of the difference, at up to 10 Hz."""
    calm: NDArray[np.bool_]
    """(F,) False within a fade or dissolve and just beside it, where a frame is mixed."""
    black: tuple[Span, ...]
    frozen: tuple[Span, ...]
    """As in `Stillness`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How the picture moves between neighbours in `low`; P pairs (0 or more), none across a cut or a gap in time.

    Lengths are shares of the picture's short side, x to the right, y downwards; the camera moves the other way. `nan`
    where a pair has too little texture to tell.
    """

    start_s: NDArray[np.float64]
    """(P,) times of the first picture of each pair."""
    end_s: NDArray[np.float64]
    """(P,) times of the second."""
    shift: Floats
    """(P, 2) movement of the picture's centre by the camera."""
    scale: Floats
    """(P,) growth of the picture by the camera, 1.0 for none."""
    angle_rad: Floats
    """(P,) clockwise rotation of the picture by the camera."""
    magnitude: Floats
    """(P,) mean length of all motion."""
    residual: Floats
    """(P,) mean length of what the camera does not explain."""
    inliers: Floats
    """(P,) share 0..1 of the textured points that follow the camera."""
    patches: Floats
    """(P, 16, 16) mean length per patch of the picture."""
    thinned: bool = False
    """True where a long video was measured on its thumbnails: speeds to 5 %, fine motion is lost."""
    too_small: bool = False
    """True where the picture inside its bars is too small to tell motion: there are no pairs then."""

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(P,) length of each pair's step, above 0."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHashes:
    """PDQ hashes of about one frame per second; N frames. Inside the bars, where there are any."""

    pts_s: NDArray[np.float64]
    hashes: tuple[Hashed, ...]
    """(N,) of the whole picture, plain and mirrored."""
    crops: tuple[tuple[Hashed, ...], ...]
    """Per frame, of its middle at each of `CROPS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """One colour of a palette."""

    lab: tuple[float, float, float]
    """CIE L*a*b* (D65): L* 0..100, a* and b* about -128..127."""
    share: float
    """0..1 of the pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """Sampled pixels of about 16 frames inside the bars, black frames left out; N pixels."""

    lab: Floats
    """(N, 3) CIE L*a*b* (D65)."""
    rgb: Floats
    """(N, 3) sRGB, 0..255."""
    palette: tuple[Colour, ...]
    """Most frequent first."""
    shots: tuple[tuple[float, float, tuple[Colour, ...]], ...]
    """(start_s, end_s, palette) of each shot that is not black and has a sampled frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """What happens when a video starts again: from its last moment to its first, beside what is usual around both."""

    ssim: float
    """-1..1, structural similarity of the last and the first luma picture (160 px), motion between them undone."""
    ssim_usual: float
    """The same for the neighbours in the last and first half second, their median."""
    bits: int | None
    """0..256, PDQ distance of the last and the first picture, motion undone; `None`: too little in them to hash."""
    bits_usual: float
    change: float
    """Mean |change| from the very last to the very first thumbnail, 0..510."""
    change_usual: float
    """90th percentile of the change per frame in the last and first half second."""
    motion_apart: float | None
    """0..2, how far the motion across the seam is from the mean of that before and after it, as a share of both;
    `None`: not measured (long videos)."""
    period_s: float | None
    """The video repeats itself at this period, a whole number of times; `None`: it does not."""
    mel_apart: float | None
    """RMS distance of the log-mel spectra of the last and first 50 ms, dB, 0..40: what lies 40 dB under the loudest
    band around is masked and counts as that; 0 where both are silent; `None`: no sound at the seam."""
    mel_usual: float | None
    """The same for neighbouring 50 ms in the last and first half second, their 90th percentile."""
    level_jump_db: float | None
    """Difference of the levels of the first and last 50 ms, silence being -90 dBFS; `None` as above; 0 where both are
    silent."""
    click: float | None
    """Step of the waveform at the seam over the usual step around it; above 8 it is heard as a click."""
    blank: bool
    """No picture shows anything: all are of one colour, black for instance."""
    silent: bool
    """The sound track holds only silence: there is nothing to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divide:
    """A straight line through the middle of the picture that stays where it is."""

    position: float
    """0..1 of the width (upright line) or height (level line) inside the bars."""
    strength: float
    """0..1, share of the line along which the picture steps, in three of four frames."""
    likeness: float
    """-1..1, correlation along the line of the pixels on its two sides, exceeded in one of four frames: near 1 inside a
    picture, near 0 where two pictures meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """How a video is put together."""

    shown_shots: int
    """Shots that are not black."""
    still_shots: int
    """Photographs: shots of one repeated or flatly moved picture, more where several come in one shot without a cut."""
    still_ratio: float
    """0..1, share of the shown time that these take."""
    steady_ratio: float | None
    """0..1, share of the time in which the camera stands; `None`: one is not known for half of the time."""
    upright: Divide | None
    """The line between left and right that most looks like a cut; `None`: none stands out from edge to edge, or there
    are too few frames to see that it stays."""
    level: Divide | None
    """The same between top and bottom."""
    flat_ratio: float
    """0..1, share of 8x8 blocks without any structure: drawn surfaces, clear skies, plain walls after compression."""
