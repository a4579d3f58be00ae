"""Which plug-ins run where: pure decisions over specifications."""

from dataclasses import replace

import pytest

from tiktokd import graph
from tiktokd.errors import ConfigError
from tiktokd.model import Output
from tiktokd.plugins import Analyzer, Encoder, LoadContext, Weights, skipped

HUB = Weights(hub_id="org/model", revision=None, licence="MIT", size_mib=1)


def encoder(name, place="cpu", **more):
    fields = {"title": name, "input": "frames", "load": lambda _c: None, "encode": lambda _m, batch: batch} | more
    return Encoder(name=name, place=place, **fields)


def analyzer(name, group="video", **more):
    fields = {"title": name, "output": Output, "analyze": lambda _c: skipped("too_short")} | more
    return Analyzer(name=name, group=group, **fields)


def catalogue(encoders, analyzers):
    return graph.Catalogue(encoders={e.name: e for e in encoders}, analyzers={a.name: a for a in analyzers})


WORLD = catalogue(
    [
        encoder("sound"),
        encoder("pixels", "either"),
        encoder("image", "gpu", weights=HUB),
        encoder("pose", "gpu", uses=("image",)),
        encoder("words"),
    ],
    [
        analyzer("loud", "audio", uses=("sound",)),
        analyzer("move", uses=("pixels",)),
        analyzer("scene", uses=("image",), lightweight=False),
        analyzer("people", uses=("pose",), optional=("pixels",), lightweight=False),
        analyzer("text", "text", uses=("words",), after=("move",)),
        analyzer("hook", "fusion", after=("text", "loud"), signals=("image",)),
    ],
)
ALL = tuple(WORLD.analyzers)


def put_model(home):
    """Write a model without tensors."""
    home.mkdir()
    (home / "config.json").write_text("{}")
    (home / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")


def names(plan):
    return [a.name for a in plan.analyzers]


def test_an_analyzer_lives_where_its_encoders_live():
    assert names(graph.plan_level1(ALL, "cpu", WORLD)) == ["loud"]
    assert names(graph.plan_level1(ALL, "gpu", WORLD)) == ["move", "scene", "people"]


def test_both_groups_together_are_everything_and_nothing_twice():
    parts = [names(graph.plan_level1(ALL, group, WORLD)) for group in ("cpu", "gpu")]
    whole = graph.plan_level1(ALL, "all", WORLD)
    assert sorted(parts[0] + parts[1]) == sorted(names(whole) + [a.name for a in whole.too_heavy])


def test_without_a_gpu_the_heavy_ones_are_named_and_left_out():
    plan = graph.plan_level1(ALL, "all", WORLD)
    assert [a.name for a in plan.too_heavy] == ["scene", "people"]
    assert "pose" not in [e.name for e in plan.encoders]


def test_a_light_analyzer_draws_no_gpu_model_into_a_cpu_worker():
    world = catalogue(
        [encoder("cheap"), encoder("image", "gpu", weights=HUB)], [analyzer("a", optional=("image", "cheap"))]
    )
    assert [e.name for e in graph.plan_level1(("a",), "all", world).encoders] == ["cheap"]
    assert [e.name for e in graph.plan_level1(("a",), "gpu", world).encoders] == ["cheap", "image"]


def test_the_fallback_runs_the_light_part_of_the_gpu_group_alone():
    plan = graph.plan_level1(ALL, "fallback", WORLD)
    assert (names(plan), [a.name for a in plan.too_heavy]) == (["move"], ["scene", "people"])


def test_a_stand_in_gives_what_it_stands_for_on_cpu_workers_and_nowhere_else():
    small = encoder("small", stands_for="image", weights=replace(HUB, hub_id="org/small", extra=True))
    world = catalogue([*WORLD.encoders.values(), small], WORLD.analyzers.values())
    cpu = graph.without_gpu(world)
    assert [(e.name, e.weights.hub_id) for e in graph.plan_level1(("scene",), "all", cpu).encoders] == [
        ("image", "org/small")
    ]
    for group, runs in (("all", ["loud", "move", "scene"]), ("fallback", ["move", "scene"]), ("cpu", ["loud"])):
        plan = graph.plan_level1(ALL, group, cpu)
        assert names(plan) == runs, group
        assert [a.name for a in plan.too_heavy] == ([] if group == "cpu" else ["people"]), "pose needs a GPU"
    assert graph.plan_level1(ALL, "gpu", world).encoders == graph.plan_level1(ALL, "gpu", WORLD).encoders
    assert graph.plan_level1(("hook",), "fallback", cpu).publish == {"image"}


def test_where_a_stand_in_works_the_tier_is_lite_and_its_absence_is_told(tmp_path):
    small = encoder("small", stands_for="image", weights=replace(HUB, hub_id="org/small", extra=True))
    cpu = graph.without_gpu(catalogue([encoder("image", "gpu", weights=HUB), small], [WORLD.analyzers["scene"]]))
    load = LoadContext(models_dir=tmp_path)
    told = graph.facts(cpu.analyzers["scene"], cpu, load, gpu=False)
    assert (told.tier, "tiktokctl models pull org/small" in told.reason) == ("none", True)
    put_model(tmp_path / "org--small")
    told = graph.facts(cpu.analyzers["scene"], cpu, load, gpu=False)
    assert (told.tier, told.reason.split(" stands in")[0]) == ("lite", "org/small")


def test_an_encoder_whose_signals_are_wanted_runs_even_if_no_analyzer_of_the_group_reads_it():
    plan = graph.plan_level1(("hook",), "gpu", WORLD)
    assert plan.publish == {"image"}
    assert "image" in [e.name for e in plan.encoders]
    assert graph.plan_level1(("hook",), "cpu", WORLD).publish == frozenset()


def test_signals_come_from_the_part_of_a_video_that_computes_their_features_anyway():
    """An encoder of the CPU that an analyzer of the GPU reads ran twice, once only to publish its signals."""
    readers = [analyzer("move", uses=("pixels",), optional=("sound",)), analyzer("late", "fusion", signals=("sound",))]
    world = catalogue(WORLD.encoders.values(), readers)
    plans = {group: graph.plan_level1(("move", "late"), group, world) for group in ("cpu", "gpu", "fallback", "all")}
    assert {group: plan.publish for group, plan in plans.items()} == {
        "cpu": frozenset(), "gpu": {"sound"}, "fallback": {"sound"}, "all": {"sound"},
    }  # fmt: skip
    assert plans["cpu"].encoders == ()
    alone = {group: graph.plan_level1(("late",), group, world).publish for group in ("cpu", "gpu")}
    assert alone == {"cpu": {"sound"}, "gpu": frozenset()}


def test_beside_a_gpu_signals_come_from_one_half():
    everything = graph.load()
    cpu, gpu = (graph.plan_level1(everything.analyzers, group, everything) for group in ("cpu", "gpu"))
    assert not cpu.publish & gpu.publish


def test_texts_publish_the_signals_that_they_have_for_the_corpus():
    told = encoder("told", input="text", signals=lambda _features: {})
    world = catalogue([told, encoder("silent", input="text")], [analyzer("late", "text", optional=("told", "silent"))])
    assert graph.plan_level2(("late",), world).publish == {"told"}


def test_what_an_analyzer_reads_runs_with_it():
    assert set(graph.with_read(["hook"], WORLD)) == {"hook", "text", "loud", "move"}
    assert names(graph.plan_level2(["hook"], WORLD)) == ["text", "hook"]
    assert names(graph.plan_level1(["hook"], "cpu", WORLD)) == ["loud"]


def test_what_it_reads_does_not_run_again_where_its_result_is_there_and_of_this_version():
    kept = {"text": "1", "loud": "1", "move": "1", "hook": "1"}
    assert graph.with_read(["hook"], WORLD, kept) == ("hook",)
    assert names(graph.plan_level2(["hook"], WORLD, kept)) == ["hook"]
    level1 = graph.plan_level1(["hook"], "all", WORLD, kept)
    assert names(level1) == []
    assert level1.publish == {"image"}, "signals are not kept: the encoders run for them"
    assert set(graph.with_read(["hook"], WORLD, kept | {"text": "0"})) == {"hook", "text"}
    assert set(graph.with_read(["hook"], WORLD, {"loud": "1"})) == {"hook", "text", "move"}
    assert set(graph.with_read(["hook"], WORLD, kept | {"move": "0"})) == {"hook", "text", "move"}, "text rests on move"
    assert graph.with_read(["hook", "move"], WORLD, kept) == ("hook", "move"), "nobody asked for what lies between"
    assert graph.with_read(["hook", "text"], WORLD, kept) == ("text", "hook"), "both were asked for, in their order"


def test_encoders_come_after_those_they_use():
    assert [e.name for e in graph.order(["pose"], WORLD)] == ["image", "pose"]


def test_circles_are_refused_and_not_followed():
    ring = catalogue([encoder("a", uses=("b",)), encoder("b", uses=("a",))], [])
    with pytest.raises(ConfigError, match="circle"):
        graph.order(["a"], ring)


def test_the_tier_available_now_names_the_command_that_raises_it(tmp_path):
    load = LoadContext(models_dir=tmp_path)
    scene = graph.facts(WORLD.analyzers["scene"], WORLD, load)
    assert (scene.tier, graph.facts(WORLD.analyzers["loud"], WORLD, load).tier) == ("none", "full")
    assert "tiktokctl models pull org/model" in scene.reason
    assert graph.facts(WORLD.analyzers["hook"], WORLD, load).tier == "lite"


def test_an_analyzer_that_reads_what_is_never_there_is_no_full_tier(tmp_path):
    reader = analyzer("reader", "text", uses=("words",), after=("scene", "loud"))
    second = analyzer("second", "text", uses=("words",), after=("reader",))
    world = catalogue(WORLD.encoders.values(), [*WORLD.analyzers.values(), reader, second])
    told = graph.facts(reader, world, LoadContext(models_dir=tmp_path))
    assert (told.tier, told.reads) == ("lite", ("scene", "loud"))
    assert "tiktokctl models pull org/model" in told.reason
    assert graph.facts(second, world, LoadContext(models_dir=tmp_path)).tier == "full", "as the runner judges"


def test_a_model_that_lies_here_for_nobody_is_no_full_tier(tmp_path):
    put_model(tmp_path / "org--model")
    load = LoadContext(models_dir=tmp_path)
    tiers = [
        graph.facts(WORLD.analyzers[name], WORLD, load, gpu=gpu).tier for name in ("scene", "hook") for gpu in (1, 0)
    ]
    assert tiers == ["full", "none", "full", "lite"]
    assert "gpu.devices" in graph.facts(WORLD.analyzers["scene"], WORLD, load, gpu=False).reason


def test_a_config_line_chooses_another_model_and_nonsense_is_refused():
    assert graph.own_models({"image": "me/mine@" + "0" * 40}, WORLD) == {"org/model": "me/mine@" + "0" * 40}
    for settings in ({"imgae": "me/mine"}, {"sound": "me/mine"}, {"image": "not a model"}):
        with pytest.raises(ConfigError):
            graph.own_models(settings, WORLD)
