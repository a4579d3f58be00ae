"""Makes safetensors of a checkpoint that its authors publish as a pickle only; never while the program runs.

A pickle can run code when it is read. So it is read once, when a person asks and has put it there, by torch's reader of
plain tensors (`weights_only`), which refuses everything else; the program itself loads safetensors only.
"""

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tiktokd.errors import LocalError

PATTERN = "pytorch_model*.bin"
MADE = "model.safetensors"
PART = re.compile(r"-(\d+)-of-(\d+)\.bin$")
"""How the parts of a large checkpoint are named."""
UNREADABLE = (
    pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, LookupError, AttributeError, TypeError,
)  # fmt: skip
"""What a damaged or malicious file makes torch's reader raise."""


def pickles(directory: Path) -> list[Path]:
    """Return the parts of a pickled checkpoint, where there are no safetensors beside it."""
    return [] if any(directory.glob("*.safetensors")) else sorted(directory.glob(PATTERN))


def convert(directory: Path) -> Path:
    """Write the tensors of the pickled checkpoint in a model's directory as safetensors; whole or not at all.

    Raises:
        LocalError: a part is not there, cannot be read, or holds more than tensors.
    """
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    files = pickles(directory)
    _refuse_half(files)
    for file in files:
        try:
            # Mapped, so that a large file is not in memory twice; the format before torch 1.6 cannot be.
            read = torch.load(file, map_location="cpu", weights_only=True, mmap=_is_zip(file))
        except UNREADABLE as exc:
            said = str(exc).partition("\n")[0][:200] or type(exc).__name__
            raise LocalError(f"{file} is not read: {said}") from exc
        tensors |= dict(_tensors(read, file))
    target = directory / MADE
    part = target.with_suffix(".part")
    save_file(tensors, part, metadata={"format": "pt"})
    part.replace(target)
    return target


def _refuse_half(files: Sequence[Path]) -> None:
    """Refuse a checkpoint of which parts are missing: half a model would lie there as if it were whole."""
    places = [place for file in files if (place := PART.search(file.name))]
    if places and len(files) != (due := max(int(place[2]) for place in places)):
        raise LocalError(f"{files[0].parent} has {len(files)} of {due} parts of the checkpoint; put all of them there")


def _tensors(read: object, file: Path) -> Iterator[tuple[str, Any]]:
    import torch

    if not isinstance(read, Mapping) or not all(isinstance(value, torch.Tensor) for value in read.values()):
        raise LocalError(f"{file} holds more than named tensors; it is no checkpoint of a model alone")
    for name, value in read.items():
        # Of its own: safetensors refuses two names for the same memory.
        yield str(name), value.contiguous().clone()


def _is_zip(file: Path) -> bool:
    with file.open("rb") as begin:
        return begin.read(2) == b"PK"
