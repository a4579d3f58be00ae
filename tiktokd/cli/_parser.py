"""The command line: verbs to an argparse parser that teaches. Knows no verb by name."""

import argparse
import importlib
import pkgutil
from collections.abc import Iterable
from typing import get_args

from tiktokd import __version__
from tiktokd.cli._verb import Section, Verb

EXIT_CODES = """exit codes:
  0    done
  1    some lines were invalid, or something was not done; the rest was
  2    wrong arguments or configuration; nothing was done
  3    the time of --timeout is over
  4    the daemon is not running or may not be used by this user
  130  stopped with Ctrl-C"""


def verbs() -> tuple[Verb, ...]:
    """Return the verbs of every file in this package that does not start with `_`, in the order of the help."""
    package = importlib.import_module("tiktokd.cli")
    found: list[Verb] = []
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            found += importlib.import_module(f"tiktokd.cli.{module.name}").VERBS
    order = get_args(Section)
    return tuple(sorted(found, key=lambda verb: order.index(verb.section)))


def build(found: Iterable[Verb]) -> argparse.ArgumentParser:
    """Return the parser; `verb` of the result is the `Verb` that was named."""
    found = tuple(found)
    parser = argparse.ArgumentParser(
        prog="tiktokctl",
        usage="tiktokctl [--config FILE] [--socket PATH] VERB …",
        description="Feed and question tiktokd, the daemon that downloads and analyzes short videos.",
        epilog=f"{_overview(found)}\n\ntiktokctl VERB --help explains a verb with examples.\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tiktokctl {__version__}")
    _add_common(parser, default=None)
    children = parser.add_subparsers(
        prog="tiktokctl", dest="verb_name", metavar="VERB", required=True, help=argparse.SUPPRESS
    )
    for verb in found:
        _add_verb(children, verb)
    return parser


def _add_verb(children: "argparse._SubParsersAction[argparse.ArgumentParser]", verb: Verb) -> None:
    width = max(len(command) for command, _ in verb.examples)
    examples = "\n".join(f"  tiktokctl {command:{width}}   # {meaning}" for command, meaning in verb.examples)
    child = children.add_parser(
        verb.name,
        aliases=verb.aliases,
        description=f"{verb.title}. {verb.about}".strip(),
        epilog=f"examples:\n{examples}",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    verb.arguments(child)
    if verb.json:
        child.add_argument("--json", action="store_true", help="print JSON for scripts")
    # Also after the verb, where people write them; SUPPRESS keeps the one before the verb from being overwritten.
    _add_common(child, default=argparse.SUPPRESS)
    child.set_defaults(verb=verb)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Wraps the description, leaves the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def _add_common(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("--config", metavar="FILE", default=default, help="configuration file")
    parser.add_argument("--socket", metavar="PATH", default=default, help="the daemon's control socket")


def _overview(found: Iterable[Verb]) -> str:
    lines: list[str] = []
    section = ""
    for verb in found:
        if verb.section != section:
            section = verb.section
            lines.append(f"\n{section.lower()}:" if lines else f"{section.lower()}:")
        lines.append(f"  {', '.join((verb.name, *verb.aliases)):15} {verb.title}")
    return "\n".join(lines)
