"""Whether settings that are well-formed can work on this machine: what the daemon asks before it starts, and `doctor`.

Imports plug-ins only where the settings name models or groups, or where a user has data files.
"""

import os

from tiktokd import datafiles, graph, paths, selection
from tiktokd.config import Config, InvalidSettings
from tiktokd.errors import ConfigError
from tiktokd.paths import SOCKET_PATH_MAX_BYTES


def check(settings: Config, *, data_files: bool = True) -> None:
    """Refuse settings that cannot work on this machine.

    Args:
        data_files: also the user's own lists, prompts and taxonomies, which another user may not be able to read.

    Raises:
        ConfigError: with every problem.
    """
    if found := problems(settings, data_files=data_files):
        raise ConfigError("\n".join(found))


def with_the_rest(refusal: InvalidSettings) -> ConfigError:
    """Return what is wrong with settings that are not well-formed, together with what the others cannot do here."""
    try:
        more = problems(refusal.rest, data_files=not datafiles.unreadable(refusal.rest.data_dir))
    except ConfigError as exc:  # a directory that cannot be told
        more = [str(exc)]
    return InvalidSettings([*refusal.problems, *more], refusal.source, refusal.rest)


def problems(settings: Config, *, data_files: bool = True) -> list[str]:
    """Return everything that keeps well-formed settings from working on this machine."""
    own = datafiles.problems(settings.data_dir) if data_files else []
    found = [f"analysis.data_dir: {each}" for each in own]
    if settings.analysis.data_dir and not paths.is_there(settings.data_dir):
        found.append(f"analysis.data_dir: there is no directory {settings.data_dir}")
    try:
        selection.check(settings.analysis.analyzers)
    except ConfigError as exc:
        found.append(f"analysis.analyzers: {exc}")
    if settings.analysis.models:
        try:
            graph.own_models(settings.analysis.models, graph.load())
        except ConfigError as exc:
            found.append(str(exc))
    length = len(os.fsencode(settings.socket_path))
    if length > SOCKET_PATH_MAX_BYTES:
        found.append(
            f"daemon.runtime_dir: the socket {settings.socket_path} has {length} bytes and Unix allows "
            f"{SOCKET_PATH_MAX_BYTES}; choose a shorter directory"
        )
    return found
