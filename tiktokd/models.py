"""Hub models on this machine: which there are, which of them this machine uses, proving that they are whole.

Nothing here runs while the daemon works. Knows no queue and no terminal, and fetches nothing.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tiktokd import graph, nvidia, paths, weights
from tiktokd.config import Config
from tiktokd.errors import ConfigError, ModelMissing
from tiktokd.plugins import Encoder, Weights

Health = Literal["present", "missing", "unlocked", "damaged"]
"""unlocked: there, but not fetched by us, so there is nothing to compare with; damaged: not what the lock says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model that an encoder wants."""

    weights: Weights
    encoders: tuple[str, ...]
    analyzers: tuple[str, ...]
    """Those that use it, required or optional."""
    path: Path | None
    """`None`: not on this machine."""
    size_bytes: int
    """On this machine; 0 where it is missing."""
    idle: bool
    """Nothing on this machine runs it: it needs a GPU, and there is none."""
    left_out: str | None
    """Why it is fetched by its own name alone; `None`: with everything that names an analyzer of it, or all."""
    damaged: str | None = None
    """What is wrong with the files that are here, where `path` is `None` for that."""


def wanted(config: Config) -> list[Model]:
    """Return every model that the encoders of this configuration want, by hub id.

    Raises:
        ConfigError: this user may not look into the directory of models.
    """
    if paths.is_there(config.models_dir) and not os.access(config.models_dir, os.R_OK | os.X_OK):
        raise ConfigError(f"no permission to look into {config.models_dir}; use sudo, or set analysis.models_dir")
    catalogue = graph.load()
    own = graph.own_models(config.analysis.models, catalogue)
    gpu = nvidia.has_workers(config.gpu.devices)
    stand_ins = {} if gpu else _stand_ins(catalogue)
    found: dict[str, tuple[Weights, list[str]]] = {}
    reasons: dict[str, list[str | None]] = {}
    for encoder in catalogue.encoders.values():
        if encoder.weights is not None:
            spec = weights.chosen(encoder.weights, own)
            known, names = found.get(spec.hub_id, (spec, []))
            usable = known if known.conversion or (spec.conversion and spec.conversion.advice) else spec
            # An extra only where it is one for all who read it.
            found[spec.hub_id] = (replace(usable, extra=known.extra and spec.extra), [*names, encoder.name])
            reasons.setdefault(spec.hub_id, []).append(_left_out(encoder, stand_ins))
    left_out = {id_: why[0] if all(why) else None for id_, why in reasons.items()}
    return [
        _model(spec, names, left_out[id_], catalogue, config, gpu=gpu) for id_, (spec, names) in sorted(found.items())
    ]


def _stand_ins(catalogue: graph.Catalogue) -> dict[str, str]:
    """Return encoder that needs a GPU → the one that does its work without, where the engine of that is installed."""
    return {
        e.stands_for: e.name
        for e in catalogue.encoders.values()
        if e.stands_for and e.weights and not (e.weights.conversion and e.weights.conversion.advice)
    }


def _left_out(encoder: Encoder, stand_ins: Mapping[str, str]) -> str | None:
    if encoder.name in stand_ins.values():
        return None
    if encoder.name in stand_ins:
        return "needs a GPU, and this machine shows none"
    return "is an extra" if encoder.weights and encoder.weights.extra else None


def _model(
    spec: Weights, encoders: list[str], left_out: str | None, catalogue: graph.Catalogue, config: Config, *, gpu: bool
) -> Model:
    served = {*encoders, *(catalogue.encoders[name].stands_for for name in encoders)}
    users = [a.name for a in catalogue.analyzers.values() if served & {*a.uses, *a.optional, *a.signals}]
    path, damaged = None, None
    try:
        path = weights.locate(spec, config.models_dir)
    except ModelMissing as exc:
        damaged = str(exc) if weights.is_damaged(spec, config.models_dir) else None
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path else 0
    return Model(
        weights=spec,
        encoders=tuple(encoders),
        analyzers=tuple(sorted(users)),
        path=path,
        size_bytes=size,
        idle=not gpu and all(catalogue.encoders[name].place == "gpu" for name in encoders),
        left_out=left_out,
        damaged=damaged,
    )


def pick(models: Iterable[Model], names: Iterable[str], *, left_out: bool = True) -> list[Model]:
    """Return the models named by hub id, encoder or analyzer; all of them for "all".

    Args:
        models: those there are.
        names: what was asked for.
        left_out: by the name of an analyzer or "all" also those that a pull leaves out; by their own name always.

    Raises:
        ConfigError: a name fits nothing.
    """
    known = list(models)
    chosen: dict[str, Model] = {}
    for name in names:
        fits = [m for m in known if name == "all" or name in (m.weights.hub_id, *m.encoders, *m.analyzers)]
        if not fits and name in {*(there := graph.load()).analyzers, *there.encoders}:
            raise ConfigError(f'"{name}" works without a model{_of_others(name, there, known)}')
        if not fits:
            raise ConfigError(f'"{name}" is no model, encoder or analyzer here; see: tiktokctl models list')
        own = [m for m in fits if left_out or not m.left_out or name in (m.weights.hub_id, *m.encoders)]
        chosen |= {m.weights.hub_id: m for m in own}
    return list(chosen.values())


def _of_others(name: str, catalogue: graph.Catalogue, models: Iterable[Model]) -> str:
    """Return which analyzers with models an analyzer without one reads: what it lacks is theirs."""
    reads = catalogue.analyzers[name].after if name in catalogue.analyzers else ()
    able = [other for other in reads if any(other in model.analyzers for model in models)]
    told = f" of its own; it reads {', '.join(able)}, which use some" if able else ""
    return f"{told}; see: tiktokctl models list"


def verify(model: Model, models_dir: Path) -> tuple[Health, str]:
    """Return the health of a model, and what is wrong with it in words; reads every byte."""
    if model.damaged:
        return "damaged", model.damaged
    if model.path is None:
        return "missing", weights.how_to_get(model.weights, models_dir)
    also = ""
    if model.weights.conversion:
        try:
            also = f", and what {weights.made(model.weights, models_dir)[1].get('made_by')} made of them"
        except ModelMissing as exc:
            return "damaged", str(exc)
    entry = weights.read_lock(models_dir).get(model.weights.hub_id)
    if entry is None or model.path.parent != models_dir:
        return "unlocked", "not fetched by tiktokctl: there is no checksum to compare with"
    files = weights.locked_files(entry)
    if files is None or not isinstance(entry.get("revision"), str):
        return "unlocked", f"{weights.LOCK_NAME} was damaged or edited; pull it again to have checksums"
    if wrong := weights.mismatch(files, model.path):
        return "damaged", wrong
    return "present", f"{len(files)} files as fetched at revision {entry['revision'][:12]}{also}"
