"""Prompt files to a matrix of text embeddings, cached on disk. Shared by encoders with a text tower.

A file in `data/prompts` (or of the same name in the user's data directory) is one taxonomy:

    template = "a photo of {}"            # wrapped around every prompt
    background = ["a photo", …]           # describe nothing in particular; a label must beat them
    [[labels]]
    id = "kitchen"                        # stable, stored in results
    name = "kitchen"                      # for people
    group = "indoor"                      # optional
    iab = "216"                           # optional, of the IAB Content Taxonomy 3.0
    prompts = ["a kitchen", …]            # optional; the name where there are none

Files of other folders have the same form: `data/prototypes` holds sentences whose meaning is looked for in texts.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd import datafiles
from tiktokd.errors import ConfigError
from tiktokd.pictures import Label

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to (len, D) vectors of length 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """One prompt file."""

    name: str
    labels: tuple[Label, ...]
    prompts: tuple[tuple[str, ...], ...]
    """Per label, template applied."""
    background: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMatrix:
    """A taxonomy in the model's space."""

    taxonomy: Taxonomy
    labels: NDArray[np.float32]
    """(L, D) mean of the label's prompts, length 1."""
    background: NDArray[np.float32]
    """(B, D)."""
    each: NDArray[np.float32]
    """(P, D) every prompt by itself, label after label."""
    of: NDArray[np.int64]
    """(P,) number of the label that each prompt belongs to."""


def read(name: str, data_dir: Path | None, folder: str = "prompts") -> Taxonomy:
    """Return the taxonomy of `data/<folder>/<name>.toml`.

    Raises:
        ConfigError: no label, a label without an id or twice, or a text that is none; with the path.
    """
    file = f"{folder}/{name}.toml"
    table = datafiles.read_toml(file, data_dir)
    template = str(table.get("template", "{}"))
    if template.replace("{{", "").count("{}") != 1:
        raise ConfigError(f"{datafiles.find(file, data_dir)}: template needs one {{}}, where the prompt goes")
    try:
        entries = table["labels"]
        labels = tuple(
            Label(id=e["id"], name=e.get("name", e["id"]), group=e.get("group"), iab=e.get("iab")) for e in entries
        )
        prompts = tuple(
            tuple(template.format(p) for p in (_listed(e, "prompts") or [e.get("name", e["id"])])) for e in entries
        )
        background = tuple(str(text) for text in _listed(table, "background"))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as exc:
        raise ConfigError(f"{datafiles.find(file, data_dir)}: each of [[labels]] needs an id ({exc})") from exc
    ids = [label.id for label in labels]
    if not ids or not all(isinstance(i, str) and i for i in ids) or len(set(ids)) != len(ids):
        raise ConfigError(f"{datafiles.find(file, data_dir)}: [[labels]] needs one label at least, each id once")
    return Taxonomy(name=name, labels=labels, prompts=prompts, background=background)


def _listed(table: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list of a table; the letters of a text would pass for one."""
    found = table.get(key, [])
    if not isinstance(found, list):
        raise TypeError(f'{key} = ["…"] is a list')
    return found


def names(data_dir: Path | None) -> list[str]:
    """Return the names of all taxonomies, shipped or the user's own."""
    folders = [datafiles.SHIPPED / "prompts", *([data_dir / "prompts"] if data_dir else [])]
    return sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml")})


def matrix(taxonomy: Taxonomy, embed: Embed, cache_dir: Path, space: str) -> PromptMatrix:
    """Return the taxonomy embedded, from the cache where the same model saw the same prompts before."""
    flat = [text for texts in taxonomy.prompts for text in texts] + list(taxonomy.background)
    key = hashlib.sha256(json.dumps([space, taxonomy.name, taxonomy.prompts, taxonomy.background]).encode())
    file = cache_dir / f"prompts-{key.hexdigest()[:32]}.npy"
    vectors = kept(file, len(flat), lambda: embed(flat))
    counts = np.cumsum([len(texts) for texts in taxonomy.prompts])
    parts = np.split(vectors, counts)
    of = np.repeat(np.arange(len(taxonomy.prompts)), [len(texts) for texts in taxonomy.prompts])
    means = np.stack([part.mean(axis=0) for part in parts[:-1]])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return PromptMatrix(taxonomy=taxonomy, labels=means, background=parts[-1], each=vectors[: len(of)], of=of)


def kept(file: Path, rows: int, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the (rows, D) vectors that a cache file holds; where it holds none, what `make` gives, and keep that."""
    vectors = _cached(file, rows)
    if vectors is None:
        vectors = np.asarray(make(), np.float32)
        _store(file, vectors)
    return vectors


def _cached(file: Path, rows: int) -> NDArray[np.float32] | None:
    try:
        vectors: NDArray[np.float32] = np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return vectors if vectors.ndim == 2 and len(vectors) == rows else None


def _store(file: Path, vectors: NDArray[np.float32]) -> None:
    """Write the cache; a directory that is not writable only costs time at the next start."""
    part = file.with_suffix(f".{id(vectors)}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            np.save(out, vectors)
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
