"""What every verb needs: the daemon, the terminal, the settings; each made when first asked for. Knows no verb."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiktokd import paths
from tiktokd.printable import escape

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tiktokd.client import Client
    from tiktokd.config import Config

PIPE_CHARS = 16 * 1024
WIDTH_WITHOUT_TERMINAL = 160
BAR_COLUMNS = 40
"""Characters per line in a file or a pipe, where nothing tells."""


class Session:
    """One run of `tiktokctl`."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.json: bool = getattr(args, "json", False)

    @cached_property
    def client(self) -> "Client":
        """The daemon."""
        from tiktokd.client import Client

        return Client(socket_path(self.args.socket, self.args.config))

    @cached_property
    def config(self) -> "Config":
        """The settings; loading them takes a fifth of a second, so only verbs that need them ask."""
        return settings(self.args.socket, self.args.config)

    @cached_property
    def console(self) -> "Console":
        """Standard output; colours where it is a terminal and NO_COLOR is not set."""
        return _console(stderr=False)

    @cached_property
    def errors(self) -> "Console":
        """Standard error, for progress and complaints."""
        return _console(stderr=True)

    def say(self, text: str) -> None:
        """Print a line that is ours; foreign parts have been escaped."""
        sys.stdout.write(text + "\n")

    def complain(self, text: str) -> None:
        """Print a line to standard error, made harmless."""
        sys.stdout.flush()  # so that the two streams keep their order where they meet
        sys.stderr.write(escape(text) + "\n")

    def show(self, renderable: "RenderableType") -> None:
        """Print a table or styled text; into a pipe without the blanks that fill a table's lines."""
        if self.console.is_terminal:
            self.console.print(renderable)
            return
        with self.console.capture() as captured:
            self.console.print(renderable)
        for line in captured.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")

    def dump(self, value: Any) -> None:
        """Print a value as JSON."""
        from tiktokd.client import as_json

        text = as_json(value)
        # In pieces: CPython 3.11 loses the error of one write that is larger than a pipe whose reader has gone.
        for start in range(0, len(text), PIPE_CHARS):
            sys.stdout.write(text[start : start + PIPE_CHARS])
        self.say("")

    @contextmanager
    def progress(self, title: str, total: float | None, *, of_bytes: bool = False) -> Iterator["Progress"]:
        """Yield a progress bar on standard error; silent where that is no terminal or --json was given."""
        if self.json or not sys.stderr.isatty():
            yield Progress(None)
            return
        from rich import progress as bars
        from rich.table import Column

        done = bars.DownloadColumn(binary_units=True) if of_bytes else bars.MofNCompleteColumn()
        bar = bars.BarColumn(None, table_column=Column(max_width=BAR_COLUMNS))  # narrower where the words need room
        columns: list[Any] = [bars.TextColumn("{task.description}", markup=False), bar, done]
        columns += [bars.TimeElapsedColumn(), bars.TimeRemainingColumn()]
        with bars.Progress(*columns, console=self.errors, transient=True) as shown:
            yield Progress((shown, shown.add_task(title, total=total)))


class Progress:
    """A bar, or nothing where nobody would see it."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def update(self, done: float, total: float | None = None, title: str | None = None) -> None:
        """Show how much is done."""
        if self._bar is not None:
            shown, task = self._bar
            changes = {"total": total, "description": title}
            shown.update(task, completed=done, **{key: value for key, value in changes.items() if value is not None})


def socket_path(option: str | None, config_file: str | None) -> Path:
    """Return the control socket: the option, else what the configuration and the environment say.

    Reads the one table that matters, and not the whole configuration, because that would load pydantic.
    """
    if option:
        return paths.at_home(option).absolute()
    table = _daemon_table(Path(config_file) if config_file else paths.standard_file())
    for key in ("runtime_dir", "state_dir"):
        table[key] = os.environ.get(f"TIKTOKD_DAEMON__{key.upper()}", table.get(key, ""))
    found = paths.socket_path(table)
    # An operator's shell has other XDG directories than the system's daemon.
    if config_file is None and not paths.is_there(found) and paths.is_there(paths.SYSTEM_SOCKET):
        return paths.SYSTEM_SOCKET
    return found


def settings(socket_option: str | None, config_file: str | None) -> "Config":
    """Return the settings of the daemon that is talked to; of the system's, also its directories."""
    from tiktokd.config import load

    if config_file is None:
        os.environ |= paths.environment_of(socket_path(socket_option, None), os.environ)
    return load(Path(config_file) if config_file else None)


def _daemon_table(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    import tomllib

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("daemon", {})
    except (OSError, ValueError):
        table = None
    if not isinstance(table, Mapping) or not all(isinstance(value, str | int | float) for value in table.values()):
        from tiktokd.config import load

        load(file)  # says everything that is wrong with the file
        return {}
    return {key: str(value) for key, value in table.items()}


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)
