"""Running plug-ins: one that fails costs nothing but itself, and every result says what it is."""

import json
import math

import pytest

from tests.contexts import facts
from tests.unit.test_graph import HUB, analyzer, catalogue, encoder
from tiktokd import graph
from tiktokd.errors import GpuOutOfMemory, ModelMissing
from tiktokd.model import Envelope, Metadata, ModelUsed, Output, Segment
from tiktokd.plugins import Context, LoadContext, ok, skipped
from tiktokd.runner import Runner


class Found(Output):
    """A number."""

    value: float = 1.0


def good(_context):
    return ok(Found(), [Segment(start_s=0.0, end_s=1.0)])


def fail(*_args):
    raise RuntimeError("broken")


def missing(_context):
    raise ModelMissing("fetch it")


def run(encoders, analyzers, *, group="all", level=1, **context):
    world = catalogue(encoders, analyzers)
    seen = Context(facts=facts(duration_s=3, frames=3, audio=True), **context)
    runner = Runner(LoadContext(), world)
    call = runner.level1 if level == 1 else runner.level2
    more = (group,) if level == 1 else ()
    return call(tuple(world.analyzers), *more, seen, lambda _name: None)


def spec(name, **more):
    return analyzer(name, **({"analyze": good, "output": Found} | more))


def test_an_analyzer_that_raises_leaves_the_others_alone():
    out = run([], [spec("a"), spec("b", analyze=fail), spec("c")]).outputs
    assert [out[n].status for n in "abc"] == ["ok", "error", "ok"]
    assert "RuntimeError: broken" in out["b"].message


def test_a_kept_result_is_read_unless_it_is_of_another_version_or_made_anew():
    read = {}

    def reads(context):
        read.update({name: one.version for name, one in context.outputs.items()})
        return good(context)

    world = catalogue(
        [],
        [
            spec("first", version="2"),
            spec("second", group="fusion", after=("first",), version="2"),
            spec("third", group="fusion", after=("first", "second"), analyze=reads),
        ],
    )
    runner = Runner(LoadContext(), world)

    def again(names, **versions):
        kept = {
            name: Envelope(analyzer=name, version=v, status="ok", tier="full", summary={"value": 5.0})
            for name, v in versions.items()
        }
        seen = Context(facts=facts(duration_s=3, frames=3, audio=True), outputs=kept)
        read.clear()
        return set(runner.level2(names, seen, lambda _n: None, kept=versions).outputs)

    assert again(["third"], first="2", second="2", third="1", gone="1") == {"third"}
    assert read == {"first": "2", "second": "2"}, "neither its own old result nor one of no analyzer"
    assert again(["third"], first="2", second="1", third="1") == {"second", "third"}
    assert read == {"first": "2", "second": "2"}
    assert again(["third"], first="1", second="2") == {"second", "third"}, "what rests on an old one is old"
    assert read == {"second": "2"}


def test_an_encoder_that_raises_costs_only_those_that_need_it():
    broken = encoder("x", items=lambda _c: [1], encode=fail)
    out = run([broken], [spec("needs", uses=("x",)), spec("likes", optional=("x",)), spec("free")]).outputs
    assert (out["needs"].status, out["likes"].status, out["free"].status) == ("error", "ok", "ok")
    assert out["likes"].tier == "lite"
    assert "broken" in out["needs"].message


def test_missing_weights_are_a_reason_and_not_an_error_and_are_asked_for_once():
    asked = []

    def load(context):
        asked.append(context)
        missing(context)

    world = catalogue(
        [encoder("x", weights=HUB, load=load)], [spec("needs", uses=("x",)), spec("likes", optional=("x",))]
    )
    runner = Runner(LoadContext(), world)
    seen = Context(facts=facts(duration_s=3, frames=3, audio=True))
    for _ in range(2):
        out = runner.level1(("needs", "likes"), "gpu", seen, lambda _n: None).outputs
        out |= runner.level1(("needs", "likes"), "cpu", seen, lambda _n: None).outputs
    assert (out["needs"].status, out["needs"].reason, out["needs"].message) == ("skipped", "model_missing", "fetch it")
    assert (out["likes"].status, out["likes"].tier) == ("ok", "lite")
    assert len(asked) == 1


def test_nothing_to_encode_is_the_encoders_own_reason_and_no_loss_of_tier():
    quiet = encoder("x", items=lambda _c: [], nothing="no_speech")
    out = run([quiet], [spec("needs", uses=("x",)), spec("likes", optional=("x",))]).outputs
    assert (out["needs"].status, out["needs"].reason) == ("skipped", "no_speech")
    assert (out["likes"].status, out["likes"].tier) == ("ok", "full")


def test_what_a_stand_in_gave_is_tier_lite_and_names_its_weights():
    used = ModelUsed(id="org/small", dtype="int8", device="cpu")
    small = encoder("small", stands_for="x", items=lambda _c: [1], models=(used,))
    world = graph.without_gpu(
        catalogue(
            [encoder("x", "gpu", load=fail), small],
            [spec("needs", uses=("x",), lightweight=False), spec("likes", optional=("x",)), spec("free")],
        )
    )
    seen = Context(facts=facts(duration_s=3, frames=3, audio=True))
    out = Runner(LoadContext(), world).level1(tuple(world.analyzers), "all", seen, lambda _name: None).outputs
    assert {n: (e.status, e.tier, e.models) for n, e in out.items()} == {
        "needs": ("ok", "lite", [used]),
        "likes": ("ok", "lite", [used]),
        "free": ("ok", "full", []),
    }


@pytest.mark.parametrize(
    ("need", "media", "reason"),
    [
        ("video", facts(duration_s=3, frames=0, audio=True), "no_video"),
        ("audio", facts(duration_s=3, frames=3, audio=False), "no_audio"),
        ("metadata", facts(duration_s=3, frames=3, audio=True), "no_metadata"),
    ],
)
def test_what_a_video_lacks_is_said_before_anything_runs(need, media, reason):
    world = catalogue([], [spec("a", needs=frozenset({need}), analyze=fail)])
    runner = Runner(LoadContext(), world)
    out = runner.level1(("a",), "all", Context(facts=media, metadata=Metadata()), lambda _n: None).outputs["a"]
    assert (out.status, out.reason) == ("skipped", reason)


def test_what_a_video_lacks_comes_before_weights_that_it_could_not_use():
    world = catalogue(
        [encoder("x", weights=HUB, load=missing)],
        [spec("a", group="audio", uses=("x",), needs=frozenset({"audio"}), lightweight=False)],
    )
    runner = Runner(LoadContext(), world)

    def reason(audio):
        seen = Context(facts=facts(duration_s=3, frames=3, audio=audio))
        return runner.level1(("a",), "all", seen, lambda _n: None).outputs["a"].reason

    assert (reason(False), reason(True)) == ("no_audio", "model_missing")


def test_without_a_gpu_too_a_video_with_nothing_for_a_model_is_not_asked_for_it():
    speech = encoder("speech", items=lambda c: [1], encode=lambda _m, batch: batch)
    words = encoder(
        "words", "gpu", weights=HUB, load=missing, uses=("speech",), nothing="no_speech", nothing_said="nobody speaks",
        items=lambda c: [] if c.facts.duration_s < 5 and "speech" in c.features else [1],
    )  # fmt: skip
    world = catalogue([speech, words], [spec("a", group="audio", uses=("words",), lightweight=False)])
    runner = Runner(LoadContext(), world)

    def said(duration_s):
        seen = Context(facts=facts(duration_s=duration_s, frames=3, audio=True))
        out = runner.level1(("a",), "all", seen, lambda _n: None).outputs["a"]
        return out.reason, out.message

    assert said(3) == ("no_speech", "nobody speaks")
    assert said(30)[0] == "model_missing"
    assert "tiktokctl models pull" in said(30)[1]
    assert said(30)[1].endswith("; it runs on a GPU alone, and none is at work here (gpu.devices)")


def test_an_encoder_that_trips_while_it_is_looked_at_costs_no_other_result():
    world = catalogue(
        [encoder("x", "gpu", weights=HUB, items=fail)],
        [spec("a", group="audio", uses=("x",), lightweight=False), spec("b")],
    )
    seen = Context(facts=facts(duration_s=3, frames=3, audio=True))
    out = Runner(LoadContext(), world).level1(("a", "b"), "all", seen, lambda _n: None).outputs
    assert (out["a"].reason, out["b"].status) == ("model_missing", "ok")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_has_not_is_an_error_with_its_place(value):
    out = run([], [spec("a", analyze=lambda _c: ok(Found(value=value)))]).outputs["a"]
    assert out.status == "error"
    assert "summary.value" in out.message


def test_a_full_gpu_reaches_the_queue():
    class OutOfMemoryError(RuntimeError):
        pass

    def full(_context):
        raise OutOfMemoryError("CUDA out of memory")

    with pytest.raises(GpuOutOfMemory):
        run([], [spec("a", analyze=full)])


def test_level_two_reads_what_ran_before_it():
    def count(context):
        return ok(Found(value=float(len(context.outputs))))

    out = run(
        [],
        [
            spec("first", group="text", analyze=count),
            spec("second", group="text", after=("first",), analyze=count),
        ],
        level=2,
    ).outputs
    assert (out["first"].summary["value"], out["second"].summary["value"]) == (0.0, 1.0)


def test_segments_and_result_are_plain_json():
    out = run([], [spec("a")]).outputs["a"]
    assert out.segments == [{"start_s": 0.0, "end_s": 1.0}]
    assert out.summary == {"value": 1.0}


def fused(level_one, level_two=None, *, group="all", load=None):
    """Return level-1 signals and the level-2 envelope of an analyzer `late` that says why `x` is lacking."""
    tell = spec(
        "late", group="fusion", signals=("x",), analyze=level_two or (lambda c: ok(Found(value=float(not c.lack("x")))))
    )
    world = catalogue(level_one, [tell])
    seen = Context(facts=facts(duration_s=3, frames=3, audio=True))
    runner = Runner(load or LoadContext(), world)
    signals = runner.level1(("late",), group, seen, lambda _n: None).signals
    later = Context(facts=seen.facts, signals=json.loads(json.dumps(signals)))
    return signals, runner.level2(("late",), later, lambda _n: None).outputs["late"]


def lacking(context):
    reason, message = context.lack("x")
    return skipped(reason, message)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"items": lambda _c: [], "nothing": "no_people", "nothing_said": "nobody there"},
            ("no_people", "nobody there"),
        ),
        ({"items": lambda _c: [1], "load": missing}, ("model_missing", "fetch it")),
        ({"items": lambda _c: [1], "encode": fail}, ("no_sources", "encoder x: RuntimeError: broken")),
    ],
)
def test_level_two_is_told_why_an_encoder_gave_no_signals(more, expected):
    _signals, late = fused([encoder("x", signals=lambda _f: {"n": 1}, **more)], lacking)
    assert (late.reason, late.message) == expected


def test_without_a_gpu_level_two_hears_of_the_gpu_and_not_of_weights_that_are_there():
    x = encoder("x", "gpu", items=lambda _c: [1], signals=lambda _f: {"n": 1})
    _signals, late = fused([x], lacking)
    assert late.reason == "cpu_fallback"
    _signals, late = fused([encoder("x", "gpu", weights=HUB, items=lambda _c: [1], load=missing)], lacking)
    assert late.reason == "model_missing"
    assert "tiktokctl models pull" in late.message
    assert late.message.endswith("it runs on a GPU alone, and none is at work here (gpu.devices)"), (
        "fetching is not all"
    )


def test_a_result_names_the_weights_behind_the_signals_that_it_read():
    used = ModelUsed(id="org/x", revision="0" * 40)
    x = encoder("x", items=lambda _c: [1], encode=lambda _m, b: b, signals=lambda _f: {"n": 1}, models=(used,))
    signals, late = fused([x])
    assert signals["x"] == {"n": 1}
    assert late.models == [used]
    assert late.summary == {"value": 1.0}
