"""Where the weights of a hub model lie on this machine. Knows nothing of how a model is built from them.

Order: `<models_dir>/<org>--<name>/` (a plain directory, also one that the user put there), then the hub's own cache at
the pinned revision. Nothing is ever downloaded from here; `tiktokctl models pull` does that when a person asks.
"""

import os
from pathlib import Path

from tiktokd.errors import ModelMissing
from tiktokd.plugins import Weights


def directory_name(weights: Weights) -> str:
    """Return the directory name of a model: `org--name`."""
    return weights.hub_id.replace("/", "--")


def locate(weights: Weights, models_dir: Path | None) -> Path:
    """Return the directory that holds the weights.

    Raises:
        ModelMissing: with the command that fetches them.
    """
    for candidate in _candidates(weights, models_dir):
        if (candidate / "config.json").is_file() and any(candidate.glob("*.safetensors")):
            return candidate
    raise ModelMissing(
        f"{weights.hub_id} ({weights.size_mib:.0f} MiB, {weights.licence}) is not on this machine; "
        f"run: tiktokctl models pull {weights.hub_id}"
    )


def _candidates(weights: Weights, models_dir: Path | None) -> list[Path]:
    found = [models_dir / directory_name(weights)] if models_dir else []
    if weights.revision:
        home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
        found.append(home / "hub" / f"models--{directory_name(weights)}" / "snapshots" / weights.revision)
    return found
