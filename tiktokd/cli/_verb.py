"""What a verb of `tiktokctl` is: a value at the end of a file of this package. Knows no daemon.

Adding a file with `VERBS = (Verb(…), …)` adds its verbs; no list is kept anywhere. All these files are imported on
every start, so they import only the standard library's light modules at the top, and the rest inside `run`.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tiktokd.cli._session import Session

EXIT_OK = 0
EXIT_PARTIAL = 1
"""Some lines were invalid, or something was not done; the rest was."""
EXIT_USAGE = 2
"""Wrong arguments or configuration; nothing was done."""
EXIT_TIMEOUT = 3
EXIT_UNREACHABLE = 4
"""The daemon is not running, or this user may not talk to it."""
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""The reader of the output has gone: what a shell reports for SIGPIPE."""

Section = Literal["Queue", "Look", "Steer", "Results", "Machine"]
PRIORITIES = range(1, 11)
SECONDS_MAX = 1e9
"""30 years; the system's clock cannot wait for much more."""
STATES = ("pending", "downloading", "downloaded", "processing", "completed", "failed", "cancelled")
"""As in `model.State`, which loads pydantic; a test compares the two."""


def _nothing(_parser: argparse.ArgumentParser) -> None:
    """Add no arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb."""

    name: str
    section: Section
    title: str
    """One line for the list of verbs."""
    run: "Callable[[Session, argparse.Namespace], int]"
    """Does it and returns the exit code."""
    examples: tuple[tuple[str, str], ...]
    """Command line without the program's name, and what it does."""
    arguments: Callable[[argparse.ArgumentParser], None] = _nothing
    about: str = ""
    """A few more sentences for --help."""
    aliases: tuple[str, ...] = ()
    json: bool = True
    """It prints something that scripts may want: gets --json."""


def priority(text: str) -> int:
    """Return a priority for argparse."""
    if not text.isdecimal() or int(text) not in PRIORITIES:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 (low) to 10 (urgent)")
    return int(text)


def positive(text: str) -> float:
    """Return a positive number of seconds for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number of at most {SECONDS_MAX:g}")
    return value


def days(text: str) -> int:
    """Return a whole number of days, 0 included, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of days")
    return int(text)


def count(text: str) -> int:
    """Return a whole number of at least 1 for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def names(text: str) -> list[str]:
    """Return a comma-separated list for argparse."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' names nothing; several names are separated by commas")
    return found
