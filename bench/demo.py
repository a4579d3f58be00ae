"""`make run`: the whole of tiktokd on a private state directory, from sample clips (or URLs) to results.json.

Starts the daemon, queues the videos, shows progress, prints what was found, writes the export, stops the daemon.
Nothing outside the private directory and results.json is touched, and the directory is removed at the end.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import samples
from tiktokd.cli._readable import reading
from tiktokd.printable import escape, shortened

BIN = Path(sys.executable).parent
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 90.0
SIGNS = {"ok": ("✓", "green"), "partial": ("◐", "yellow"), "skipped": ("–", "dim"), "error": ("✗", "bold red")}
"""Status → sign and colour; the word stands beside it, so colour is never the only signal."""


def main() -> int:
    """Run the demonstration; the exit status is 0 when every video ended completed."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--urls", type=Path, help="text, CSV or JSON file with TikTok URLs instead of sample clips")
    parser.add_argument("--output", type=Path, default=Path("results.json"))
    parser.add_argument("--clips", type=int, default=3, help="number of sample clips to make")
    parser.add_argument(
        "--stalled", type=float, default=60.0, metavar="S",
        help="end when something is in the way (no network, a full disk) and no video has got further for S seconds",
    )  # fmt: skip
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    if args.urls and not args.urls.is_file():
        console.print(Text(f"error: there is no file {args.urls}"))
        return 2
    for sign in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: the daemon and the directory must not outlive us
        signal.signal(sign, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tiktokd-run-") as private:
        environment = private_environment(Path(private))
        try:
            with daemon(environment, Path(private), console):
                return analyze(args, environment, Path(private), console)
        except KeyboardInterrupt:
            console.print("\nstopped; the private state directory is gone, nothing else was touched")
            return 130


def private_environment(directory: Path) -> dict[str, str]:
    """Return an environment in which both programs keep everything below `directory`."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_DIRECTORY") or not k.isupper()}
    return kept | {
        "TIKTOKD_DAEMON__STATE_DIR": str(directory / "state"),
        "TIKTOKD_DAEMON__RUNTIME_DIR": str(directory / "run"),
        "TIKTOKD_DAEMON__LOG_DIR": str(directory / "log"),
        "TIKTOKD_DAEMON__DRAIN_TIMEOUT_S": "2",  # what is in hand at the end is thrown away with the directory
        # Not the database and the port of a daemon that this user's settings belong to.
        "TIKTOKD_DATABASE__URL": "",
        "TIKTOKD_HTTP__LISTEN": "",
    }


@contextmanager
def daemon(environment: dict[str, str], directory: Path, console: Console) -> Iterator[None]:
    """Run the daemon for the length of the block; it is asked to drain at the end."""
    started = time.monotonic()
    with (directory / "daemon.out").open("wb") as out:
        process = subprocess.Popen([BIN / "tiktokd"], env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_for_socket(process, directory)
        console.print(f"[bold]tiktokd[/] is ready after {time.monotonic() - started:.1f} s (pid {process.pid})")
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        console.print(f"tiktokd has stopped (exit status {process.returncode})")


def _wait_for_socket(process: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not (directory / "run" / "tiktokd.sock").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("tiktokd did not start:\n" + (directory / "daemon.out").read_text(errors="replace"))
        time.sleep(0.05)


def analyze(args: argparse.Namespace, environment: dict[str, str], directory: Path, console: Console) -> int:
    """Queue, wait, export and print."""
    if args.urls:
        control(environment, "add-urls", "-f", str(args.urls))
    else:
        console.print(f"making {args.clips} sample clips …")
        clips = samples.make(directory / "clips", count=args.clips)
        control(environment, "add-files", *map(str, clips))
    if json.loads(control(environment, "list", "--json", stdout=subprocess.PIPE)) == []:
        console.print(Text(f"there is nothing to analyze; {args.output} is left as it was"))
        return 1
    started = time.monotonic()
    control(environment, "wait", "--stalled", str(args.stalled))
    took_s = time.monotonic() - started
    control(environment, "export", "-o", str(args.output))
    videos = json.loads(args.output.read_text())["videos"]
    for video in videos:
        show(video, console)
    done = sum(video["state"] == "completed" for video in videos)
    console.print(
        f"[bold]{done} of {len(videos)} videos completed[/] in {took_s:.1f} s; everything is in [bold]{args.output}[/]"
    )
    return 0 if videos and done == len(videos) else 1


def control(environment: dict[str, str], *words: str, stdout: int | None = None) -> bytes:
    """Run tiktokctl as a user would, who sees what it prints; with `stdout` a pipe, return it instead."""
    return subprocess.run([BIN / "tiktokctl", *words], env=environment, check=False, stdout=stdout).stdout


def show(video: dict[str, Any], console: Console) -> None:
    """Print one video: a row per analyzer with its status and what it found."""
    name = video["url"].rpartition("/")[2] if video["url"].startswith("file:") else video["url"]
    error = f": {video['error']['message']}" if video["error"] else ""
    title = Text(escape(f"{name} · {video['state']}{error}"))
    if not video["analysis"]:
        console.print(title)
        return
    table = Table(title=title, title_justify="left", expand=True)
    table.add_column("analyzer", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("found", ratio=1)
    for analyzer, envelope in sorted(video["analysis"].items()):
        sign, colour = SIGNS[envelope["status"]]
        table.add_row(analyzer, Text(f"{sign} {envelope['status']}", style=colour), Text(escape(finding(envelope))))
    console.print(table)


def finding(envelope: dict[str, Any], width: int = 150) -> str:
    """Return the summary in one line as `tiktokctl show` words it, or the reason why there is none."""
    if envelope["status"] in ("skipped", "error"):
        return " · ".join(str(part) for part in (envelope["reason"], envelope["message"]) if part)
    found = reading(envelope["summary"])
    lists = (f"{name}: {', '.join(map(str, entries))}" for name, entries in found.lists)
    return shortened(" · ".join((*lists, *found.facts)) or "nothing stands out", width)


if __name__ == "__main__":
    sys.exit(main())
