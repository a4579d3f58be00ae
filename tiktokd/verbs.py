"""What people may ask of the daemon, as one interface between the API and whatever answers it. Knows neither.

Every verb returns after its effect: committed, work stopped, lane paused.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tiktokd.errors import TiktokdError
from tiktokd.protocol import CleanupAnswer, Event, Lane, Outcomes, Page, StatusAnswer

if TYPE_CHECKING:
    from tiktokd.messages import AnalyzerFacts


class BadRequest(TiktokdError):
    """The request makes no sense; the message names the field, the value and what was expected."""


class NotFound(TiktokdError):
    """There is no such video."""


class Verbs(Protocol):
    """The daemon, as its users see it."""

    async def status(self) -> StatusAnswer:
        """Return counts, workers, rates and what is in the way."""

    async def metrics(self, since_s: float) -> dict[str, Any]:
        """Return gauges of now and the samples of the last `since_s` seconds."""

    async def page(self, *, state: str | None, limit: int, after: str | None) -> Page:
        """Return one page of videos, newest first."""

    async def video(self, video_id: str) -> dict[str, Any]:
        """Return one video as in the export, with facts and history; raises `NotFound`."""

    def analyzers(self) -> "tuple[AnalyzerFacts, ...]":
        """Return what each analyzer can do on this machine."""

    async def add(self, inputs: Sequence[str], *, priority: int, analyzers: Sequence[str] | None) -> Outcomes:
        """Queue texts that name videos; one outcome per text, in order."""

    async def add_files(self, paths: Sequence[Path], *, priority: int, analyzers: Sequence[str] | None) -> Outcomes:
        """Queue files of this machine; one outcome per path, in order."""

    async def requeue(self, ids: Sequence[str] | None, *, failed: bool, analyzers: Sequence[str] | None) -> Outcomes:
        """Queue finished videos again; `ids` is `None` for all failed ones."""

    async def cancel(self, ids: Sequence[str]) -> Outcomes:
        """Take videos out of the queue and stop work on them."""

    async def set_priority(self, ids: Sequence[str], priority: int) -> Outcomes:
        """Change the priority of videos that are not finished."""

    async def set_paused(self, lanes: Sequence[Lane], paused: bool) -> None:
        """Pause or resume lanes, over restarts too."""

    async def cleanup(self, days: float, *, dry_run: bool) -> CleanupAnswer:
        """Remove what belongs to videos that finished more than `days` days ago, but not their results."""

    async def export_head(self) -> dict[str, Any]:
        """Return `generated_at`, `version` and `stats` of an export made now."""

    def export(self, *, state: str | None, since: str | None) -> AsyncIterator[list[bytes]]:
        """Yield the videos that changed at or after `since` (ISO 8601), each as one line of JSON, some at a time."""

    def events(self) -> AsyncIterator[Event]:
        """Yield what happens from now on."""

    def incarnation(self) -> str:
        """Return what differs for each start of the daemon: numbers of events count within one."""
