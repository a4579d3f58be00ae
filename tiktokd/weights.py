"""Where the weights of a hub model lie on this machine, and whether they are whole. Knows not how a model is built.

Order: `<models_dir>/<org>--<name>/` (a plain directory, also one that the user put there), then the hub's own cache at
the pinned revision. Nothing is ever downloaded from here; `tiktokctl models pull` does that when a person asks.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from tiktokd.errors import ConfigError, ModelMissing
from tiktokd.plugins import Weights

LOCK_NAME = "models.lock"
"""JSON beside the models: hub id → revision, licence, files with size and sha256; `tiktokctl models pull` writes it.
What was made of a model stands under `made_key`."""
CHUNK_BYTES = 2**20
INDEX_OF = "model.safetensors"
HEADER_BYTES_MAX = 100_000_000
"""What the safetensors library itself takes at most."""
_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(?:@(?P<revision>[0-9a-f]{40}))?")


def chosen(weights: Weights, models: Mapping[str, str]) -> Weights:
    """Return the user's model of the same kind where `analysis.models` names one, else the shipped choice.

    Args:
        weights: the encoder's own choice.
        models: hub id of that choice → `org/name` or `org/name@<40 hex digits>`.
    """
    wanted = models.get(weights.hub_id)
    if wanted is None:
        return weights
    match = parse(wanted)
    return replace(weights, hub_id=match[0], revision=match[1], licence="see its card", size_mib=None, by_hand=None)


def parse(text: str) -> tuple[str, str | None]:
    """Return hub id and revision of `org/name[@revision]`; raises `ConfigError` for anything else."""
    match = _HUB_ID.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f'"{text}" is not a model: write org/name or org/name@<40 hex digits>')
    return match["id"], match["revision"]


def directory_name(weights: Weights) -> str:
    """Return the directory name of a model: `org--name`."""
    return weights.hub_id.replace("/", "--")


def locate(weights: Weights, models_dir: Path | None) -> Path:
    """Return the directory that holds the weights, and what is made of them where something is.

    Raises:
        ModelMissing: with the command that fetches or makes them.
    """
    path, form = _tensors(weights, models_dir), weights.conversion
    if path is None:
        size = "" if weights.size_mib is None else f"{weights.size_mib:.0f} MiB, "
        lacks = f"({size}{weights.licence}) is not on this machine"
    elif wrong := torn(path):
        lacks = f"in {path} is damaged: {wrong}"
    elif form is None or (form.advice is None and _is_made(weights, models_dir)):
        return path
    else:
        lacks = "is here, but not ready to run"
    raise ModelMissing(f"{weights.hub_id} {lacks}; {how_to_get(weights, models_dir)}")


def is_damaged(weights: Weights, models_dir: Path | None) -> bool:
    """Return whether there are tensors, but not whole."""
    path = _tensors(weights, models_dir)
    return path is not None and torn(path) is not None


def torn(directory: Path) -> str | None:
    """Return which tensors are cut short or not there, in words; `None`: all files are as long as they say.

    Looks at headers and sizes alone: whether every byte is right is for `tiktokctl models verify`.
    """
    files = {file.name: file for file in sorted(directory.glob("*.safetensors"))}
    for file in files.values():
        about = file.stat()
        if told := _length_told(file, about.st_size, about.st_mtime_ns):
            return f"{file.name} has {about.st_size:,} bytes, {told}"
    index = directory / f"{INDEX_OF}.index.json"
    try:
        parts = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else set()
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return f"{index.name} cannot be read"
    lost = sorted(str(part) for part in parts if part not in files)
    return f"{', '.join(lost)} missing" if lost else None


@cache
def _length_told(file: Path, size: int, _changed_ns: int) -> str | None:
    """Return what the header of a safetensors file says of its length where that is not `size`."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length)) if length <= min(size, HEADER_BYTES_MAX) else None
        if header is None:
            return "and no header that fits"
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        told = 8 + length + max(ends, default=0)
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return "and no header"
    return None if told == size else f"its header says {told:,}"


def how_to_get(weights: Weights, models_dir: Path | None = None) -> str:
    """Return what a person does to have the weights here: commands, or where a converted file goes.

    Args:
        weights: the model.
        models_dir: where tensors may lie already that only have to be converted.
    """
    if weights.by_hand:
        return weights.by_hand
    form = weights.conversion
    steps = [form.advice] if form and form.advice else []
    if form is None or _tensors(weights, models_dir) is None:
        steps.append(f"tiktokctl models pull {weights.hub_id}")
    elif not _is_made(weights, models_dir):
        steps.append(f"tiktokctl models convert {weights.hub_id}")
    return f"run: {' && '.join(steps)}"


def _tensors(weights: Weights, models_dir: Path | None) -> Path | None:
    for candidate in _candidates(weights, models_dir):
        known = not weights.has_config or (candidate / "config.json").is_file()
        if known and any(candidate.glob("*.safetensors")):
            return candidate
    return None


def _is_made(weights: Weights, models_dir: Path | None) -> bool:
    """Return whether all files are there that are made of the tensors."""
    form, folder = weights.conversion, made_folder(weights, models_dir)
    return form is not None and folder is not None and all((folder / name).is_file() for name in form.files)


def made_folder(weights: Weights, models_dir: Path | None) -> Path | None:
    """Return where what is made of the tensors lies or would lie; `None`: nothing is, or no directory is set."""
    form = weights.conversion
    return models_dir / directory_name(weights) / form.folder if form and models_dir else None


def made_key(weights: Weights) -> str:
    """Return what it is called in the lock."""
    return f"{weights.hub_id}/{weights.conversion.folder if weights.conversion else ''}"


def made(weights: Weights, models_dir: Path | None) -> tuple[Path, dict[str, Any]]:
    """Return the folder of what was made of the tensors, and its entry of the lock; every byte is compared.

    Raises:
        ModelMissing: it is not there, or not what was made on this machine.
    """
    locate(weights, models_dir)
    form, folder = weights.conversion, made_folder(weights, models_dir)
    if form is None or folder is None or models_dir is None:
        raise ModelMissing(f"nothing is made of {weights.hub_id}")
    entry = read_lock(models_dir).get(made_key(weights), {})
    files = locked_files(entry) or {}
    known = set(form.files) <= files.keys()
    if wrong := mismatch(files, folder) if known else f"{LOCK_NAME} does not know it":
        raise ModelMissing(f"{folder}: {wrong}; run: tiktokctl models convert {weights.hub_id}")
    return folder, dict(entry)


def read_lock(models_dir: Path) -> dict[str, Any]:
    """Return what `models.lock` says; nothing where there is none or it is not JSON."""
    try:
        found = json.loads((models_dir / LOCK_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def locked_files(entry: Any) -> dict[str, dict[str, Any]] | None:
    """Return name → size and digest, as an entry of the lock says; `None` where it does not."""
    files = entry.get("files") if isinstance(entry, dict) else None
    whole = isinstance(files, dict) and all(
        isinstance(file, dict) and {"size_bytes", "sha256"} <= set(file) for file in files.values()
    )
    return files if whole else None


def mismatch(files: Mapping[str, Mapping[str, Any]], directory: Path) -> str | None:
    """Return what differs from the lock, in words, having read every byte; `None` where nothing does."""
    for name, expected in files.items():
        path = directory / name
        if size_bytes(path) != expected["size_bytes"]:
            return f"{name} has {size_bytes(path)} bytes, the lock says {expected['size_bytes']}"
        if sha256(path) != expected["sha256"]:
            return f"{name} is not the file that was fetched or made (sha256 differs)"
    return None


def sha256(path: Path) -> str:
    """Return the hexadecimal digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def size_bytes(path: Path) -> int:
    """Return the size of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def _candidates(weights: Weights, models_dir: Path | None) -> list[Path]:
    found = [models_dir / directory_name(weights)] if models_dir else []
    if weights.revision:
        found.append(_hub_cache() / f"models--{directory_name(weights)}" / "snapshots" / weights.revision)
    return found


def _hub_cache() -> Path:
    """Return where the hub's own tools put what they fetch, by the same variables."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    own = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(own)).expanduser()
