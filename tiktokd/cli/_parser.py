"""The command line: verbs to an argparse parser that teaches. Knows no verb by name."""

import argparse
import difflib
import importlib
import pkgutil
import re
import shutil
from collections.abc import Iterable
from typing import Any, NoReturn, get_args

from tiktokd import __version__
from tiktokd.cli._verb import EXIT_USAGE, Section, Verb
from tiktokd.printable import escape

EXIT_CODES = """exit codes:
  0    done
  1    some lines were invalid, or something was not done; the rest was
  2    wrong arguments or configuration; nothing was done
  3    the time of --timeout or --stalled is over
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
    parser = _Parser(
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


def _add_verb(children: "argparse._SubParsersAction[_Parser]", verb: Verb) -> None:
    child = children.add_parser(
        verb.name,
        aliases=verb.aliases,
        description=f"{verb.title}. {verb.about}".strip(),
        epilog=f"examples:\n{_examples(verb, shutil.get_terminal_size().columns)}",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    verb.arguments(child)
    if verb.json:
        child.add_argument("--json", action="store_true", help="print JSON for scripts")
    # Also after the verb, where people write them; SUPPRESS keeps the one before the verb from being overwritten.
    _add_common(child, default=argparse.SUPPRESS)
    child.set_defaults(verb=verb)


def _examples(verb: Verb, columns: int) -> str:
    """Return the examples with what they do beside them, or above them where the terminal is too narrow."""
    width = max(len(command) for command, _ in verb.examples)
    lines = [f"  tiktokctl {command:{width}}   # {meaning}" for command, meaning in verb.examples]
    if max(map(len, lines)) < columns:
        return "\n".join(lines)
    return "\n\n".join(f"  # {meaning}\n  tiktokctl {command}" for command, meaning in verb.examples)


class _Parser(argparse.ArgumentParser):
    """Says in one or two lines what is wrong, and not first how everything is used."""

    def error(self, message: str) -> NoReturn:
        """End with what is wrong and where to read on."""
        message = re.sub(r"^argument VERB: |^argument ", "", message)
        message = re.sub(r"^the following arguments are required: (.*)", r"\1 is missing", message)
        self.exit(EXIT_USAGE, f"{self.prog}: {escape(message)}\nsee {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; what a verb does not know is its own error and not one of the program."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            child = self._child(found.verb_name)
            options = [flag for action in child._actions for flag in action.option_strings]
            if not unknown[0].startswith("-") and "-o" in options:
                child.error(f"to write into a file: -o {unknown[0]}")
            child.error(f"what is {unknown[0]}?{_nearest(unknown[0], options)}")
        return found, unknown

    def _child(self, verb: str) -> "_Parser":
        action = next(action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        child: _Parser = action.choices[verb]
        return child

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        words = [str(choice) for choice in action.choices]
        if isinstance(action, argparse._SubParsersAction):
            raise argparse.ArgumentError(action, f"there is no verb '{value}'.{_nearest(value, words)}")
        raise argparse.ArgumentError(action, f"'{value}' is none of {', '.join(words)}.{_nearest(value, words)}")


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return a question after the known word that looks most like this one; empty where none does."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""


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
