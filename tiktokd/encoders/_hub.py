"""Loads a hub model from this machine, whole or not at all. Shared by the encoders that need one.

Two things that transformers does silently are errors here: a `pytorch_model.bin` is never loaded (it is a pickle), and
a checkpoint that lacks tensors is refused (the missing ones would be random, and noise would look like output).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiktokd import weights
from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import LoadContext, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A model ready for inference, and where it came from."""

    model: Any
    path: Path
    device: str
    dtype: Any
    """torch.dtype of the weights: bfloat16 on a GPU, float32 on the CPU."""
    used: tuple[ModelUsed, ...]
    extra: Any = None
    """What the encoder keeps beside the model: a tokenizer, a prompt matrix."""


def load(spec: Weights, context: LoadContext, kind: str, **options: Any) -> HubModel:
    """Return the model of transformers' class `kind`, in evaluation mode on the context's device.

    Raises:
        ModelMissing: not on this machine, no safetensors, or tensors missing from the checkpoint.
    """
    spec = weights.chosen(spec, context.models)
    path = weights.locate(spec, context.models_dir)  # first: without weights torch must not cost a worker 300 MiB
    import torch
    import transformers
    from safetensors import SafetensorError

    transformers.utils.logging.disable_progress_bar()
    dtype = torch.float32 if context.device == "cpu" else torch.bfloat16
    if context.device == "cpu":
        torch.set_num_threads(max(1, context.threads))
    try:
        model, info = getattr(transformers, kind).from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype=dtype,
            **options,
        )
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as exc:
        raise ModelMissing(f"{spec.hub_id} in {path} does not load: {_short(exc)}; {_pull(spec)}") from exc
    missing = sorted(info["missing_keys"]) + sorted(str(k) for k in info.get("mismatched_keys", ()))
    if missing:
        raise ModelMissing(
            f"{spec.hub_id} in {path} lacks {len(missing)} tensors ({', '.join(missing[:3])} …), "
            f"which would be random; {_pull(spec)}"
        )
    model = model.eval().to(context.device)
    used = ModelUsed(
        id=spec.hub_id,
        revision=_locked(path, spec).get("revision", spec.revision),
        sha256=_locked(path, spec).get("sha256"),
        dtype=str(dtype).removeprefix("torch."),
        device=context.device,
    )
    return HubModel(model=model, path=path, device=context.device, dtype=dtype, used=(used,))


def tokenizer(hub: HubModel) -> Any:
    """Return the tokenizer that lies beside the weights; raises `ModelMissing` where there is none."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(hub.path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as exc:
        raise ModelMissing(f"the tokenizer in {hub.path} does not load: {_short(exc)}") from exc


def input_size(path: Path, default_px: int) -> int:
    """Return the height in pixels that the checkpoint's preprocessor asks for, else `default_px`."""
    try:
        return int(json.loads((path / "preprocessor_config.json").read_text())["size"]["height"])
    except (OSError, ValueError, KeyError, TypeError):
        return default_px


def _locked(path: Path, spec: Weights) -> dict[str, str]:
    """Return what the lock file says of the model: revision, and the sha256 of its largest weight file."""
    try:
        entry = json.loads((path.parent / weights.LOCK_NAME).read_text())[spec.hub_id]
        files = {name: f for name, f in entry["files"].items() if name.endswith(".safetensors")}
        largest = max(files.values(), key=lambda f: f["size_bytes"])
        return {"revision": entry["revision"], "sha256": largest["sha256"]}
    except (OSError, ValueError, KeyError):
        return {}


def _short(exc: Exception) -> str:
    return str(exc).strip().splitlines()[0][:200] if str(exc).strip() else type(exc).__name__


def _pull(spec: Weights) -> str:
    return f"run: tiktokctl models pull {spec.hub_id}"
