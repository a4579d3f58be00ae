"""Verbs about this installation: analyzers, config, completion."""

import argparse
import json
import re
from collections.abc import Iterable
from typing import Any

from tiktokd import paths
from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, Verb
from tiktokd.printable import escape

SHELLS = ("bash", "zsh", "fish")
TIER_STYLES = {"full": "green", "lite": "yellow", "none": "red"}
_MODEL = re.compile(r"(\S+/\S+) \([^)]*\) is not on this machine")
"""How `graph.missing` begins; a test compares the two."""
_PASSWORD = re.compile(r"(?<=//)([^/@\s:]*):\S*@")
"""To the last @: a password may hold the other characters of a URL where nobody has escaped them."""


def _analyzers(session: Session, _args: argparse.Namespace) -> int:
    found = session.client.analyzers()
    if session.json:
        session.dump(found)
        return EXIT_OK
    if not found:
        session.say("no worker is ready yet; try again in a moment")
        return EXIT_OK
    from rich.text import Text

    from tiktokd.cli._table import Column, fitting

    columns = (
        Column("analyzer"), Column("tier"), Column("cost", 2, right=True), Column("group", 4), Column("runs on", 6),
        Column("lacks", 1, shortens=True), Column("question", 3, shortens=True), Column("encoders", 5, shortens=True),
    )  # fmt: skip
    rows: list[tuple[str | Text, ...]] = []
    for each in sorted(found, key=lambda one: (one["group"], one["name"])):
        standing = each["tier"] if each["enabled"] else "off"
        tier = Text(standing, TIER_STYLES.get(standing, "dim"))
        place = "any machine" if each["lightweight"] else "GPU"
        texts = (
            _cost(each["cost_ms"]),
            each["group"],
            place,
            _lacking(each["reason"] or ""),
            each["title"],
            ", ".join(each["encoders"]),
        )
        rows.append((escape(each["name"]), tier, *map(escape, texts)))
    session.show(fitting(columns, rows, session.console.width))
    session.show(f"\n{_cost_note(each['cost_ms'] for each in found)}")
    if not all(each["enabled"] for each in found):
        session.show(
            "\noff: neither in analysis.analyzers nor read by one that is; `add-urls --analyzers NAME` runs it for the "
            "videos added"
        )
    if any(each["tier"] != "full" for each in found):
        session.show(
            "\nlite: without what it lacks; none: skipped. `tiktokctl models pull NAME` fetches what an analyzer "
            "lacks, NAME may be the analyzer; `tiktokctl models list` shows licences and sizes"
        )
    return EXIT_OK


def _cost(ms: float | None) -> str:
    if ms is None:
        return ""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _cost_note(costs: Iterable[float | None]) -> str:
    """Return what the column of costs is, which is not there before the first video."""
    if all(cost is None for cost in costs):
        return "cost: measured on this machine, and shown once a video has been analyzed"
    return "cost: mean time per video on this machine, with its encoders; shared ones run once, count for each"


def _lacking(reason: str) -> str:
    """Return the model that a reason names, or the reason."""
    model = _MODEL.match(reason)
    return model[1] if model else reason


def _config(session: Session, args: argparse.Namespace) -> int:
    config = session.config
    source = args.config or paths.standard_file()
    tables = {name: _masked(getattr(config, name).model_dump(mode="json")) for name in type(config).model_fields}
    places = {
        "state_dir": config.state_dir,
        "runtime_dir": config.runtime_dir,
        "log_dir": config.log_dir,
        "models_dir": config.models_dir,
        "socket": config.socket_path,
    }
    if session.json:
        resolved = {name: str(path) for name, path in places.items()}
        session.dump({"file": str(source) if source else None, "settings": tables, "places": resolved})
        return EXIT_OK
    session.say(f"# settings from {source or 'the defaults: there is no configuration file'}, and the environment")
    for name, table in tables.items():
        session.say(f"\n[{name}]")
        for key, value in table.items():
            session.say(f"{key} = {_toml(value)}")
    session.say("\n# what follows from them")
    for name, path in places.items():
        session.say(f"# {name:11} {escape(str(path))}")
    return EXIT_OK


def _completion(session: Session, args: argparse.Namespace) -> int:
    from tiktokd.cli import _completion as scripts
    from tiktokd.cli._parser import build, verbs

    found = verbs()
    session.say(scripts.script(args.shell, build(found), found))
    return EXIT_OK


def _masked(table: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with passwords inside URLs hidden: people paste this output into bug reports."""
    return {
        key: _PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) and "://" in value else value
        for key, value in table.items()
    }


def _toml(value: Any) -> str:
    """Return a value as TOML; for what settings hold, that is JSON, but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _shell_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="which shell")


VERBS = (
    Verb(
        name="analyzers",
        section="Machine",
        title="Show what each analyzer can do here, and what it lacks",
        run=_analyzers,
        examples=(("analyzers", "tiers and reasons"),),
    ),
    Verb(
        name="config",
        section="Machine",
        title="Show the settings in force and where things live",
        run=_config,
        examples=(("config", "as TOML"), ("config --json | jq .places", "directories and the socket")),
    ),
    Verb(
        name="completion",
        section="Machine",
        title="Print the completion script of a shell",
        run=_completion,
        arguments=_shell_argument,
        json=False,
        examples=(
            ("completion bash > ~/.local/share/bash-completion/completions/tiktokctl", "bash"),
            ("completion zsh > ~/.zfunc/_tiktokctl", "zsh, with ~/.zfunc in fpath"),
            ("completion fish > ~/.config/fish/completions/tiktokctl.fish", "fish"),
        ),
    ),
)
