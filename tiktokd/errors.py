"""Errors, and failures as data. Knows nothing of who raises them or what the queue does about them.

TiktokdError
├─ TransientError      a later attempt may succeed
│  ├─ Throttled            the site asks us to slow down (retry_after_s)
│  ├─ NetworkError         no or broken answer from the network
│  ├─ GpuOutOfMemory       the batch did not fit the device
│  └─ LocalError           this machine is the trouble: disk full, no network, missing package
├─ PermanentError      no attempt can succeed
│  ├─ VideoUnavailable     deleted, region-blocked, never existed
│  ├─ AuthRequired         private, login wall, sensitive
│  ├─ UnsupportedMedia     a photo post, a live stream, a codec we have no decoder for
│  └─ CorruptMedia         the file does not decode
├─ ModelMissing        weights are not on this machine; the message names the command that fetches them
├─ ConfigError         the operator must act; exit code 2
└─ ProtocolError       a peer sent nonsense
"""

from dataclasses import dataclass
from typing import Literal

FailureClass = Literal[
    "transient",
    "throttled",
    "auth",
    "permanent",
    "unsupported",
    "local",
    "resource",
    "poison",
    "bug",
]
"""How the queue treats a failure; `scheduler.policy` holds what each means for retries."""


class TiktokdError(Exception):
    """Base of every error that this program raises on purpose."""

    failure_class: FailureClass = "bug"


class TransientError(TiktokdError):
    """A later attempt may succeed: a timeout, a server error, a broken body."""

    failure_class: FailureClass = "transient"


class Throttled(TransientError):
    """The site asks for fewer requests (HTTP 429, 403, a challenge page)."""

    failure_class: FailureClass = "throttled"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds the site asked us to wait, `None` where it did not say."""


class NetworkError(TransientError):
    """No answer or a broken one: reset, timeout, HTTP 5xx."""


class GpuOutOfMemory(TransientError):
    """A batch did not fit the device's memory."""

    failure_class: FailureClass = "resource"


def raise_if_out_of_memory(exc: Exception) -> None:
    """Let the queue see a full GPU (torch.OutOfMemoryError, by name: torch may not be loaded)."""
    if isinstance(exc, GpuOutOfMemory):
        raise exc
    if type(exc).__name__ == "OutOfMemoryError":
        raise GpuOutOfMemory(str(exc)[:500]) from exc


class LocalError(TransientError):
    """This machine is the trouble (disk full, no network); pausing helps, retrying does not."""

    failure_class: FailureClass = "local"


class PermanentError(TiktokdError):
    """No attempt can succeed."""

    failure_class: FailureClass = "permanent"


class VideoUnavailable(PermanentError):
    """The site says that the video is deleted, blocked in this region, or never existed."""


class AuthRequired(PermanentError):
    """The site wants a login: a private, sensitive or login-walled post."""

    failure_class: FailureClass = "auth"


class UnsupportedMedia(PermanentError):
    """Not a video that we can analyze: a photo post, a live stream, an unknown codec."""

    failure_class: FailureClass = "unsupported"


class CorruptMedia(PermanentError):
    """The file is not readable as a video from beginning to end."""


class ModelMissing(TiktokdError):
    """Weights are not on this machine; the message names the command that fetches them."""


class ConfigError(TiktokdError):
    """The configuration is wrong; the message lists every problem with its TOML path. Exit code 2."""


class ProtocolError(TiktokdError):
    """A peer sent something that is not a message of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure as data, so that it can cross a process border and be stored."""

    failure_class: FailureClass
    stage: str
    """Where it happened: download, decode, analyze, fuse, finish."""
    message: str
    """What failed, which value, what was expected, what to do."""
    retry_after_s: float | None = None
    """Seconds the site asked us to wait; `None` where it did not say."""
    http_status: int | None = None
    """Status of the HTTP answer behind the failure; `None` where there was none."""
    of_post: bool = False
    """The site answered as it should, and this post alone is the matter (private, sensitive); known for `auth` only."""

    def __post_init__(self) -> None:
        """Replace half characters, which come with odd file names and broken pages: JSON cannot say them."""
        object.__setattr__(self, "message", self.message.encode("utf-8", "replace").decode())


def failure_of(error: BaseException, stage: str) -> Failure:
    """Return `error` as data; anything that is not ours counts as a bug and keeps its type name."""
    if isinstance(error, TiktokdError):
        return Failure(
            failure_class=error.failure_class,
            stage=stage,
            message=str(error),
            retry_after_s=getattr(error, "retry_after_s", None),
            http_status=getattr(error, "http_status", None),
        )
    return Failure(failure_class="bug", stage=stage, message=f"{type(error).__name__}: {error}")
