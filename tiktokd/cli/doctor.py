"""The verb that looks for trouble and says what to do: doctor. Works whether the daemon runs or not."""

import argparse
from dataclasses import asdict

from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, EXIT_PARTIAL, Verb

WORDS = {"ok": "ok", "warn": "warn", "fail": "FAIL"}


def _doctor(session: Session, args: argparse.Namespace) -> int:
    from tiktokd.cli import _checks

    found = _checks.all_checks(config_file=args.config, socket_option=args.socket)
    failed = any(check.level == "fail" for check in found)
    if session.json:
        session.dump([asdict(check) for check in found])
        return EXIT_PARTIAL if failed else EXIT_OK
    from rich.table import Table
    from rich.text import Text

    from tiktokd.cli._format import STATUS_STYLES
    from tiktokd.printable import escape

    table = Table.grid(padding=(0, 2))
    for check in found:
        text = "\n".join(map(escape, check.found.splitlines()))
        if check.advice:
            text += f"\n→ {escape(check.advice)}"
        table.add_row(Text(WORDS[check.level], STATUS_STYLES[check.level]), check.name, Text(text))
    session.show(table)
    return EXIT_PARTIAL if failed else EXIT_OK


VERBS = (
    Verb(
        name="doctor",
        section="Machine",
        title="Check this machine for everything that tiktokd needs",
        about="Exit code 1 where something fails; warnings do not change it.",
        run=_doctor,
        examples=(("doctor", "every check and what to do"), ("doctor --json", "for monitoring")),
    ),
)
