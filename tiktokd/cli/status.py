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
    end = None if args.timeout is None else time.monotonic() + args.timeout
    start = status = session.client.status()
    for lane, state in (("download", "pending"), ("processing", "downloaded")):
        if status.counts[state] and any(each.lane == lane and each.paused for each in status.lanes):
            session.complain(f"{lane} is paused: this does not end before `tiktokctl resume {lane}`")
    with session.progress("waiting", None) as bar:
        while (left := _open(status)) and (end is None or time.monotonic() < end):
            done = max(_done(status) - _done(start), 0)
            bar.update(done, total=done + left, title=_what(status))
            pause_s = POLL_S if end is None else min(POLL_S, max(end - time.monotonic(), 0.0))
            time.sleep(pause_s)
            status = _status_over_restarts(session)
    if session.json:
        session.dump({"counts": status.counts, "timed_out": bool(_open(status))})
    elif left := _open(status):
        videos = "1 video is" if left == 1 else f"{left:,} videos are"
        session.complain(f"{videos} not finished after {args.timeout:g} s ({_what(status)})")
    else:
        session.say(f"nothing is waiting: {status.counts['completed']:,} completed, {status.counts['failed']:,} failed")
    return EXIT_TIMEOUT if _open(status) else EXIT_OK


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
    paused = [f"{lane.lane} paused" for lane in status.lanes if lane.paused]
    return "; ".join([busy, *paused])


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-w", "--watch", action="store_true", help="refresh until Ctrl-C")
    parser.add_argument(
        "--interval", type=positive, default=1.0, metavar="S", help="seconds between refreshes (default 1)"
    )


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=positive, metavar="S", help="give up after S seconds with exit code 3")


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
        ),
    ),
)
