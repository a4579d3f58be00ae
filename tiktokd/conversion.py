"""What is made of a model's tensors once, on this machine, for an engine with a file format of its own.

No hub gives the engine's files: they are made when a person asks (`tiktokctl models pull` and `convert`), `models.lock`
remembers their sha256, and nothing else is loaded. Knows no engine and no model.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How the files are made, and which there must be."""

    folder: str
    """In the model's directory."""
    files: tuple[str, ...]
    package: str
    """Makes the files and runs them."""
    extra: str
    """The extra of tiktokd that installs the package."""
    make: Callable[[Any, Path, Path], None]
    """Takes the model (`plugins.Weights`), the models directory with its tensors and the folder to write."""

    @property
    def advice(self) -> str | None:
        """The command that installs the package; `None` where it is installed. Nothing is imported."""
        there = importlib.util.find_spec(self.package) is not None
        return None if there else f"pip install 'tiktokd[{self.extra}]'"
