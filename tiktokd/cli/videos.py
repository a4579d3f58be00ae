"""Verbs that show videos: list, show."""

import argparse
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, STATES, Verb, count

if TYPE_CHECKING:
    from tiktokd.protocol import VideoRow

PAGE = 200
NOTE_CHARS = 200
TITLE_CHARS = 60
REASON_CELLS = 40
"""Of a list of failed videos: why is what people ask, and a dozen letters of it tell nothing."""


def _list(session: Session, args: argparse.Namespace) -> int:
    rows: list[VideoRow] = []
    after: str | None = None
    more = True
    while more and len(rows) < args.limit:
        page = session.client.videos(state=args.state, limit=min(PAGE, args.limit - len(rows)), after=after)
        rows += page.videos
        after, more = page.next, page.next is not None
    if session.json:
        session.dump([asdict(row) for row in rows])
    elif not rows:
        session.say(f"no {args.state} videos" if args.state else "the queue is empty; `tiktokctl add-urls` fills it")
    else:
        _print_rows(session, rows, state=args.state)
        if more:
            session.complain(f"the newest {len(rows):,}; --limit {len(rows) * 10} shows more")
    return EXIT_OK


def _print_rows(session: Session, rows: "list[VideoRow]", *, state: str | None) -> None:
    """Print a table; where all rows are of one state, its column gives way to what is said of each."""
    from rich.text import Text

    from tiktokd.cli._format import STATE_STYLES, local, moment
    from tiktokd.cli._table import SHORTEST, Column, fitting
    from tiktokd.printable import escape, shortened

    said = REASON_CELLS if state == "failed" else SHORTEST
    columns = (
        Column("id"), Column("state", 2 if state else 0), Column("prio", 5, right=True),
        Column("tries", 3, right=True), Column("queued", 4),
        Column("note", 1, shortens=True, shortest=said), Column("title", 2, shortens=True),
    )  # fmt: skip
    now = datetime.now().astimezone()
    cells = []
    for row in rows:
        note = f"next try {local(row.not_before_at)}" if row.not_before_at else row.worker or ""
        if row.error:
            reason = f"{row.error['class']}: {without_name(row.error['message'], row.title)}"
            note = f"{reason}; {note}" if note else reason
        standing = Text(row.state, STATE_STYLES.get(row.state, ""))
        tries = str(sum(row.attempts.values()) or "")
        texts = shortened(note, NOTE_CHARS), shortened(row.title or "", TITLE_CHARS)
        cells.append((escape(row.id), standing, str(row.priority), tries, moment(row.enqueued_at, now), *texts))
    session.show(fitting(columns, cells, session.console.width))


def without_name(message: str, title: str | None) -> str:
    """Return a message without the name that it begins with, where the title beside it says it too."""
    if title and message.startswith((f"{title} ", f"{title}: ")):
        return message.removeprefix(title).lstrip(": ")
    return message


def _show(session: Session, args: argparse.Namespace) -> int:
    video = session.client.video(args.id)
    if session.json:
        session.dump(video)
        return EXIT_OK
    from tiktokd.cli._detail import detail

    groups = {str(each["name"]): str(each["group"]) for each in session.client.analyzers()}
    session.show(detail(video, groups, width=session.console.width, full=args.full))
    return EXIT_OK


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=STATES, help="only videos in this state")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="at most N, the newest (default 50)")


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as `tiktokctl list` shows it")
    parser.add_argument("--full", action="store_true", help="every field, segment and event, not only the first ones")


VERBS = (
    Verb(
        name="list",
        section="Look",
        title="List videos, the newest first",
        run=_list,
        arguments=_list_arguments,
        examples=(
            ("list", "the newest 50"),
            ("list --state failed --limit 500", "what went wrong, and why"),
            ("list --json --limit 1000 | jq -r '.[].id'", "ids for a script"),
        ),
    ),
    Verb(
        name="show",
        section="Look",
        title="Show one video: facts, error, analyses, timeline, history",
        run=_show,
        arguments=_show_arguments,
        examples=(
            ("show 7212345678901234567", "readable"),
            ("show 7212345678901234567 --json | jq .analysis.loudness", "one analysis"),
        ),
    ),
)
