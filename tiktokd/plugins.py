"""What an encoder and an analyzer are, and how the files that hold them are found. Knows no model and no clip format.

An **encoder** turns pixels, sound or text into features, in batches that may span videos; the same item gives the
same result alone or in a batch. An **analyzer** turns features and other analyzers' outputs of one video into a
typed `Output`. Both are values at the end of a file of that name; adding one touches no other file.

Modules of encoders import heavy packages (torch, onnxruntime, cv2) inside `load` and `encode`, never at the top:
specifications are read in processes that must stay small.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from tiktokd.conversion import Conversion
from tiktokd.errors import ProtocolError
from tiktokd.model import Envelope, MediaFacts, Metadata, ModelUsed, Output, Reason, Segment, Signals, Status, Tier

Input = Literal["frames", "low", "thumbs", "audio16", "audio48", "text", "features"]
Place = Literal["cpu", "gpu", "either"]
Group = Literal["video", "audio", "text", "fusion", "metadata"]
Need = Literal["video", "audio", "metadata"]
OutputT = TypeVar("OutputT", bound=Output)
ABSENT, MODELS = "absent:", "models:"
"""What stands before an encoder's name among the signals: why it gave none, and which weights made them."""
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A model from a hub, pinned."""

    hub_id: str
    """`org/name`; the local directory is `<models_dir>/<org>--<name>`."""
    revision: str | None
    """40 hex digits; `None`: the first `tiktokctl models pull` pins it in `models.lock`, a release here."""
    licence: str
    size_mib: float | None
    """Approximate download size; `None`: of the user's own model, which only its hub knows."""
    has_config: bool = True
    """A `config.json` lies beside the tensors; False: the architecture is fixed and tensors are all there is."""
    by_hand: str | None = None
    """How a person gets the tensors where no hub has them as safetensors; `None`: `tiktokctl models pull`."""
    extra: bool = False
    """Fetched only by its own name: large and for more than an analysis promises, so that no result is less without,
    or of a stand-in (`Encoder.stands_for`), for which most machines have no use."""
    conversion: Conversion | None = None
    """What is made of the tensors and loaded instead of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadContext:
    """What an encoder may know while it loads."""

    device: str = "cpu"
    """torch's name of the device."""
    models_dir: Path | None = None
    data_dir: Path | None = None
    """Files here replace those of the same name that ship in `tiktokd/data` (taxonomies, prompts, lexicons)."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Hub id of an encoder's own choice → the user's model of the same kind (`analysis.models`)."""
    threads: int = 1
    """Upper bound for intra-operation threads."""


class ClipArrays(Mapping[str, Array]):
    """The arrays of one clip by name (see `model.Clip`), plus sound as floats. Missing arrays are simply not there."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Any:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def sound(self, name: Literal["audio16", "audio48"]) -> NDArray[np.float32] | None:
        """Return the sound as float32, full scale ±1.0, `(n,)` or `(n, 2)`; `None` where there is none."""
        samples = self._arrays.get(name)
        return None if samples is None else samples.astype(np.float32) / np.float32(16384.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that a plug-in may look at for one video."""

    facts: MediaFacts
    arrays: ClipArrays = field(default_factory=lambda: ClipArrays({}))
    """Empty at level 2, where the slot is already free."""
    audio48_covers_s: float = 0.0
    audio16_covers_s: float = 0.0
    metadata: Metadata = field(default_factory=Metadata)
    features: Mapping[str, Any] = field(default_factory=dict)
    """Per encoder of `uses` and `optional` that ran; an encoder with nothing to encode or no weights is not there."""
    outputs: Mapping[str, Envelope] = field(default_factory=dict)
    """Results of the analyzers named in `after` that have run, whatever their status."""
    signals: Signals = field(default_factory=dict)

    def output(self, name: str, kind: type[OutputT]) -> OutputT | None:
        """Return the typed summary of analyzer `name`, or `None` where it has none (not run, skipped, error)."""
        envelope = self.outputs.get(name)
        if envelope is None or envelope.status not in ("ok", "partial"):
            return None
        return kind.model_validate(envelope.summary)

    def lack(self, encoder: str) -> tuple[Reason, str] | None:
        """Return why an encoder gave no features or signals, and the same for people; `None` where it gave some.

        Of an encoder that ran into an error the reason is `no_sources`.
        """
        if encoder in self.features or encoder in self.signals:
            return None
        told = self.signals.get(ABSENT + encoder)
        return (told["reason"], told["message"]) if told else ("no_sources", f"encoder {encoder} did not run")


def _no_model(_context: "LoadContext") -> None:
    """Load nothing: a formula."""


def _the_clip(context: Context) -> Sequence[Any]:
    return [context.arrays]


def _the_only(_context: Context, results: Sequence[Any]) -> Any:
    return results[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """One model, or one signal transform, whose features several analyzers share."""

    name: str
    title: str
    """One line: what its features are."""
    input: Input
    place: Place
    onnx: bool = False
    """It runs through onnxruntime: `either` then means the GPU only where that package computes on it."""
    load: Callable[[LoadContext], Any] = _no_model
    """Return the model, ready to run; raises `ModelMissing`."""
    encode: Callable[[Any, Sequence[Any]], Sequence[Any]]
    """Model and N items in, N results out; independent of what else is in the batch."""
    items: Callable[[Context], Sequence[Any]] = _the_clip
    """What of one video is encoded; an empty list means "nothing here", and the encoder's features are absent."""
    nothing: Reason = "too_short"
    """Why analyzers that need this encoder are skipped where `items` is empty."""
    nothing_said: str | None = None
    """The same for people; `None`: "nothing in this video for" its name."""
    collect: Callable[[Context, Sequence[Any]], Any] = _the_only
    """The results of one video's items joined to its features."""
    signals: Callable[[Any], dict[str, Any]] | None = None
    """Small JSON-serialisable values for level 2, made from the features."""
    uses: tuple[str, ...] = ()
    """Encoders whose features `items` reads."""
    optional: tuple[str, ...] = ()
    """Those whose features `items` reads where there are any; without them it encodes all the same. Where this encoder
    is on the GPU and one of them is not, it goes without."""
    after: tuple[str, ...] = ()
    """Analyzers whose outputs `items` reads; only for `input="text"`."""
    portable: type[Any] | None = None
    """Class of its features where they are small and it uses no other encoder: beside a GPU, what both halves of a
    video read is computed once, after decoding, and travels to both (`tiktokd.portable`)."""
    weights: Weights | None = None
    models: tuple[ModelUsed, ...] = ()
    """Weights that ship inside packages; hub weights are added by the loader."""
    stands_for: str | None = None
    """Encoder whose features it gives instead, from a smaller model, where no GPU works (`graph.without_gpu`)."""
    max_batch: int = 64
    gflop_per_item: float | None = None
    """Floating-point operations per item, 1e9; `None`: not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an analyzer returns; use `ok`, `partial` or `skipped`."""

    status: Status
    reason: Reason | None = None
    message: str | None = None
    output: Output | None = None
    segments: Sequence[Segment] = ()
    calibrated: bool | None = None
    tier: Tier | None = None
    """For analyzers of signals, who alone know whether a model's were there; `None`: by the optional encoders."""


def ok(
    output: Output,
    segments: Sequence[Segment] = (),
    *,
    calibrated: bool | None = None,
    tier: Tier | None = None,
) -> Result:
    """Return a complete result."""
    return Result(status="ok", output=output, segments=segments, calibrated=calibrated, tier=tier)


def partial(
    output: Output,
    reason: Reason,
    message: str | None = None,
    segments: Sequence[Segment] = (),
    *,
    calibrated: bool | None = None,
    tier: Tier | None = None,
) -> Result:
    """Return a result some of whose fields are `None`, and why."""
    return Result(
        status="partial",
        reason=reason,
        message=message,
        output=output,
        segments=segments,
        calibrated=calibrated,
        tier=tier,
    )


def skipped(reason: Reason, message: str | None = None) -> Result:
    """Return "not applicable to this video", and why."""
    return Result(status="skipped", reason=reason, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzer:
    """One analysis of one video."""

    name: str
    title: str
    """One line for people: what question it answers."""
    group: Group
    output: type[Output]
    segment: type[Segment] | None = None
    """Of its timeline; `None`: it has none."""
    analyze: Callable[[Context], Result]
    uses: tuple[str, ...] = ()
    """Encoders it cannot do without: where one has no weights the result is skipped/model_missing."""
    optional: tuple[str, ...] = ()
    """Encoders that raise it from tier lite to full; of those with extra weights the absence lowers nothing."""
    after: tuple[str, ...] = ()
    """Analyzers whose outputs it reads; level 2 only (text, fusion, metadata). What level 1 shares is an encoder."""
    signals: tuple[str, ...] = ()
    """Encoders whose signals it reads (level 2), or the corpus reads for it once the video is finished (level 1).
    Naming one makes the encoder run."""
    needs_signals: tuple[str, ...] = ()
    """Those of `signals` that it cannot do without: where one is absent the result is skipped, for that
    reason."""
    needs: frozenset[Need] = frozenset()
    """Without these it is skipped before it runs: no_video, no_audio, no_metadata."""
    needs_model: bool = False
    """One of its optional encoders or signals with weights must be there; with none it is skipped/model_missing."""
    lightweight: bool = True
    """Runs on the CPU workers when there is no GPU."""
    version: str = "1"
    """Raised whenever the same input gives another output."""


def level(spec: Analyzer) -> Literal[1, 2]:
    """Return 1 for analyzers that read the slot (video, audio), 2 for those that read text, outputs and signals."""
    return 1 if spec.group in ("video", "audio") else 2


def names(package: str) -> list[str]:
    """Return the plug-in names of a package, sorted, without importing them: the file names not starting with `_`."""
    root = importlib.import_module(package)
    return sorted(m.name for m in pkgutil.iter_modules(root.__path__) if not m.name.startswith("_"))


def encoder(name: str) -> Encoder:
    """Return the encoder in `tiktokd/encoders/<name>.py`."""
    return _load(f"tiktokd.encoders.{name}", "ENCODER", Encoder)


def analyzer(name: str) -> Analyzer:
    """Return the analyzer in `tiktokd/analyzers/<name>.py`."""
    return _load(f"tiktokd.analyzers.{name}", "ANALYZER", Analyzer)


PluginT = TypeVar("PluginT", Encoder, Analyzer)


def _load(module: str, attribute: str, kind: type[PluginT]) -> PluginT:
    value = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(value, kind):
        raise ProtocolError(f"{module} must end with {attribute} = {kind.__name__}(…), found {type(value).__name__}")
    if value.name != module.rpartition(".")[2]:
        raise ProtocolError(f"{module}: the name must be that of the file, found {value.name!r}")
    return value
