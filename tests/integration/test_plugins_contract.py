"""What every encoder and analyzer promises, tried on all of them as they are found."""

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest

from tests import tiny_models
from tests.analysis import analyze_arrays
from tests.contexts import odd_clips, talk
from tests.ranges import judge
from tiktokd import graph, plugins, selection
from tiktokd.model import Clip, Envelope, Metadata, Output, Reason
from tiktokd.plugins import Analyzer, ClipArrays, Context, Encoder, LoadContext
from tiktokd.scheduler.corpus import WATCHED

CATALOGUE = graph.load()
CLIPS = odd_clips() | {"talk": talk()}
READ = Envelope(
    analyzer="on_screen_text",
    version="1",
    status="ok",
    tier="full",
    summary={"lines": [{"text": "w30 w31 WAIT FOR IT", "start_s": 0.2, "end_s": 2.0}]},
)
HEARD = Envelope(
    analyzer="speech_transcription",
    version="1",
    status="ok",
    tier="full",
    summary={"text": "w50 w51 w52.", "language": "en", "language_prob": 0.9},
    segments=[{"start_s": 0.5, "end_s": 2.5, "text": "w50 w51 w52."}],
)
ANALYZERS = sorted(CATALOGUE.analyzers)
ENCODERS = sorted(CATALOGUE.encoders)


@pytest.mark.parametrize("name", ANALYZERS)
def test_an_analyzer_states_what_it_is(name):
    spec = CATALOGUE.analyzers[name]
    assert isinstance(spec, Analyzer)
    assert issubclass(spec.output, Output)
    assert spec.group in selection.GROUPS
    assert spec.title.strip()
    assert not spec.title.endswith(".")
    assert set(spec.uses) | set(spec.optional) | set(spec.signals) <= CATALOGUE.encoders.keys()
    assert not set(spec.uses) & set(spec.optional)
    if plugins.level(spec) == 1:
        assert not spec.after, "level 1 analyzers share encoders, not outputs"
        assert not spec.signals or name in WATCHED, "only the corpus reads signals for them"


@pytest.mark.parametrize("name", ANALYZERS)
def test_every_output_field_is_explained_with_its_unit_or_range(name):
    spec = CATALOGUE.analyzers[name]
    tree = ast.parse(inspect.getsource(importlib.import_module(spec.output.__module__)))
    silent = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        for here, following in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(here, ast.AnnAssign):
                told = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                if not told and not (here.value and "description" in ast.unparse(here.value)):
                    silent.append(f"{node.name}.{ast.unparse(here.target)}")
    assert silent == []


@pytest.mark.parametrize("name", ANALYZERS)
def test_the_module_says_what_it_is_bad_at(name):
    text = (importlib.import_module(f"tiktokd.analyzers.{name}").__doc__ or "").lower()
    assert len(text) > 150
    assert any(word in text for word in ("bad at", "fails", "misses", "weak", "cannot", "mislead")), text


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_states_what_it_is(name):
    spec = CATALOGUE.encoders[name]
    assert isinstance(spec, Encoder)
    assert spec.title.strip()
    assert set(spec.uses) <= CATALOGUE.encoders.keys()
    assert (importlib.import_module(f"tiktokd.encoders.{name}").__doc__ or "").strip()


@pytest.mark.parametrize("clip_name", sorted(CLIPS))
def test_an_odd_video_gives_honest_results_everywhere(clip_name):
    clip, arrays = CLIPS[clip_name]
    outputs = analyze_arrays(clip, arrays, ANALYZERS, Metadata())
    assert sorted(outputs) == ANALYZERS
    errors = {n: e.message for n, e in outputs.items() if e.status == "error"}
    assert errors == {}
    for envelope in outputs.values():
        _check(envelope)


def _check(envelope: Envelope) -> None:
    spec = CATALOGUE.analyzers[envelope.analyzer]
    judge(envelope)
    json.loads(json.dumps(envelope.model_dump(mode="json"), allow_nan=False))
    if envelope.status == "ok":
        assert envelope.reason is None
    else:
        assert envelope.reason in get_args(Reason), envelope
    if envelope.status == "skipped":
        assert envelope.summary == {}
    else:
        spec.output.model_validate(envelope.summary)
    for segment in envelope.segments:
        assert 0 <= segment["start_s"] <= segment["end_s"], segment
    if unfitted := sorted(set(_scores([envelope.summary, *envelope.segments]))):
        assert envelope.calibrated is False, (
            f"{envelope.analyzer} gives {unfitted} and does not say that nothing fits them"
        )


SCORE = re.compile(r"(score|scores|index|confidence|prob|probability)(_max|_mean)?$")
"""Fields of numbers that a reader could take for probabilities."""


def _scores(value: object) -> Iterator[str]:
    """Return the names of all fields that hold a score."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if SCORE.search(key) and inner is not None:
                yield key
            yield from _scores(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scores(inner)


def _seen(clip: Clip, arrays: ClipArrays, features: dict[str, object]) -> Context:
    return Context(
        facts=clip.facts,
        arrays=arrays,
        audio16_covers_s=clip.audio16_covers_s,
        audio48_covers_s=clip.audio48_covers_s,
        metadata=Metadata(description="w20 w21, follow me for more! #ramen", title="w40"),
        outputs={"on_screen_text": READ, "speech_transcription": HEARD},
        signals={"ast": {"labels": {"Music": 0.6, "Dog": 0.3}}, "siglip2": {"space": "tiny"}},
        features=features,
    )


def _items(name: str, clip_name: str, load: LoadContext) -> tuple[object, list[object]]:
    """Return (model, items) of an encoder on a made-up clip, its own inputs encoded first."""
    features: dict[str, object] = {}
    context = _seen(*CLIPS[clip_name], features)
    for encoder in graph.order([name], CATALOGUE):
        model, items = encoder.load(load), list(encoder.items(context))
        if encoder.name == name or not items:
            return model, items if encoder.name == name else []
        features[encoder.name] = encoder.collect(context, encoder.encode(model, items))
    raise AssertionError(name)


def same(left: object, right: object) -> bool:
    """Return whether two results are equal, arrays to 1e-5."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        numbers = np.issubdtype(left.dtype, np.number)
        return left.shape == right.shape and (
            np.allclose(left, right, rtol=1e-5, atol=1e-5, equal_nan=True)
            if numbers
            else bool(np.array_equal(left, right))
        )
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if hasattr(left, "__dataclass_fields__"):
        return type(left) is type(right) and all(
            same(getattr(left, f), getattr(right, f)) for f in left.__dataclass_fields__
        )
    if isinstance(left, float) and isinstance(right, float):
        return bool(np.isclose(left, right, rtol=1e-5, atol=1e-6, equal_nan=True))
    return bool(left == right)


@pytest.fixture(scope="module")
def load(tmp_path_factory) -> LoadContext:
    """Return a machine on which all weights are: tiny random ones, read by the real loader."""
    models_dir = tmp_path_factory.mktemp("models")
    tiny_models.write_all(models_dir)
    return LoadContext(models_dir=models_dir, threads=1)


@pytest.mark.filterwarnings(tiny_models.ODDITIES)
@pytest.mark.parametrize("name", ENCODERS)
def test_an_item_gives_the_same_result_alone_and_in_a_batch(name, load):
    encode = CATALOGUE.encoders[name].encode
    items: list[object] = []
    model = None
    for clip_name in ("one_second", "talk"):
        model, found = _items(name, clip_name, load)
        items += found[:2]
    assert items, f"no made-up clip gives {name} anything to encode"
    items += items[:1]
    together = encode(model, items)
    alone = [encode(model, [item])[0] for item in items]
    assert len(together) == len(items)
    assert all(same(a, b) for a, b in zip(together, alone, strict=True))
