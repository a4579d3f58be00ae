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
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd import datafiles
from tiktokd.encoders._data_forms import known, texts
from tiktokd.errors import ConfigError
from tiktokd.pictures import Label

LISTED = '["…", …]'
GROUPS = {"scenes": ("indoor", "outdoor")}
"""Taxonomy → groups that mean something to its reader; in the others they are the user's own."""
NEEDED = {"aesthetics": ("good", "bad")}
"""Taxonomy → labels without which it says nothing."""
IDS = {
    "aesthetics": NEEDED["aesthetics"],
    "calls": ("follow", "like", "comment", "share", "save", "link_in_bio", "shop", "visit_url", "watch_to_end",
              "part_2", "promo_code"),
    "openings": ("question", "number_list", "curiosity_gap", "direct_address", "problem", "negative_command",
                 "claim_result"),
}  # fmt: skip
"""Taxonomy → the labels that its reader knows, where that is a closed list; a test compares them with the readers."""
_HEADER = re.compile(r"\s*\[\[\s*labels\s*\]\]")
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
        ConfigError: what nothing would read or could use, with the path, the entry and what to write.
    """
    file = f"{folder}/{name}.toml"
    table, path = datafiles.read_toml(file, data_dir), datafiles.find(file, data_dir)
    known(str(path), table, ("template", "background", "labels"))
    template = str(table.get("template", "{}"))
    if template.replace("{{", "").count("{}") != 1:
        raise ConfigError(f"{path}: template needs one {{}}, where the prompt goes")
    background = table.get("background", [])
    if background != []:  # none is a choice: a label then has nothing to beat
        texts(f"{path}: background", background, LISTED)
    entries = table.get("labels")
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f'{path}: no label is in it; write [[labels]] and below it id = "…"')
    wheres = _places(path, len(entries))
    labels = _labels(wheres, entries)
    _check_ids(name, path, wheres, labels)
    try:
        prompts = tuple(
            tuple(template.format(text) for text in entry.get("prompts") or [label.name])
            for entry, label in zip(entries, labels, strict=True)
        )
    except (KeyError, IndexError, ValueError, AttributeError) as exc:
        raise ConfigError(f"{path}: template takes a prompt at {{}} and nothing else; {{{{ is a brace ({exc})") from exc
    return Taxonomy(name=name, labels=labels, prompts=prompts, background=tuple(background))


def _places(path: Path, count: int) -> list[str]:
    """Return where each of [[labels]] stands: file, line, number. The line only where every one has its own header."""
    headers = enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1)
    lines = [number for number, line in headers if _HEADER.match(line)]
    at = [f"{path}:{line}" for line in lines] if len(lines) == count else [str(path)] * count
    return [f"{place}: [[labels]] number {number}" for number, place in enumerate(at, start=1)]


def _labels(wheres: Sequence[str], entries: Sequence[Any]) -> tuple[Label, ...]:
    """Return all of [[labels]]; raises `ConfigError` with what is wrong with each of them, a line each."""
    found, problems = [], []
    for where, entry in zip(wheres, entries, strict=True):
        try:
            found.append(_label(where, entry))
        except ConfigError as exc:
            problems.append(str(exc))
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(found)


def _label(where: str, entry: Any) -> Label:
    """Return one of [[labels]]; raises `ConfigError` with its place."""
    if not isinstance(entry, dict):
        raise ConfigError(f'{where} is no table; write [[labels]] and below it id = "…"')
    known(where, entry, ("id", "name", "group", "iab", "prompts"))
    for key in ("id", "name", "group", "iab"):
        if key in entry and not (isinstance(entry[key], str) and entry[key].strip()):
            raise ConfigError(f'{where}: {key} = {entry[key]!r} is no text; write {key} = "…"')
    if "id" not in entry:
        raise ConfigError(f'{where} needs an id, which results name it by; write id = "…"')
    if "prompts" in entry:
        texts(f'{where} ("{entry["id"]}"): prompts', entry["prompts"], LISTED)
    id_ = str(entry["id"])
    return Label(id=id_, name=entry.get("name", id_), group=entry.get("group"), iab=entry.get("iab"))


def _check_ids(name: str, path: Path, wheres: Sequence[str], labels: Sequence[Label]) -> None:
    """Refuse ids that stand twice, and ids and groups that mean nothing to who reads this taxonomy."""
    first: dict[str, int] = {}
    for number, (where, label) in enumerate(zip(wheres, labels, strict=True), start=1):
        if label.id in first:
            raise ConfigError(f'{where} has the id "{label.id}", as has number {first[label.id]}')
        first[label.id] = number
        if name in IDS:
            known(where, [label.id], IDS[name], what="id")
        if name in GROUPS and label.group is not None:
            known(where, [label.group], GROUPS[name], what="group")
    if missing := [id_ for id_ in NEEDED.get(name, ()) if id_ not in first]:
        raise ConfigError(f'{path}: no label has the id "{missing[0]}", without which {name} cannot be measured')


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
