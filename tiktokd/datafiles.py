"""The data files that ship with the program, each replaceable by the user's own. Knows no format but TOML's.

A file of the same name in `analysis.data_dir` replaces the shipped one as a whole.
"""

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
