"""Verbs that queue videos: add-urls, add-files, process-now."""

import argparse
import glob
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tiktokd.cli._queueing import Candidate, Report, answered, queue
from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_PARTIAL, EXIT_USAGE, Verb, names, priority
from tiktokd.paths import at_home
from tiktokd.printable import escape

if TYPE_CHECKING:
    from tiktokd.protocol import ItemOutcome

BATCH_ITEMS = 1000
"""Texts per request: one commit each; ten requests for 10,000 URLs."""
BATCH_FILES = 8
"""Paths per request: the daemon reads each file to its end before it answers."""
FILES_TIMEOUT_S = 900.0
FEW = 20
"""Up to this many items each is printed; of more, only what was not done."""
MEDIA_SUFFIXES = {
    ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".flv", ".ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".ogv",
}  # fmt: skip
"""What is taken out of a directory; a file that is named is always taken."""


_FILE_ID = re.compile("file-[0-9a-f]{16}")


def _add_urls(session: Session, args: argparse.Namespace) -> int:
    if not args.urls and not args.file:
        session.complain("tiktokctl add-urls: give URLs, or -f FILE, or -f - for standard input")
        return EXIT_USAGE
    for file in args.file:
        _refuse_unreadable(file)  # before the files in front of it are queued
    candidates = _candidates(session, args)
    report = Report(session, each=args.verbose or (len(args.urls) <= FEW and not args.file))

    def send(texts: list[str]) -> "tuple[ItemOutcome, ...]":
        return session.client.add(texts, priority=args.priority, analyzers=args.analyzers).items

    code = queue(session, candidates, send, report, batch=BATCH_ITEMS)
    _say_what_duplicates_keep(session, args, report)
    return _monitor(session, args, code)


def _say_what_duplicates_keep(session: Session, args: argparse.Namespace, report: Report) -> None:
    if args.analyzers and report.counts.get("duplicate"):
        wanted = ",".join(args.analyzers)
        session.complain(
            f"duplicates stay as they are; `tiktokctl requeue --analyzers {wanted} ID` is for finished ones"
        )


def _process_now(session: Session, args: argparse.Namespace) -> int:
    report = Report(session, each=True)

    def send(texts: list[str]) -> "tuple[ItemOutcome, ...]":
        return session.client.add(texts, priority=10, analyzers=args.analyzers).items

    outcomes = list(answered(list(_named(args.urls)), send))
    waiting = [item.id for _, item in outcomes if item.outcome == "duplicate" and item.id is not None]
    raised = {item.id: item for item in session.client.set_priority(waiting, 10).items} if waiting else {}
    for candidate, item in outcomes:
        report.take(candidate, item)
        if item.id not in raised:
            continue
        if item.state in ("completed", "failed", "cancelled"):
            session.complain(f"{item.id} is {item.state}; `tiktokctl requeue {item.id}` does it again")
        elif raised[item.id].outcome == "updated" and not session.json:
            session.say(escape(f"{'':9} {item.id} has priority 10 now"))
    return report.finish()


def _add_files(session: Session, args: argparse.Namespace) -> int:
    from tiktokd.client import Client

    candidates = list(_files(args.paths))
    report = Report(session, each=args.verbose or len(candidates) <= FEW)
    client = Client(session.client.socket_path, timeout_s=FILES_TIMEOUT_S)

    def send(texts: list[str]) -> "tuple[ItemOutcome, ...]":
        paths = [Path(text) for text in texts]
        return client.add_files(paths, priority=args.priority, analyzers=args.analyzers).items

    code = queue(session, candidates, send, report, batch=BATCH_FILES, total=len(candidates))
    _say_what_duplicates_keep(session, args, report)
    return _monitor(session, args, code)


def _refuse_unreadable(file: str) -> None:
    """Raise `ConfigError` for a file that cannot be read. It is not opened: a pipe can be opened only once."""
    from tiktokd.errors import ConfigError

    path = Path(file)
    if file == "-" or (path.exists() and not path.is_dir() and os.access(path, os.R_OK)):
        return
    why = "it is a directory" if path.is_dir() else "no permission" if path.exists() else "there is no such file"
    raise ConfigError(f"cannot read {file}: {why}; nothing was queued")


def _named(texts: Iterable[str]) -> Iterator[Candidate]:
    """Yield what the command line names; files and their ids with the verb that takes them."""
    for text in texts:
        problem = None
        if _FILE_ID.fullmatch(text):
            other = f"`tiktokctl set-priority 10 {text}` puts it first, `tiktokctl requeue {text}` does it again"
            problem = f"the id of a file and no URL: {other}"
        elif not text.isdecimal() and os.path.isfile(text):  # noqa: PTH113  a Path raises for a long name
            problem = f"a file and no URL: tiktokctl add-files {shlex.quote(text)}"
        yield Candidate(text, "", problem)


def _candidates(session: Session, args: argparse.Namespace) -> Iterator[Candidate]:
    yield from _named(args.urls)
    if not args.file:
        return
    from tiktokd import inputs

    for file in args.file:
        name, found = "stdin" if file == "-" else file, 0
        source = sys.stdin.buffer if file == "-" else Path(file)
        for line in inputs.read(source, name=name, column=args.column):
            found += 1
            yield Candidate(line.text, f"{name}:{line.number}", line.problem)
        if not found:
            session.complain(f"{name}: no URL and no id of a video in it")


def _files(arguments: list[str]) -> Iterator[Candidate]:
    """Yield absolute paths: files as named, directories' media files at any depth, matches of patterns."""
    for argument in arguments:
        path = at_home(argument)
        if not argument:  # a variable of a script that is not set; the empty path would be the whole directory
            found, problem = [], "an empty path"
        elif path.is_dir():
            found = [
                each for each in sorted(path.rglob("*")) if each.suffix.lower() in MEDIA_SUFFIXES and each.is_file()
            ]
            problem = f"no video files in it ({', '.join(sorted(MEDIA_SUFFIXES))})"
        elif not path.exists() and glob.has_magic(argument):
            matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
            found = [Path(match) for match in matches if Path(match).is_file()]
            problem = "no file matches"
        else:
            found, problem = [path], ""
        if not found:
            yield Candidate(argument, "", problem)
        yield from (_file(os.path.realpath(each)) for each in found)  # Path.resolve raises where links go in a circle


def _file(path: str) -> Candidate:
    shown = os.fsencode(path).decode("utf-8", "replace")
    if shown != path:  # JSON cannot say it, and the others of its batch would be refused with it
        return Candidate(shown, "", "the name of the file is not UTF-8; rename it")
    return Candidate(path, "")


def _monitor(session: Session, args: argparse.Namespace, code: int) -> int:
    """Open the monitor where -m asks for it, on the same daemon."""
    if not args.monitor:
        return code
    from tiktokd.cli import run
    from tiktokd.cli._parser import verbs

    if all(verb.name != "monitor" for verb in verbs()):
        session.complain("there is no monitor in this version; `tiktokctl status --watch` shows what is going on")
        return EXIT_PARTIAL
    return run(["--socket", str(session.client.socket_path), "monitor"]) or code


def _common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-p", "--priority", type=priority, default=5, metavar="1..10", help="10 is urgent (default 5)")
    parser.add_argument("-m", "--monitor", action="store_true", help="then open the monitor")
    _analyzers_argument(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="print every outcome, not only what is invalid")


def _analyzers_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--analyzers",
        type=names,
        metavar="A,B",
        help="run these and those that they read, by name or group; see `tiktokctl analyzers`",
    )


def _urls_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("urls", nargs="*", metavar="URL", help="a link in any form, a short link, or a video id")
    parser.add_argument(
        "-f", "--file", action="append", default=[], metavar="FILE", help="read them from a file; - is standard input"
    )
    parser.add_argument("--column", metavar="NAME", help="name or number of the column, where FILE is a table")
    _common_arguments(parser)


def _now_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("urls", nargs="+", metavar="URL", help="a link in any form, a short link, or a video id")
    _analyzers_argument(parser)


def _files_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, a directory, or a quoted pattern")
    _common_arguments(parser)


VERBS = (
    Verb(
        name="add-urls",
        aliases=("add",),
        section="Queue",
        title="Queue videos by URL",
        about="FILE may be plain text, CSV, TSV, JSON or JSONL, TikTok's own data export among them; the column or the "
        "fields with links are found. Every line is answered: added, duplicate, or invalid with the reason.",
        run=_add_urls,
        arguments=_urls_arguments,
        examples=(
            ("add-urls https://www.tiktok.com/@name/video/7212345678901234567", "one video"),
            ("add-urls -f urls.txt -p 8", "a file, before ordinary work"),
            ("add-urls -f table.csv --column link -m", "one column of a table; then watch"),
            ("add-urls -f - < urls.txt", "from standard input"),
        ),
    ),
    Verb(
        name="add-files",
        section="Queue",
        title="Queue video files that are already on this machine",
        about="The daemon reads each file where it lies; it is never moved or deleted. The id is `file-` and the first "
        "16 hex digits of its SHA-256, so the same file is queued once wherever it lies.",
        run=_add_files,
        arguments=_files_arguments,
        examples=(
            ("add-files clip.mp4", "one file"),
            ("add-files ~/videos", "every video below a directory"),
            ("add-files '~/videos/**/2026-*.mp4' -p 9", "a pattern, quoted so that the shell leaves it alone"),
        ),
    ),
    Verb(
        name="process-now",
        section="Queue",
        title="Queue videos with priority 10, or raise them to it",
        run=_process_now,
        arguments=_now_arguments,
        examples=(("process-now 7212345678901234567", "next in line"),),
    ),
)
