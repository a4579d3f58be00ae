"""The state machine of a video as data: which event leads from which state to which. Knows no SQL and no clock.

Each state, who moves a video on, and what a crash leaves behind:

* `pending`      waits for a downloader. The dispatcher claims it. A crash leaves it as it is.
* `downloading`  a download worker holds the claim. Its answer, its death or the start of the next daemon moves it on; a
                 crash leaves a folder of the attempt (removed at the start) and this state (rescued at the start).
* `downloaded`   the checked media file is in the spool. The dispatcher claims it. A crash leaves it as it is.
* `processing`   decoded, analyzed, fused by workers. Nothing of that is stored before `completed`, so a crash leaves
                 only this state (rescued at the start) and the video is decoded again.
* `completed` · `failed` · `cancelled`  final: only a person's `requeue` moves a video out.

Results are not part of the state: what a completed run found stays through `requeue`, and through the failure or the
cancelling of what was asked for then, until another run completes.
"""

from enum import StrEnum

from tiktokd.model import FINAL, State


class Event(StrEnum):
    """What can happen to a video."""

    CLAIM_DOWNLOAD = "claim_download"
    DOWNLOADED = "downloaded"
    CLAIM_PROCESSING = "claim_processing"
    COMPLETE = "complete"
    RETRY = "retry"
    """Failed, to be tried again not before a time."""
    FAIL = "fail"
    RESCUE = "rescue"
    """The claim ended through no fault of the video: drain, pause, restart of the daemon. Nothing is charged."""
    CANCEL = "cancel"
    REQUEUE = "requeue"
    """A person asks again for a video whose media is gone: from the download on."""
    REANALYZE = "reanalyze"
    """A person asks again for a video whose media is still here: no download, no rate token."""


TRANSITIONS: dict[Event, dict[State, State]] = {
    Event.CLAIM_DOWNLOAD: {State.PENDING: State.DOWNLOADING},
    Event.DOWNLOADED: {State.DOWNLOADING: State.DOWNLOADED},
    Event.CLAIM_PROCESSING: {State.DOWNLOADED: State.PROCESSING},
    Event.COMPLETE: {State.PROCESSING: State.COMPLETED},
    Event.RETRY: {State.DOWNLOADING: State.PENDING, State.PROCESSING: State.DOWNLOADED},
    Event.FAIL: {
        State.DOWNLOADING: State.FAILED,
        State.DOWNLOADED: State.FAILED,
        State.PROCESSING: State.FAILED,
    },
    Event.RESCUE: {State.DOWNLOADING: State.PENDING, State.PROCESSING: State.DOWNLOADED},
    Event.CANCEL: {
        State.PENDING: State.CANCELLED,
        State.DOWNLOADING: State.CANCELLED,
        State.DOWNLOADED: State.CANCELLED,
        State.PROCESSING: State.CANCELLED,
    },
    Event.REQUEUE: dict.fromkeys(FINAL, State.PENDING),
    Event.REANALYZE: dict.fromkeys(FINAL, State.DOWNLOADED),
}
"""Per event: from which state to which. What is not here cannot happen."""

INITIAL = (State.PENDING, State.DOWNLOADED)
"""States in which a row may be born: a URL, or a file that is already here."""

WAITING = {Event.CLAIM_DOWNLOAD: State.PENDING, Event.CLAIM_PROCESSING: State.DOWNLOADED}
"""The state that each claim takes from."""


def target(state: State, event: Event) -> State | None:
    """Return where `event` leads from `state`; `None` where it cannot happen."""
    return TRANSITIONS[event].get(state)


def sources(event: Event) -> tuple[State, ...]:
    """Return the states in which `event` can happen, in the order of `State`."""
    return tuple(TRANSITIONS[event])
