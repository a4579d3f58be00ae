"""Verbs that show how things stand: status, workers, wait."""

import argparse
import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, EXIT_TIMEOUT, Verb, positive

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tiktokd.protocol import StatusAnswer

OPEN_STATES = ("pending", "downloading", "downloaded", "processing")
TRIED = ("pending", "downloading")
"""States between which a video goes back and forth while nothing can be downloaded."""
POLL_S = 0.5
RESTART_S = 30.0
"""`wait` outlasts a restart of the daemon of this length."""


def _status(session: Session, args: argparse.Namespace) -> int:
    if args.watch:
        return _watch(session, args.interval)
    status = session.client.status()
    if session.json:
        session.dump(status)
        return EXIT_OK
    from tiktokd.cli._overview import overview

    session.show(overview(status, time.time(), session.console.width))
    return EXIT_OK


def _watch(session: Session, interval_s: float) -> int:
    """Show the status again and again, in place on a terminal, until Ctrl-C."""
    if session.json:
        while True:
            session.say(json.dumps(asdict(session.client.status())))
            sys.stdout.flush()
            time.sleep(interval_s)
    from tiktokd.cli._overview import overview

    def now() -> "RenderableType":
        return overview(session.client.status(), time.time(), session.console.width)

    while not sys.stdout.isatty():  # rich's Live keeps everything back until its end where it cannot draw over it
        session.show(now())
        sys.stdout.flush()
        time.sleep(interval_s)
    from rich.live import Live

    with Live(now(), console=session.console, auto_refresh=False) as live:
        while True:
            live.update(now(), refresh=True)
            time.sleep(interval_s)


def _workers(session: Session, _args: argparse.Namespace) -> int:
    status = session.client.status()
    if session.json:
        session.dump([asdict(worker) for worker in status.workers])
        return EXIT_OK
    from tiktokd.cli._overview import workers_table

    session.show(workers_table(status.workers, time.time(), session.console.width))
    return EXIT_OK


def _wait(session: Session, args: argparse.Namespace) -> int:
    now = moved_at = time.monotonic()
    end = float("inf") if args.timeout is None else now + args.timeout
    start = status = session.client.status()
    told: set[str] = set()
    with session.progress("waiting", None) as bar:
        while (left := _open(status)) and now < end:
            obstacles = _obstacles(status)
            for lane in obstacles.keys() - told:
                session.complain(obstacles[lane])
            told |= obstacles.keys()
            if args.stalled is not None and obstacles and now - moved_at > args.stalled:
                break
            done = max(_done(status) - _done(start), 0)
            bar.update(done, total=done + left, title=_what(status))
            time.sleep(min(POLL_S, end - now))
            before, status, now = status, _status_over_restarts(session), time.monotonic()
            if _moved(before, status):
                moved_at = now
    if session.json:
        session.dump({"counts": status.counts, "timed_out": bool(_open(status))})
    elif left := _open(status):
        videos = "1 video is" if left == 1 else f"{left:,} videos are"
        waited = f"after {args.timeout:g} s" if now >= end else f"and none has got further for {args.stalled:g} s"
        session.complain(f"{videos} not finished {waited} ({_what(status)})")
    else:
        session.say(f"nothing is waiting: {status.counts['completed']:,} completed, {status.counts['failed']:,} failed")
    return EXIT_TIMEOUT if _open(status) else EXIT_OK


def _obstacles(status: "StatusAnswer") -> dict[str, str]:
    """Return lane → why the videos that wait for it wait, for people."""
    found: dict[str, str] = {}
    for lane in status.lanes:
        if status.counts["pending" if lane.lane == "download" else "downloaded"]:
            if lane.paused:
                found[lane.lane] = f"{lane.lane} is paused: this does not end before `tiktokctl resume {lane.lane}`"
            elif lane.reason:
                found[lane.lane] = f"{lane.lane} is held up: {lane.reason}"
    return found


def _moved(before: "StatusAnswer", after: "StatusAnswer") -> bool:
    """Return whether a video has got further, or is being analyzed; a try that led back to the queue is no progress."""
    return after.counts["processing"] > 0 or any(
        before.counts[state] != after.counts[state] for state in after.counts if state not in TRIED
    )


def _status_over_restarts(session: Session) -> "StatusAnswer":
    """Return the status; a daemon that is being restarted gets time to come back."""
    from tiktokd.client import Unreachable

    end = time.monotonic() + RESTART_S
    while True:
        try:
            return session.client.status()
        except Unreachable:
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def _open(status: "StatusAnswer") -> int:
    return sum(status.counts[state] for state in OPEN_STATES)


def _done(status: "StatusAnswer") -> int:
    return sum(number for state, number in status.counts.items() if state not in OPEN_STATES)


def _what(status: "StatusAnswer") -> str:
    """Return what is going on, and what is in the way."""
    busy = ", ".join(f"{status.counts[state]:,} {state}" for state in OPEN_STATES if status.counts[state])
    held = [f"{lane.lane} {'paused' if lane.paused else 'held up'}" for lane in status.lanes if lane.reason]
    return "; ".join([busy, *held])


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-w", "--watch", action="store_true", help="refresh until Ctrl-C")
    parser.add_argument(
        "--interval", type=positive, default=1.0, metavar="S", help="seconds between refreshes (default 1)"
    )


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=positive, metavar="S", help="give up after S seconds with exit code 3")
    parser.add_argument(
        "--stalled", type=positive, metavar="S",
        help="give up with exit code 3 when something is in the way and no video has got further for S seconds",
    )  # fmt: skip


VERBS = (
    Verb(
        name="status",
        section="Look",
        title="Show counts, rates, workers and what is in the way",
        run=_status,
        arguments=_status_arguments,
        examples=(
            ("status", "once"),
            ("status --watch", "refreshed in place"),
            ("status --json | jq .counts.failed", "one number for a script"),
        ),
    ),
    Verb(
        name="workers",
        section="Look",
        title="Show each worker process and what it is doing",
        run=_workers,
        examples=(("workers", "a table"), ("workers --json", "for scripts")),
    ),
    Verb(
        name="wait",
        section="Look",
        title="Wait until nothing is pending or in flight",
        run=_wait,
        arguments=_wait_arguments,
        examples=(
            ("wait && tiktokctl export -o results.json", "export when everything is finished"),
            ("wait --timeout 3600", "exit code 3 if it takes longer than an hour"),
            ("wait --stalled 300", "exit code 3 if the network or the disk is in the way for five minutes"),
        ),
    ),
)
