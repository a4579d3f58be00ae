"""Completion scripts, generated from the parser so that they never lag behind it. Knows no verb by name."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tiktokd.cli._verb import Verb

FILES = ("FILE", "PATH")
"""Metavars whose values are files."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option, or (without flags) the positional arguments."""

    flags: tuple[str, ...]
    help: str
    choices: tuple[str, ...]
    takes_value: bool
    is_file: bool
    repeats: bool
    """It takes any number of values."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One verb under all its names."""

    names: tuple[str, ...]
    title: str
    options: tuple[Option, ...]

    @property
    def flags(self) -> list[str]:
        """Every option."""
        return [flag for option in self.options for flag in option.flags]

    @property
    def values(self) -> list[str]:
        """The values of positional arguments, where they are known."""
        return [value for option in self.options if not option.flags for value in option.choices]


def script(shell: str, parser: argparse.ArgumentParser, verbs: Iterable[Verb]) -> str:
    """Return the script for bash, zsh or fish."""
    children = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    entries = [
        Entry((verb.name, *verb.aliases), verb.title, tuple(_options(children.choices[verb.name]))) for verb in verbs
    ]
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](entries)


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        yield Option(
            flags=tuple(action.option_strings),
            help=(action.help or "").replace("%%", "%"),
            choices=tuple(str(choice) for choice in action.choices or ()),
            takes_value=action.nargs != 0,
            is_file=metavar in FILES,
            repeats=action.nargs in ("*", "+"),
        )


def _bash(entries: list[Entry]) -> str:
    values, words = [], []
    for entry in entries:
        pattern = "|".join(entry.names)
        words.append(f'    {pattern}) flags="{" ".join(entry.flags)}" words="{" ".join(entry.values)}" ;;')
        for option in entry.options:
            if option.flags and option.takes_value:
                cases = "|".join(f"{name}:{flag}" for name in entry.names for flag in option.flags)
                known = f'-W "{" ".join(option.choices)}"' if option.choices else "-f" if option.is_file else '-W ""'
                values.append(f'    {cases}) COMPREPLY=($(compgen {known} -- "$cur")); return ;;')
    verbs = " ".join(name for entry in entries for name in entry.names)
    return "\n".join(
        [
            "# bash completion for tiktokctl, made by `tiktokctl completion bash`",
            "_tiktokctl() {",
            '  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb="" words i',
            "  for ((i = 1; i < COMP_CWORD; i++)); do",
            "    case ${COMP_WORDS[i]} in",
            "      --config|--socket) ((i++)) ;;",
            "      -*) ;;",
            "      *) verb=${COMP_WORDS[i]}; break ;;",
            "    esac",
            "  done",
            '  case "$verb:$prev" in',
            '    :--config|:--socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;',
            *values,
            "  esac",
            '  case "$verb" in',
            f'    "") flags="--config --socket --help --version" words="{verbs}" ;;',
            *words,
            "  esac",
            "  [[ $cur == -* ]] && words=$flags",
            '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
            "}",
            "complete -o default -F _tiktokctl tiktokctl",
        ]
    )


def _zsh(entries: list[Entry]) -> str:
    verbs = [f"    {_quoted(f'{name}:{entry.title}')}" for entry in entries for name in entry.names]
    cases = []
    for entry in entries:
        specs = [f"        {_quoted(spec)}" for spec in _zsh_specs(entry.options)]
        cases += [f"      {'|'.join(entry.names)})", "        _arguments \\", " \\\n".join(specs), "        ;;"]
    return "\n".join(
        [
            "#compdef tiktokctl",
            "# zsh completion for tiktokctl, made by `tiktokctl completion zsh`",
            "_tiktokctl() {",
            "  local context state state_descr line",
            "  typeset -A opt_args",
            "  local -a verbs",
            "  verbs=(",
            *verbs,
            "  )",
            "  _arguments -C '--config[configuration file]:file:_files' '--socket[control socket]:file:_files' \\",
            "    '--help[show the verbs]' '--version[show the version]' '1:verb:->verb' '*::argument:->rest'",
            "  case $state in",
            "    verb) _describe verb verbs ;;",
            "    rest) case $line[1] in",
            *cases,
            "    esac ;;",
            "  esac",
            "}",
            'if [ "$funcstack[1]" = _tiktokctl ]; then _tiktokctl "$@"; else compdef _tiktokctl tiktokctl; fi',
        ]
    )


def _zsh_specs(options: Iterable[Option]) -> Iterator[str]:
    """Yield the arguments of `_arguments`: options by name, the others by their place; only the last may repeat."""
    place = 0
    for option in options:
        action = f"({' '.join(option.choices)})" if option.choices else "_files" if option.is_file else "()"
        text = option.help.replace("[", "(").replace("]", ")").replace(":", " -")
        for flag in option.flags:
            yield f"{flag}[{text}]" + (f":value:{action}" if option.takes_value else "")
        if not option.flags:
            place += 1
            yield f"{'*' if option.repeats else place}:argument:{action}"


FISH = """# fish completion for tiktokctl, made by `tiktokctl completion fish`
function __tiktokctl_verb -d 'Whether the verb is one of the arguments; without arguments, whether there is none yet'
    set -l words (commandline -opc)[2..]
    while string match -q -- '-*' $words[1]
        contains -- $words[1] --config --socket; and set -e words[1]
        set -e words[1]
    end
    if set -q argv[1]
        contains -- "$words[1]" $argv
    else
        not set -q words[1]
    end
end
complete -c tiktokctl -f
complete -c tiktokctl -n __tiktokctl_verb -l config -r -F -d 'configuration file'
complete -c tiktokctl -n __tiktokctl_verb -l socket -r -F -d 'control socket'
complete -c tiktokctl -n __tiktokctl_verb -l help -d 'show the verbs'
complete -c tiktokctl -n __tiktokctl_verb -l version -d 'show the version'"""


def _fish(entries: list[Entry]) -> str:
    lines = [FISH]
    for entry in entries:
        lines += [
            f"complete -c tiktokctl -n __tiktokctl_verb -a {name} -d {_quoted(entry.title)}" for name in entry.names
        ]
        seen = f"-n '__tiktokctl_verb {' '.join(entry.names)}'"
        lines += [f"complete -c tiktokctl {seen} {_fish_rest(option)}" for option in entry.options]
    return "\n".join(lines)


def _fish_rest(option: Option) -> str:
    flags = [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags]
    values = f"-a {_quoted(' '.join(option.choices))}" if option.choices else ""
    kind = "-F" if option.is_file else ""
    needs = ("-r" if option.is_file else "-x") if option.flags and option.takes_value else ""
    return " ".join(part for part in (*flags, needs, kind, values, f"-d {_quoted(option.help)}") if part)


def _quoted(text: str) -> str:
    """Return text in single quotes for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
