"""The verb that shows the log files: logs. Works without the daemon."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tiktokd import paths
from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, EXIT_PARTIAL, EXIT_UNREACHABLE, Verb, count
from tiktokd.printable import escape

POLL_S = 0.25
TAIL_BYTES = 1024
"""Bytes read from the end per line that is wanted; lines are about 150 bytes, tracebacks more."""

_LINE = re.compile(r"(\S+Z) ([A-Z]+) +(\S+) \[([^\]]*)\] (.*)")
"""As `log.LineFormatter` writes it."""


def _logs(session: Session, args: argparse.Namespace) -> int:
    directory = session.config.log_dir
    if paths.is_there(directory) and not os.access(directory, os.R_OK | os.X_OK):
        session.complain(f"no permission to read {directory}; use sudo")
        return EXIT_UNREACHABLE
    files = sorted(directory.glob("*.log"))
    if args.worker:
        files = [file for file in files if file.stem == args.worker.removesuffix(".log")]
    if not files:
        there = ", ".join(sorted(file.stem for file in directory.glob("*.log"))) or "none"
        wanted = f"no log {args.worker}" if args.worker else "no logs"
        session.complain(f"{wanted} in {directory}; there are: {there}")
        return EXIT_PARTIAL
    tails = {file: _tail(file, args.lines) for file in files}
    lines = [line for entries, _ in tails.values() for line in entries]
    # Lines begin with the time, so sorting them merges the files; a traceback stays with its line.
    for line in sorted(lines, key=lambda entry: entry[0])[-args.lines :]:
        session.say(_as_json(line) if session.json else "\n".join(line))
    if args.follow:
        sys.stdout.flush()
        for text in _follow({file: end for file, (_, end) in tails.items()}):
            session.say(_as_json([text]) if session.json else text)
            sys.stdout.flush()
    return EXIT_OK


def _as_json(entry: list[str]) -> str:
    """Return a line of a log and the indented ones below it as one JSON object; one of another form as a message."""
    match = _LINE.fullmatch(entry[0])
    at, level, process, video, message = match.groups() if match else (None, None, None, None, entry[0].strip())
    fields = {"at": at, "level": level, "process": process, "video": None if video == "-" else video}
    return json.dumps({**fields, "message": message, "more": [line.strip() for line in entry[1:]]}, ensure_ascii=False)


def _tail(file: Path, wanted: int) -> tuple[list[list[str]], int]:
    """Return the last entries of a file, each as its line and the indented ones below it, and where they end."""
    with file.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        start = max(0, end - wanted * TAIL_BYTES)
        stream.seek(start)
        data = stream.read()
    texts = data.decode("utf-8", "replace").splitlines()
    entries: list[list[str]] = []
    for text in texts[1 if start else 0 :]:
        if text.startswith("  ") and entries:
            entries[-1].append(escape(text))
        else:
            entries.append([escape(text)])
    return entries[-wanted:], start + len(data)


def _follow(ends: dict[Path, int]) -> Iterator[str]:
    """Yield the lines after these places in the files, for ever and over rotations."""
    streams = {file: _open(file, end) for file, end in ends.items()}
    while True:
        quiet = True
        for file, stream in streams.items():
            while line := stream.readline():
                quiet = False
                yield escape(line.rstrip("\n"))
            if _rotated(file, stream):
                stream.close()
                streams[file] = _open(file, 0)
        if quiet:
            time.sleep(POLL_S)


def _open(file: Path, place: int) -> IO[str]:
    stream = file.open(encoding="utf-8", errors="replace")
    stream.seek(place)
    return stream


def _rotated(file: Path, stream: IO[str]) -> bool:
    try:
        return file.stat().st_ino != os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:  # between the rename and the new file
        return False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("worker", nargs="?", metavar="WORKER", help="tiktokd, download_worker_0, cpu_worker_0, …; all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("-n", "--lines", type=count, default=50, metavar="N", help="the last N lines (default 50)")


VERBS = (
    Verb(
        name="logs",
        section="Machine",
        title="Show the logs of the daemon and its workers",
        run=_logs,
        arguments=_arguments,
        examples=(
            ("logs", "the last lines of all, merged by time"),
            ("logs cpu_worker_0 -f", "one worker, as it happens"),
            ("logs -f --json | jq 'select(.level == \"ERROR\")'", "one JSON object per line"),
            ("logs -n 1000 | grep 7212345678901234567", "everything about one video"),
        ),
    ),
)
