"""The values that every part agrees on: states, posts, clips, result envelopes. Knows no I/O.

Times are seconds from the start of the video unless a name says otherwise; boxes are `[x, y, w, h]`
as shares (0..1) of the displayed picture, origin at the top left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from tiktokd.errors import Failure


class State(StrEnum):
    """Where a video stands; `scheduler.states` holds who may move it where."""

    PENDING = "pending"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


IN_FLIGHT = (State.DOWNLOADING, State.PROCESSING)
FINAL = (State.COMPLETED, State.FAILED, State.CANCELLED)
PRIORITY_MIN, PRIORITY_DEFAULT, PRIORITY_MAX = 1, 5, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRef:
    """One video that somebody asked for."""

    id: str
    """TikTok's numeric id; `file-<16 hex digits of sha256>` for a local file; `short-<code>` for a short link."""
    url: str
    """Canonical URL, or the file URI of a local file."""


class Metadata(BaseModel):
    """What the post says about itself, cleaned: no cookies, no expiring URLs. `None`: the site did not say."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str | None = None
    description: str | None = None
    """The caption as written, hashtags included."""
    created_at_s: float | None = None
    """UTC seconds since 1970."""
    duration_s: float | None = None
    uploader: str | None = None
    """The @name, without the @; changes when the creator renames."""
    uploader_id: str | None = None
    channel: str | None = None
    """The nickname that is displayed."""
    channel_id: str | None = None
    """Stable over renames."""
    track: str | None = None
    artists: list[str] = []
    album: str | None = None
    music_id: str | None = None
    view_count: int | None = None
    like_count: int | None = None
    repost_count: int | None = None
    comment_count: int | None = None
    save_count: int | None = None
    is_ad: bool | None = None
    """TikTok's own mark of the post as an advertisement (`isAd`)."""
    width_px: int | None = None
    height_px: int | None = None
    format_id: str | None = None
    fetched_at_s: float | None = None
    """UTC seconds; the counts are as of this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What the container says, after rotation has been applied."""

    duration_s: float
    """Longest stream, measured from the decoded frames where the container has none."""
    size_bytes: int
    container: str
    bitrate_kbps: float | None
    width_px: int | None
    """Displayed width; `None` where there is no picture."""
    height_px: int | None
    fps: float | None
    """Mean frames per second over the video stream; `None` where there is no picture."""
    frame_count: int
    """Frames decoded; 0 where there is no picture."""
    rotation_deg: int
    """Clockwise rotation already applied: 0, 90, 180 or 270."""
    video_codec: str | None
    audio_codec: str | None
    audio_rate_hz: int | None
    audio_channels: int | None

    @property
    def has_video(self) -> bool:
        """True where at least one frame was decoded."""
        return self.frame_count > 0

    @property
    def has_audio(self) -> bool:
        """True where the file has a sound track that decodes."""
        return self.audio_codec is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One C-contiguous array inside a slot."""

    shape: tuple[int, ...]
    dtype: str
    """numpy name: uint8, int16, float64."""
    offset: int
    """Bytes from the start of the slot, a multiple of 64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A decoded video: where its arrays lie in which slot. The arrays, all optional:

    * `frames`     (N, H*3/2, W) uint8, planar YUV 4:2:0 limited range (BT.709), spread over the video, H, W even
    * `frames_pts` (N,) float64, seconds
    * `low`        (M, h, w) uint8, luma of up to 10 frames per second, short side 160 px
    * `low_pts`    (M,) float64, seconds
    * `thumbs`     (T, 27, 48, 3) uint8 RGB, every frame (thinned evenly where they do not fit), stretched to 48x27
    * `thumbs_pts` (T,) float64, seconds
    * `audio16`    (n,) int16, mono 16 kHz, full scale = 16384 (6 dB of headroom: decoded AAC overshoots 0 dBFS)
    * `audio48`    (n, 2) int16, stereo 48 kHz, full scale = 16384; mono sound appears on both channels
    """

    slot: int
    generation: int
    """Counts the leases of this slot; an answer with an old one is stale."""
    blocks: dict[str, Block]
    facts: MediaFacts
    audio48_covers_s: float
    """Seconds from the start that `audio48` holds; shorter than the video where the rest did not fit."""
    audio16_covers_s: float


Status = Literal["ok", "partial", "skipped", "error"]
Tier = Literal["lite", "full"]
Reason = Literal[
    "no_audio",
    "no_video",
    "no_speech",
    "no_text",
    "no_people",
    "no_music",
    "no_beat",
    "too_short",
    "truncated",
    "low_quality",
    "no_metadata",
    "no_sources",
    "model_missing",
    "package_missing",
    "unsupported_language",
    "unsupported_script",
    "cpu_fallback",
    "corpus_unavailable",
    "disabled",
]
"""Why a result is partial or skipped. `cpu_fallback`: too heavy for a machine without a working GPU.
`corpus_unavailable`: not compared with earlier videos. `no_beat`: no steady beat, whether there is music or not."""


class ModelUsed(BaseModel):
    """Which weights made a result."""

    model_config = ConfigDict(frozen=True)

    id: str
    revision: str | None = None
    sha256: str | None = None
    dtype: str | None = None
    device: str = "cpu"


class Segment(BaseModel):
    """A stretch of the timeline. Subclass it to add typed fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float
    end_s: float


class Output(BaseModel):
    """Base of every analyzer's typed summary: units in the field names; `None` is "not known", never 0 or -1."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Envelope(BaseModel):
    """One analyzer's result on one video, as stored and exported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    analyzer: str
    version: str
    status: Status
    tier: Tier
    reason: Reason | None = None
    message: str | None = None
    """For people: what went wrong or what to do; `None` when status is ok."""
    models: list[ModelUsed] = []
    """The weights of all encoders whose features or signals went into it; what came from another analyzer's result is
    named there."""
    calibrated: bool | None = None
    """False: scores, scales or thresholds in it are chosen and not fitted to data, and no score is a probability.
    `None`: it measures, counts or quotes; there is nothing to calibrate."""
    wall_ms: float = 0.0
    summary: dict[str, JsonValue] = {}
    segments: list[dict[str, JsonValue]] = []

    def was_impossible(self) -> bool:
        """Return whether nothing came of it for want of a model or a GPU: on another day it may."""
        return self.status == "skipped" and self.reason in ("model_missing", "cpu_fallback")


Signals = dict[str, dict[str, Any]]
"""Per encoder, a few small JSON-serialisable values (at most 16 KiB per encoder and video) that level 2 may read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work on one video, until the token is replaced."""

    id: str
    url: str
    token: str
    """Fresh for each claim; every later write must present it."""
    attempts: int
    """Failed attempts at this stage before this one."""
    crashes: int = 0
    """Workers that died while they held the video, since a person last asked for it."""
    throttles: int = 0
    """Times that the site asked us to slow down instead of answering."""
    spooled: bool = True
    """The media file is ours; False: a person's own file, never moved or deleted."""
    priority: int
    analyzers: tuple[str, ...] | None = None
    """Names that this video asks for; `None`: what the configuration says."""
    media_path: str | None = None
    metadata: Metadata = field(default_factory=Metadata)
    kept: Mapping[str, Envelope] = field(default_factory=dict)
    """Where single analyzers are asked for again: the results of the others, which they may read as they are."""
    last_failure: Failure | None = None
