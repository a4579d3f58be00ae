"""Verbs about this installation: analyzers, config, completion."""

import argparse
import json
import re
from typing import Any

from tiktokd import paths
from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, Verb
from tiktokd.printable import escape

SHELLS = ("bash", "zsh", "fish")
_PASSWORD = re.compile(r"(?<=//)([^/@\s:]*):[^/@\s]*@")


def _analyzers(session: Session, _args: argparse.Namespace) -> int:
    found = session.client.analyzers()
    if session.json:
        session.dump(found)
        return EXIT_OK
    if not found:
        session.say("no worker is ready yet; try again in a moment")
        return EXIT_OK
    from rich import box
    from rich.table import Table
    from rich.text import Text

    styles = {"full": "green", "lite": "yellow", "none": "red"}
    table = Table("analyzer", "group", "tier", "question", "why not full", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in sorted(found, key=lambda one: (one["group"], one["name"])):
        tier = Text(each["tier"], styles.get(each["tier"], ""))
        table.add_row(each["name"], each["group"], tier, escape(each["title"]), escape(each["reason"] or ""))
    session.show(table)
    return EXIT_OK


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
    """Return a value as TOML; for what settings hold, that is JSON."""
    return json.dumps(value, ensure_ascii=False)


def _shell_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="which shell")


VERBS = (
    Verb(
        name="analyzers",
        section="Machine",
        title="Show what each analyzer can do on this machine, and what would make it do more",
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
