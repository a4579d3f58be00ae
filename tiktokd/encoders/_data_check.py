"""Tries the user's own data files as the encoders would, before a video depends on them. Loads no model."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tiktokd import datafiles, plugins
from tiktokd.encoders import _prompts
from tiktokd.errors import ConfigError
from tiktokd.plugins import LoadContext

LISTS = {
    "algospeak.toml": "algospeak",
    "brands.toml": "brands",
    "calls_to_action.toml": "call_phrases",
    "hooks.toml": "hook_phrases",
    "sound_categories.toml": "sound_categories",
    "stopwords.toml": "stopwords",
}
"""File → the encoder that reads it."""


def problems(data_dir: Path) -> Iterator[str]:
    """Yield what is wrong with each file that cannot be read as what its place says, with its path and the entry."""
    told: set[str] = set()
    for file in sorted(data_dir.rglob("*.toml")):
        reading = _reading(file, data_dir)
        try:
            if reading is not None:
                reading()
        except ConfigError as exc:
            new = [line for line in str(exc).splitlines() if line not in told]  # one taxonomy may have two readers
            yield from new
            told.update(new)


def unread(data_dir: Path) -> Iterator[str]:
    """Yield the files that nothing reads, and which names would be read there."""
    for file in sorted(data_dir.rglob("*.toml")):
        if _reading(file, data_dir) is None:
            there = datafiles.SHIPPED / file.parent.relative_to(data_dir)
            known = ", ".join(sorted(path.name for path in there.glob("*.toml"))) or "none in this folder"
            yield f"{file}: nothing reads a file of this name; there are {known}"


def _reading(file: Path, data_dir: Path) -> Callable[[], Any] | None:
    """Return what reads a file; `None`: nothing does."""
    name = file.relative_to(data_dir)
    folder = str(name.parent)
    if str(name) in LISTS:
        return partial(plugins.encoder(LISTS[str(name)]).load, LoadContext(data_dir=data_dir))
    if folder == "prompts" or (folder == "prototypes" and (datafiles.SHIPPED / name).is_file()):
        return partial(_prompts.read, file.stem, data_dir, folder)
    return None
