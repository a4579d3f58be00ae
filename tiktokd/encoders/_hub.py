"""Loads a hub model from this machine, whole or not at all. Shared by the encoders that need one.

Two things that transformers does silently are errors here: a `pytorch_model.bin` is never loaded (it is a pickle), and
a checkpoint that lacks tensors is refused (the missing ones would be random, and noise would look like output).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """torch.dtype of the weights: bfloat16 on a GPU (float32 for a network of ours, and where an encoder asks
    for it), float32 on the CPU."""
    used: tuple[ModelUsed, ...]
    extra: Any = None
    """What the encoder keeps beside the model: a tokenizer, a prompt matrix."""


def load(
    spec: Weights, context: LoadContext, *kinds: str, dtype: str | None = None, unread: str | None = None
) -> HubModel:
    """Return the model of one of transformers' classes `kinds`, in evaluation mode on the context's device.

    Args:
        dtype: torch's name of the number format on every device; `None`: that of the device, see `HubModel.dtype`.
        unread: how the names of tensors begin that nothing reads here: they may be missing.

    Raises:
        ModelMissing: not on this machine, of another architecture, no safetensors, or tensors missing.
    """
    spec = weights.chosen(spec, context.models)
    path = weights.locate(spec, context.models_dir)  # first: without weights torch must not cost a worker 300 MiB
    import torch
    import transformers
    from safetensors import SafetensorError

    transformers.utils.logging.disable_progress_bar()
    kind = _fitting(spec, path, [getattr(transformers, name) for name in kinds])
    form = getattr(torch, dtype or ("float32" if context.device == "cpu" else "bfloat16"))
    if context.device == "cpu":
        torch.set_num_threads(max(1, context.threads))
    try:
        model, info = kind.from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype=form,
        )
    except (OSError, RuntimeError, TypeError, ValueError, KeyError, SafetensorError) as exc:
        raise _broken(spec, path, exc) from exc
    missing = [*info["missing_keys"], *(str(k) for k in info.get("mismatched_keys", ()))]
    _refuse(spec, path, _vital(name for name in missing if not (unread and name.startswith(unread))))
    return _ready(spec, path, model, context, form)


def load_network(spec: Weights, context: LoadContext, build: Callable[[Mapping[str, Any]], Any]) -> HubModel:
    """Return a network of our own with the tensors of the model's files, in evaluation mode, float32 on every device.

    Args:
        build: makes the torch module for these tensors, as wide as they are; called only where there are weights.

    Raises:
        ModelMissing: not on this machine, no safetensors, tensors missing, of other shapes or of another network.
    """
    spec = weights.chosen(spec, context.models)
    path = weights.locate(spec, context.models_dir)  # first, as above
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if context.device == "cpu":
        torch.set_num_threads(max(1, context.threads))
    tensors: dict[str, Any] = {}
    try:
        for file in sorted(path.glob("*.safetensors")):
            tensors |= load_file(file)
    except (OSError, ValueError, SafetensorError) as exc:
        raise _broken(spec, path, exc) from exc
    model = build(tensors)
    wanted = model.state_dict()
    _refuse(spec, path, [n for n in _vital(wanted) if n not in tensors or tensors[n].shape != wanted[n].shape])
    if foreign := sorted(tensors.keys() - wanted.keys()):
        raise ModelMissing(
            f"{path} holds {len(foreign)} tensors that {spec.hub_id} does not have ({', '.join(foreign[:3])} …): "
            f"another network; {weights.how_to_get(spec)}"
        )
    model.load_state_dict(tensors, strict=False)
    return _ready(spec, path, model, context, torch.float32)


def _vital(names: Iterable[str]) -> list[str]:
    """Return the names without how many batches were seen in training: it plays no part, and some leave it out."""
    return [name for name in names if not name.endswith("num_batches_tracked")]


def _refuse(spec: Weights, path: Path, missing: Iterable[str]) -> None:
    if names := sorted(missing):
        raise ModelMissing(
            f"{spec.hub_id} in {path} lacks {len(names)} tensors ({', '.join(names[:3])} …), "
            f"which would be random; {weights.how_to_get(spec)}"
        )


def _fitting(spec: Weights, path: Path, kinds: Sequence[Any]) -> Any:
    """Return the class for a checkpoint; refuse one of another architecture before anything of it is built.

    transformers would make the class in its full default size first, for minutes; and tensors that happen to have the
    same names load without a word (XLM-RoBERTa as BERT: every position would be wrong).
    """
    try:
        found = json.loads((path / "config.json").read_text()).get("model_type")
    except (OSError, ValueError, AttributeError):
        found = None  # from_pretrained says what is wrong with it
    fitting = next((kind for kind in kinds if found is None or _runs(kind, found)), None)
    if fitting is None:
        able = " or ".join(kind.config_class.model_type for kind in kinds)
        raise ModelMissing(f"{spec.hub_id} in {path} is of kind {found}; here one of kind {able} can run")
    return fitting


def _runs(kind: Any, found: str) -> bool:
    """Return whether a class of transformers runs a `model_type`."""
    wanted = getattr(kind, "config_class", None)
    if wanted is None:
        return True  # an Auto class takes what it knows
    one_tower = wanted.base_config_key and wanted.model_type.startswith(f"{found}_")
    return found == wanted.model_type or bool(one_tower)


def _broken(spec: Weights, path: Path, exc: Exception) -> ModelMissing:
    return ModelMissing(f"{spec.hub_id} in {path} does not load: {_short(exc)}; {weights.how_to_get(spec)}")


def _digest(path: Path) -> str:
    """Return the sha256 of all tensor files together, of one file that of the file."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.safetensors")):
        with file.open("rb") as data:
            while chunk := data.read(weights.CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _ready(spec: Weights, path: Path, model: Any, context: LoadContext, dtype: Any) -> HubModel:
    model = model.eval().to(context.device)
    revision, sha256 = _known(path, spec)
    name = str(dtype).removeprefix("torch.")
    used = ModelUsed(id=spec.hub_id, revision=revision, sha256=sha256, dtype=name, device=context.device)
    return HubModel(model=model, path=path, device=context.device, dtype=dtype, used=(used,))


def space(hub: HubModel) -> str:
    """Return the name of a model's space: vectors of different spaces, or kept under another name, never compare."""
    used = hub.used[0]
    return f"{used.id}@{used.revision or (used.sha256 or 'local')[:12]}"


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


def _known(path: Path, spec: Weights) -> tuple[str | None, str]:
    """Return revision and sha256 (of the largest file) as the lock says; without one what can be told by looking.

    Nobody says which revision a copied folder is; the hub's own cache names its folders by it.
    """
    entry = weights.read_lock(path.parent).get(spec.hub_id, {})
    tensors = [f for name, f in (weights.locked_files(entry) or {}).items() if name.endswith(".safetensors")]
    if tensors and isinstance(entry.get("revision"), str):
        return entry["revision"], max(tensors, key=lambda f: f["size_bytes"])["sha256"]
    return spec.revision if path.name == spec.revision else None, _digest(path)


def _short(exc: Exception) -> str:
    return str(exc).strip().splitlines()[0][:200] if str(exc).strip() else type(exc).__name__
