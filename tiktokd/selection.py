"""Which analyzers are meant by words: their names, their groups, or all. Imports a plug-in only where a group asks."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from tiktokd import plugins
from tiktokd.errors import ConfigError
from tiktokd.likeness import meant

ALL = "all"
GROUPS = ("video", "audio", "text", "fusion", "metadata")


def check(words: Iterable[str]) -> None:
    """Raise `ConfigError` that names every word which is neither an analyzer nor a group, and what was meant."""
    known = plugins.names("tiktokd.analyzers")
    able = (ALL, *GROUPS, *known)
    wrong = [word for word in dict.fromkeys(words) if word not in able]
    if wrong:
        raise ConfigError("; ".join(f'"{word}" is no analyzer; {meant(word, able)}' for word in wrong))


def expand(words: Sequence[str]) -> tuple[str, ...]:
    """Return the names that the words mean, each once; raises `ConfigError` where one means nothing."""
    check(words)
    known = plugins.names("tiktokd.analyzers")
    if set(words) <= set(known):
        return tuple(dict.fromkeys(words))
    if ALL in words:
        return tuple(known)
    return select(words, {name: plugins.analyzer(name).group for name in known})


def select(words: Iterable[str], groups: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names, sorted, that words mean.

    Args:
        words: names, groups, "all".
        groups: name → group of every analyzer that may be meant.
    """
    chosen = set(words)
    return tuple(sorted(name for name, group in groups.items() if chosen & {ALL, name, group}))


def with_read(names: Iterable[str], reads: Mapping[str, Sequence[str]], there: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names and those of the analyzers whose outputs they read, each after what it reads.

    Args:
        names: what is asked for; a name that is not in `reads` is left out.
        reads: analyzer → those that it reads.
        there: those whose outputs can be read as they are. They are left out unless somebody asks for them, or they
            read one that is neither asked for nor there.
    """
    asked, found = tuple(names), dict[str, None]()

    def lacks(name: str) -> bool:
        return name not in there or any(lacks(earlier) for earlier in reads.get(name, ()) if earlier not in asked)

    def visit(name: str) -> None:
        if name in found or name not in reads:
            return
        for earlier in reads[name]:
            if earlier in asked or lacks(earlier):
                visit(earlier)
        found[name] = None

    for name in asked:
        visit(name)
    return tuple(found)
