"""Verbs that change what happens to queued videos: requeue, cancel, set-priority, pause, resume, cleanup."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, Verb, days, names, priority
from tiktokd.printable import escape

if TYPE_CHECKING:
    from tiktokd.protocol import Outcomes

FEW = 20
BATCH_IDS = 1000
"""Ids per request."""


def _requeue(session: Session, args: argparse.Namespace) -> int:
    """Queue finished videos again.

    Videos whose media is still here are analyzed again without a download.
    """
    if bool(args.ids) == args.failed:
        session.complain("tiktokctl requeue: give ids, or --failed for all failed videos")
        return EXIT_USAGE
    if args.failed:
        parts = [session.client.requeue(failed=True, analyzers=args.analyzers)]
    else:
        parts = [session.client.requeue(ids, analyzers=args.analyzers) for ids in _batches(args.ids)]
    code = _report(session, parts)
    again = any(item.outcome in ("requeued", "reanalyzed") for part in parts for item in part.items)
    if args.analyzers and again and not session.json:
        _say_who_reads(session, args.analyzers)
    return code


def _say_who_reads(session: Session, words: list[str]) -> None:
    """Name the analyzers that are on, read what was named, and stay as they are."""
    from tiktokd.selection import select

    facts = session.client.analyzers()
    named = set(select(words, {each["name"]: each["group"] for each in facts}))
    touched = set(named)
    while more := {f["name"] for f in facts if touched & set(f["reads"])} - touched:
        touched |= more
    stay = sorted(f["name"] for f in facts if f["enabled"] and f["name"] in touched - named)
    if stay:
        session.complain(f"what reads these keeps its results; to do it again too, add: {','.join(stay)}")


def _cancel(session: Session, args: argparse.Namespace) -> int:
    """Take videos out of the queue. Work on them has stopped when this returns."""
    return _report(session, [session.client.cancel(ids) for ids in _batches(args.ids)])


def _set_priority(session: Session, args: argparse.Namespace) -> int:
    """Change the priority of videos that are not finished."""
    parts = [session.client.set_priority(ids, args.priority) for ids in _batches(args.ids)]
    return _report(session, parts)


def _pause(session: Session, args: argparse.Namespace) -> int:
    """Start no new work. This holds over restarts too; work in hand is finished."""
    return _set_paused(session, args.lane, paused=True)


def _resume(session: Session, args: argparse.Namespace) -> int:
    """Go on after a pause."""
    return _set_paused(session, args.lane, paused=False)


def _set_paused(session: Session, lane: str, *, paused: bool) -> int:
    session.client.set_paused(lane, paused)
    lanes = session.client.status().lanes
    if session.json:
        session.dump({each.lane: {"paused": each.paused, "reason": each.reason} for each in lanes})
        return EXIT_OK
    from tiktokd.cli._overview import standing

    for each in lanes:
        if lane in ("all", each.lane):
            session.say(f"{each.lane}: {escape(standing(each))}")
    return EXIT_OK


def _cleanup(session: Session, args: argparse.Namespace) -> int:
    """Remove the media of videos that finished long ago. Their old events, metrics and logs go too; results stay."""
    age = args.days if args.days is not None else session.config.cleanup.days
    answer = session.client.cleanup(age, dry_run=args.dry_run)
    if session.json:
        session.dump(answer)
        return EXIT_OK
    from tiktokd.cli._format import size

    verb = "would remove" if answer.dry_run else "removed"
    session.say(
        f"{verb} what belongs to videos finished more than {age} days ago (results stay): "
        f"{answer.media_files:,} media files ({size(answer.media_bytes)}), {answer.events:,} events, "
        f"{answer.metrics:,} metrics, {answer.logs:,} old logs"
    )
    return EXIT_OK


def _report(session: Session, parts: "list[Outcomes]") -> int:
    """Print what became of each id; exit code 1 where something was not done."""
    from tiktokd.client import joined

    outcomes = joined(parts)
    undone = [item for item in outcomes.items if item.outcome in ("unchanged", "not_found")]
    if session.json:
        session.dump(outcomes)
        return EXIT_PARTIAL if undone else EXIT_OK
    for item in undone:
        session.complain(f"{item.id or item.input}: {item.outcome.replace('_', ' ')}: {item.reason}")
    if len(outcomes.items) - len(undone) <= FEW:
        for item in outcomes.items:
            if item not in undone:
                now = "" if item.state == item.outcome else f", now {item.state}"
                also = f"; {item.reason}" if item.reason else ""
                session.say(escape(f"{item.id}: {_said(item.outcome)}{now}{also}"))
    session.say(", ".join(f"{n:,} {_said(name)}" for name, n in outcomes.counts.items()) or "nothing to do")
    return EXIT_PARTIAL if undone else EXIT_OK


def _said(outcome: str) -> str:
    return {"reanalyzed": "to be analyzed again"}.get(outcome, outcome.replace("_", " "))


def _batches(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + BATCH_IDS] for start in range(0, len(ids), BATCH_IDS)]


def _ids_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="as `tiktokctl list` shows it")


def _requeue_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="as `tiktokctl list` shows it")
    parser.add_argument("--failed", action="store_true", help="all failed videos")
    parser.add_argument(
        "--analyzers",
        type=names,
        metavar="A,B",
        help="run only these, by name or group, and keep the results of the others; what they read is not run again "
        "unless its result is missing, failed, lacked a model or a GPU, or is of another version",
    )


def _priority_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("priority", type=priority, metavar="1..10", help="10 is urgent: always first")
    _ids_arguments(parser)


def _lane_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "lane", nargs="?", choices=("download", "processing", "all"), default="all", help="default: all"
    )


def _cleanup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--days", type=days, metavar="N", help="age in days (default: cleanup.days of the configuration)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def _verb(
    name: str,
    run: Callable[[Session, argparse.Namespace], int],
    arguments: Callable[[argparse.ArgumentParser], None],
    *examples: tuple[str, str],
) -> Verb:
    """Return a verb whose title and further words are the docstring of what it runs."""
    title, _, about = (run.__doc__ or name).strip().partition(".")
    return Verb(
        name=name,
        section="Steer",
        title=title,
        about=" ".join(about.split()),
        run=run,
        arguments=arguments,
        examples=examples,
    )


_ONE = "7212345678901234567"
VERBS = (
    _verb(
        "requeue",
        _requeue,
        _requeue_arguments,
        ("requeue --failed", "every failed video"),
        (f"requeue {_ONE}", "one video, everything anew"),
        (f"requeue {_ONE} --analyzers loudness", "one analysis of it"),
    ),
    _verb("cancel", _cancel, _ids_arguments, (f"cancel {_ONE}", "one video")),
    _verb("set-priority", _set_priority, _priority_arguments, (f"set-priority 10 {_ONE}", "next in line")),
    _verb("pause", _pause, _lane_arguments, ("pause download", "ask TikTok for nothing"), ("pause", "both lanes")),
    _verb("resume", _resume, _lane_arguments, ("resume", "everything")),
    _verb(
        "cleanup",
        _cleanup,
        _cleanup_arguments,
        ("cleanup --days 7 --dry-run", "what would go"),
        ("cleanup --days 7", "remove it"),
    ),
)
