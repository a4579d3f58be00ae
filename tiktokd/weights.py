"""Where the weights of a hub model lie on this machine. Knows nothing of how a model is built from them.

Order: `<models_dir>/<org>--<name>/` (a plain directory, also one that the user put there), then the hub's own cache at
the pinned revision. Nothing is ever downloaded from here; `tiktokctl models pull` does that when a person asks.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tiktokd.errors import ConfigError, ModelMissing
from tiktokd.plugins import Weights

LOCK_NAME = "models.lock"
"""JSON beside the models: hub id → revision, licence, files with size and sha256; `tiktokctl models pull` writes it."""
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
    return replace(weights, hub_id=match[0], revision=match[1], licence="see its card", by_hand=None)


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
    """Return the directory that holds the weights.

    Raises:
        ModelMissing: with the command that fetches them.
    """
    for candidate in _candidates(weights, models_dir):
        known = not weights.has_config or (candidate / "config.json").is_file()
        if known and any(candidate.glob("*.safetensors")):
            return candidate
    raise ModelMissing(
        f"{weights.hub_id} ({weights.size_mib:.0f} MiB, {weights.licence}) is not on this machine; "
        f"{how_to_get(weights)}"
    )


def how_to_get(weights: Weights) -> str:
    """Return what a person does to have the weights here: a command, or where a converted file goes."""
    return weights.by_hand or f"run: tiktokctl models pull {weights.hub_id}"


def _candidates(weights: Weights, models_dir: Path | None) -> list[Path]:
    found = [models_dir / directory_name(weights)] if models_dir else []
    if weights.revision:
        home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
        found.append(home / "hub" / f"models--{directory_name(weights)}" / "snapshots" / weights.revision)
    return found
