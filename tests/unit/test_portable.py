"""Features that travel between processes come back exactly, or are refused; beside a GPU they are computed once."""

import copy
import json
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from tests.contexts import odd_clips
from tiktokd import graph, portable
from tiktokd.encoders._text_gate import Band, Look, TextLooks
from tiktokd.errors import ProtocolError
from tiktokd.footage import Bars, Shot, Shots, Stillness, Transition
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner
from tiktokd.sound import SoundLevel

NAMES = (
    *("shot_boundaries", "motion", "color_palette", "loudness", "visual_quality", "near_duplicate_video"),
    *("pacing", "production_format", "audio_events"),
)
SHOTS = Shots(
    transitions=(Transition(kind="cut", start_s=0.1, end_s=0.1, score=1.0),),
    shots=(Shot(first=0, last=2, start_s=0.0, end_s=0.1, keyframe_s=0.0, black=True),),
    change=np.array([0.0, 1 / 3, np.nan], np.float32),
    pts=np.arange(3) / 3,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def sent(value):
    return json.loads(json.dumps(portable.pack(value)))


@pytest.mark.parametrize(
    "value",
    [
        SHOTS,
        Bars(top=0.25, bottom=0.0, left=0.0, right=1 / 3, fill="blurred"),
        Bars(top=0.0, bottom=0.0, left=0.0, right=0.0, fill=None),
        Stillness(black=((0.0, 1.5), (3.0, 4.0)), frozen=()),
        SoundLevel(db=np.zeros(0)),
        TextLooks(looks=(Look(0), Look(3, (Band(0.1, 1 / 3, ((0.025, 0.2), (0.075, 0.2))), Band(0.5, 0.6))))),
    ],
)
def test_what_was_packed_is_the_same_to_the_bit(value):
    assert same(portable.unpack(type(value), sent(value)), value)


def test_what_is_no_such_value_is_refused():
    good = sent(SHOTS)

    def broken(change):
        data = copy.deepcopy(good)
        change(data)
        return data

    for change in (
        lambda d: d.pop("pts"),
        lambda d: d.update(more=1),
        lambda d: d["change"].update(dtype="|O"),
        lambda d: d["change"].update(shape=[4]),
        lambda d: d["change"].update(data="no base64"),
        lambda d: d["shots"][0].update(first="0"),
        lambda d: d["transitions"][0].update(kind="explosion"),
        lambda d: d.update(shots=5),
        lambda d: d.update(pts=None),
    ):
        with pytest.raises(ProtocolError, match="not Shots"):
            portable.unpack(Shots, broken(change))
    with pytest.raises(ProtocolError):
        portable.unpack(Stillness, {"black": [[0.0]], "frozen": []})
    with pytest.raises(ProtocolError):
        portable.unpack(Shots, ["shots"])


@pytest.mark.parametrize("clip", ["moving_noise", "black", "sound_only", "one_frame_with_sound", "one_second"])
def test_both_halves_find_the_same_with_what_was_computed_before_them_and_compute_it_no_more(clip):
    media, arrays = odd_clips()[clip]
    runner = Runner(LoadContext())
    seen = Context(facts=media.facts, arrays=arrays, audio48_covers_s=3.0, audio16_covers_s=3.0)
    found, _ms = runner.shared(NAMES, seen, lambda _name: None)
    classes = {name: runner.catalogue.encoders[name].portable for name in found}
    given = {name: portable.unpack(classes[name], sent(value)) for name, value in found.items()}
    for group in ("cpu", "gpu"):
        alone = runner.level1(NAMES, group, seen, lambda _name: None)
        with_it = Runner(LoadContext()).level1(  # another process has never loaded what was given
            NAMES, group, Context(**{f.name: getattr(seen, f.name) for f in fields(seen)} | {"features": given}), print
        )
        assert {n: e.model_dump(exclude={"wall_ms"}) for n, e in with_it.outputs.items()} == {
            n: e.model_dump(exclude={"wall_ms"}) for n, e in alone.outputs.items()
        }
        assert with_it.signals == alone.signals
        assert alone.encoder_ms.keys() - with_it.encoder_ms.keys() >= alone.encoder_ms.keys() & given.keys()
    seen_alone, heard = {"shots", "letterbox", "stillness"}, {"sound_level"}
    assert given.keys() == (heard if clip == "sound_only" else seen_alone | heard)


def test_every_encoder_that_both_halves_read_is_portable_and_uses_no_other():
    everything = graph.load()
    for world in (everything, graph.without_gpu(everything), graph.load(onnx_on_gpu=True)):
        cpu, gpu = (graph.plan_level1(world.analyzers, group, world) for group in ("cpu", "gpu"))
        both = {e.name for e in cpu.encoders} & {e.name for e in gpu.encoders}
        assert {e.name for e in graph.shared(world.analyzers, world)} == both
        assert all(is_dataclass(world.encoders[name].portable) and not world.encoders[name].uses for name in both)
    assert graph.shared(["loudness"], everything) == ()


def test_where_text_and_codes_may_be_is_found_once_for_both_their_readers():
    texts = ("on_screen_text", "call_to_action")
    for world in (graph.load(), graph.load(onnx_on_gpu=True)):
        plan = graph.plan_level1(texts, "all", world)
        assert [e.name for e in plan.encoders if e.name in ("text_looks", "ocr", "qr")] == ["text_looks", "ocr", "qr"]
        assert all(world.encoders[name].uses == ("text_looks",) for name in ("ocr", "qr"))
    assert [e.name for e in graph.shared(texts, graph.load(onnx_on_gpu=True))] == ["text_looks"]
    assert graph.shared(texts, graph.load()) == ()
