"""The two engines of `flow`, OpenCV and torch: right on photographs, and alike on real clips (../shared/media).

They need not give the same flow; whoever reads the result of one video must come to the same conclusions.
"""

import cv2
import numpy as np
import pytest

from tests.analysis import MEDIA, decode_file, media
from tests.contexts import odd_clips
from tests.unit.test_motion import ENGINES, SIDE, measure, view
from tiktokd import graph
from tiktokd.analyzers import motion
from tiktokd.encoders import flow
from tiktokd.plugins import ClipArrays, Context, LoadContext
from tiktokd.runner import Runner

CLIPS = sorted((p.parent.name, p.name) for folder in ("clips", "composites") for p in (MEDIA / folder).glob("*.mp4"))
PHOTOS = sorted(p.name for p in (MEDIA / "real").glob("*.jpg"))
PAIRS = 40
"""Steps compared per clip: on a CPU torch takes 30 ms for each."""
CATALOGUE = graph.load()


def photo(name):
    grey = cv2.imread(str(media("real", name)), cv2.IMREAD_GRAYSCALE)
    factor = 600 / min(grey.shape)
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(float)


@pytest.mark.skipif(not PHOTOS, reason="no ../shared/media")
@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("engine", ENGINES)
def test_known_motion_of_a_photograph_is_recovered_to_five_percent(engine, name, accuracy):
    scene = photo(name)
    for x, y in ((3, 0), (0, -4), (6, 2)):
        found = measure(engine, view(scene), view(scene, right=x, down=y)).shift[0] * SIDE
        error = np.hypot(*(found - (x, y))) / np.hypot(x, y)
        accuracy(f"flow ({engine}): shift of a photograph, error", 100 * error, mark=5, unit="%")
    zoom = measure(engine, view(scene), view(scene, scale=1.03)).scale[0] - 1
    accuracy(f"flow ({engine}): zoom of a photograph, error", 100 * abs(zoom / 0.03 - 1), mark=5, unit="%")
    roll = np.degrees(measure(engine, view(scene), view(scene, degrees=2.0)).angle_rad[0])
    accuracy(f"flow ({engine}): roll of a photograph, error", 100 * abs(roll / 2 - 1), mark=5, unit="%")


def steps_of(path):
    """Return the facts of a clip and its pairs, at most 40 from its middle."""
    clip, arrays = decode_file(path)
    features = {}
    context = Context(facts=clip.facts, arrays=arrays, features=features)
    for spec in graph.order(flow.ENCODER.uses, CATALOGUE):
        features[spec.name] = spec.collect(context, spec.encode(spec.load(LoadContext()), spec.items(context)))
    (item,) = flow.ENCODER.items(context)
    start = max(0, len(item.first) - PAIRS) // 2
    return clip.facts, flow.Pairs(pictures=item.pictures, pts=item.pts, first=item.first[start : start + PAIRS])


def near(speed, other):
    """Return whether two speeds are within 15 % and 0.01 short sides per second, the least that is called motion."""
    return abs(speed - other) <= 0.15 * other + 0.01


def named(result):
    """Return the move named at each tenth of a second."""
    return {
        tenth: segment.move
        for segment in result.segments
        for tenth in range(round(segment.start_s * 10), round(segment.end_s * 10))
    }


@pytest.mark.skipif(not CLIPS, reason="no ../shared/media")
@pytest.mark.parametrize(("folder", "name"), CLIPS)
def test_both_engines_tell_the_same_story_of_a_real_clip(folder, name):
    facts, item = steps_of(media(folder, name))
    told = {}
    for engine, model in ENGINES.items():
        (found,) = flow.ENCODER.encode(model, [item])
        context = Context(facts=facts, arrays=ClipArrays({"thumbs_pts": item.pts}), features={"flow": found})
        told[engine] = motion.analyze(context)
    ours, theirs = told["torch"], told["opencv"]
    assert near(ours.output.motion_mean, theirs.output.motion_mean)
    assert (ours.output.camera is None) == (theirs.output.camera is None)
    if ours.output.camera:
        assert near(ours.output.camera.pan, theirs.output.camera.pan)
        assert near(ours.output.camera.tilt, theirs.output.camera.tilt)
    mine, other = named(ours), named(theirs)
    both = mine.keys() & other.keys()
    assert sum(mine[t] == other[t] for t in both) >= 0.85 * len(both)


def plan(group):
    found = graph.plan_level1(CATALOGUE.analyzers, group, CATALOGUE)
    return {spec.name for spec in found.encoders}, {spec.name for spec in found.analyzers}, found.publish


def test_flow_and_all_that_reads_it_run_in_one_group_and_a_pictures_stillness_is_all_that_runs_twice():
    cpu, gpu, fallback = (plan(group) for group in ("cpu", "gpu", "fallback"))
    assert not {"flow", "staging"} & cpu[0]
    for encoders, analyzers, published in (gpu, fallback):
        assert {"flow", "staging"} <= encoders & published
        assert "motion" in analyzers
    pictures = {name for name in cpu[0] & gpu[0] if CATALOGUE.encoders[name].input in ("frames", "low", "thumbs")}
    assert pictures == {"shots", "letterbox", "stillness"}, "each of these costs a CPU worker and the GPU worker"


@pytest.mark.parametrize("second", ["gpu", "fallback"])
def test_nothing_that_reads_the_motion_is_lost_or_changed_where_a_gpu_worker_or_the_fallback_measures_it(second):
    names = ("motion", "pacing", "hook", "production_format", "visual_quality")
    clip, arrays = odd_clips()["moving_noise"]
    told = []
    for groups in (("all",), ("cpu", second)):
        outputs, signals = {}, {}
        runner = Runner(LoadContext())  # as with gpu.devices = ["cpu"]
        for group in groups:
            done = runner.level1(names, group, Context(facts=clip.facts, arrays=arrays), lambda _name: None)
            outputs, signals = outputs | done.outputs, signals | done.signals
        last = Context(facts=clip.facts, outputs=outputs, signals=signals)
        outputs |= runner.level2(names, last, lambda _name: None).outputs
        told.append({name: (outputs[name].status, outputs[name].summary, outputs[name].segments) for name in names})
    assert told[0] == told[1]


@pytest.mark.gpu
def test_a_cuda_device_measures_what_the_cpu_does():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.uniform(16, 235, (60, 80)), (800, 600), interpolation=cv2.INTER_CUBIC)
    pictures = [view(scene, right=2.0 * i, scale=1 + 0.01 * i) for i in range(5)]
    item = flow.Pairs(pictures=pictures, pts=np.arange(5) / 10, first=np.arange(4))
    here, there = (flow.measure(flow.on_device(device), item) for device in ("cpu", "cuda"))
    for field in ("shift", "scale", "angle_rad", "magnitude", "residual", "patches"):
        assert np.allclose(getattr(here, field), getattr(there, field), atol=1e-3), field
