"""`tiktokctl`: words from the command line to verbs, errors to one line and an exit code. Knows no verb by name."""

import codecs
import os
import signal
import sys
from collections.abc import Sequence

from tiktokd.cli._verb import (
    EXIT_BROKEN_PIPE,
    EXIT_INTERRUPTED,
    EXIT_PARTIAL,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
)
from tiktokd.errors import ConfigError, TiktokdError
from tiktokd.printable import escape

PLAIN = dict(zip("█▉▊▋▌▍▎▏│─━╺╸·…“”×→✓✗–▁▂▃▄▅▆▇", '########|----..""x>+x-_.,:;=*', strict=True))
"""What our own bars, lines and signs look like where the encoding lacks them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return the exit code; `None` takes the process's own."""
    # Text that the terminal's encoding lacks must not end a listing of 1000 videos.
    codecs.register_error("tiktokctl", _in_plain_characters)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by `tiktokctl … >&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123  lives as long as the process
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="tiktokctl")
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        # A second Ctrl-C while Python winds down must not print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # `tiktokctl list | head`: nobody reads any more. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    return code


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    """Stand in for what a terminal without Unicode lacks: bars and lines by a character each, the rest by its code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in missing), error.end


def run(arguments: Sequence[str]) -> int:
    """Run one command line; what is known to go wrong becomes one line on standard error."""
    from tiktokd.cli._parser import build, verbs
    from tiktokd.cli._session import Session

    # A bare `tiktokctl` asks what there is.
    args = build(verbs()).parse_args(arguments or ["--help"])
    try:
        code: int = args.verb.run(Session(args), args)
    except TiktokdError as exc:
        sys.stdout.flush()
        message = "\n".join(escape(line) for line in str(exc).splitlines())
        sys.stderr.write(f"tiktokctl: {message}\n")
        return _code_of(exc)
    except OSError as exc:
        if isinstance(exc, BrokenPipeError):
            raise
        what = f"{exc.filename}: {exc.strerror}" if exc.filename and exc.strerror else str(exc)
        sys.stderr.write(f"tiktokctl: {escape(what)}\n")
        return EXIT_UNREACHABLE if isinstance(exc, PermissionError) else EXIT_PARTIAL
    return code


def _code_of(error: TiktokdError) -> int:
    from tiktokd.client import Refused, Unreachable

    if isinstance(error, Unreachable):
        return EXIT_UNREACHABLE
    if isinstance(error, ConfigError) or (isinstance(error, Refused) and error.status in (400, 413)):
        return EXIT_USAGE
    return EXIT_UNREACHABLE if isinstance(error, Refused) and error.status in (401, 403) else EXIT_PARTIAL
