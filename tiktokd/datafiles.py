"""The data files that ship with the program, each replaceable by the user's own. Knows no format but TOML's.

A file of the same name in `analysis.data_dir` replaces the shipped one as a whole.
"""

import importlib
import tomllib
from pathlib import Path
from typing import Any

from tiktokd.errors import ConfigError

SHIPPED = Path(__file__).parent / "data"


def find(name: str, data_dir: Path | None = None) -> Path:
    """Return the user's file of this name, else the shipped one (`prompts/scenes.toml`)."""
    own = data_dir / name if data_dir else None
    return own if own is not None and own.is_file() else SHIPPED / name


def read_toml(name: str, data_dir: Path | None = None) -> dict[str, Any]:
    """Return the content of a TOML data file.

    Raises:
        ConfigError: the user's file is not readable TOML, with its path.
    """
    path = find(name, data_dir)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def problems(data_dir: Path) -> list[str]:
    """Return what is wrong with the user's files, with their paths; nothing where there are none."""
    closed = unreadable(data_dir)
    return [f"{closed}: no permission to read it"] if closed else list(_check().problems(data_dir))


def unread(data_dir: Path) -> list[str]:
    """Return the user's files that nothing reads, and the names that would be read."""
    return [] if unreadable(data_dir) else list(_check().unread(data_dir))


def unreadable(data_dir: Path) -> Path | None:
    """Return the directory of the user's files that this user must not read, if there is one.

    What is searched would pass it over without a word: as if there were no files in it.
    """
    for folder in (data_dir, *(data_dir / each.name for each in SHIPPED.iterdir() if each.is_dir())):
        try:
            next(folder.iterdir(), None)
        except PermissionError:
            return folder
        except OSError:
            continue  # there is none, which is fine
    return None


def _check() -> Any:
    # By name, as plug-ins are: who knows what is in the files reads them.
    return importlib.import_module("tiktokd.encoders._data_check")
