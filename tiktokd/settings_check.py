"""Whether settings that are well-formed can work on this machine: what the daemon asks before it starts, and `doctor`.

Imports plug-ins only where the settings name models or groups, or where a user has data files.
"""

import os

from tiktokd import datafiles, graph, paths, selection
from tiktokd.config import Config
from tiktokd.errors import ConfigError
from tiktokd.paths import SOCKET_PATH_MAX_BYTES


def check(settings: Config, *, data_files: bool = True) -> None:
    """Refuse settings that cannot work on this machine.

    Args:
        data_files: also the user's own lists, prompts and taxonomies, which another user may not be able to read.

    Raises:
        ConfigError: with every problem.
    """
    own = datafiles.problems(settings.data_dir) if data_files else []
    problems = [f"analysis.data_dir: {each}" for each in own]
    if settings.analysis.data_dir and not paths.is_there(settings.data_dir):
        problems.append(f"analysis.data_dir: there is no directory {settings.data_dir}")
    try:
        selection.check(settings.analysis.analyzers)
    except ConfigError as exc:
        problems.append(f"analysis.analyzers: {exc}")
    if settings.analysis.models:
        try:
            graph.own_models(settings.analysis.models, graph.load())
        except ConfigError as exc:
            problems.append(str(exc))
    length = len(os.fsencode(settings.socket_path))
    if length > SOCKET_PATH_MAX_BYTES:
        problems.append(
            f"daemon.runtime_dir: the socket {settings.socket_path} has {length} bytes and Unix allows "
            f"{SOCKET_PATH_MAX_BYTES}; choose a shorter directory"
        )
    if problems:
        raise ConfigError("\n".join(problems))
