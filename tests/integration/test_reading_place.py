"""Where text is read: on the GPU where onnxruntime computes there, else by the CPU workers, and never by both."""

import logging
import sys

import numpy as np
import pytest
import torch

from tests.contexts import clip_of, facts
from tests.lettering import backdrop, planes, small_luma, write
from tiktokd import graph, onnx
from tiktokd.cli import _checks_packages
from tiktokd.config import Config
from tiktokd.daemon import Targets
from tiktokd.daemon_crew import specs
from tiktokd.encoders import _text_reader, ocr
from tiktokd.errors import GpuOutOfMemory
from tiktokd.plugins import Context, LoadContext, level
from tiktokd.runner import Runner
from tiktokd.turns import PACKAGES, runner_for
from tiktokd.worker import WorkerSetup, versions

PLAIN, GPU, BOTH = (frozenset(names) for names in ((onnx.CPU,), (onnx.GPU,), (onnx.CPU, onnx.GPU)))
PLACES = {
    "no_gpu": ((), PLAIN, ("all",), "all"),
    "no_gpu_but_its_package": ((), GPU, ("all",), "all"),
    "gpu_and_plain_onnxruntime": (("cuda:0",), PLAIN, ("gpu", "cpu"), "cpu"),
    "gpu_and_onnxruntime_gpu": (("cuda:0",), GPU, ("gpu", "cpu"), "gpu"),
    "gpu_and_both_packages": (("cuda:0",), BOTH, ("gpu", "cpu"), "cpu"),
    "gpu_given_up_and_plain_onnxruntime": (("cuda:0",), PLAIN, ("fallback", "cpu"), "cpu"),
    "gpu_given_up_and_onnxruntime_gpu": (("cuda:0",), GPU, ("fallback", "cpu"), "fallback"),
    "the_cpu_as_gpu": (("cpu",), GPU, ("gpu", "cpu"), "cpu"),
}
"""Name → devices, packages, the groups of one video's requests, and the group whose worker reads text."""


def crew(devices, packages):
    return specs(Config(), Targets(), devices, onnx_on_gpu=onnx.on_gpu(devices, packages))


def catalogues(devices, packages):
    """Return the catalogues of a daemon's workers, as each makes its own."""
    return [graph.load(onnx_on_gpu=spec.onnx_on_gpu) for spec in crew(devices, packages)]


@pytest.mark.parametrize("name", sorted(PLACES))
def test_every_analysis_and_the_reading_run_exactly_once_whatever_is_installed(name):
    devices, packages, groups, reads = PLACES[name]
    first, *others = catalogues(devices, packages)
    assert all(one.encoders == first.encoders for one in others), "all workers see the same plan"
    cpu = graph.without_gpu(first)
    plans = {group: graph.plan_level1(first.analyzers, group, first if group == "gpu" else cpu) for group in groups}
    told = [name for plan in plans.values() for name in plan.publish]
    wanted = {name for a in first.analyzers.values() for name in a.signals}
    assert sorted(told) == sorted(wanted & first.encoders.keys()), "each signal is published by one worker"
    ran = sorted(a.name for plan in plans.values() for a in (*plan.analyzers, *plan.too_heavy))
    assert ran == sorted(n for n, a in first.analyzers.items() if level(a) == 1)
    assert [group for group, plan in plans.items() if "ocr" in {e.name for e in plan.encoders}] == [reads]
    assert [group for group, plan in plans.items() if "qr" in plan.publish] == [groups[-1]], "codes stay on the CPU"


@pytest.mark.parametrize("onnx_on_gpu", [False, True])
def test_a_worker_plans_as_the_daemon_tells_it(onnx_on_gpu):
    setup = WorkerSetup(
        name="w", index=0, config=Config(), region=None, device="cpu", onnx_on_gpu=onnx_on_gpu, report=lambda **_: None
    )
    assert graph.on_gpu(runner_for(setup, gpu=True).catalogue.encoders["ocr"]) is onnx_on_gpu


@pytest.mark.parametrize("onnx_on_gpu", [False, True])
def test_what_a_cpu_worker_runs_needs_nothing_that_a_gpu_worker_runs_too(onnx_on_gpu):
    encoders = graph.load(onnx_on_gpu=onnx_on_gpu).encoders
    assert graph.on_gpu(encoders["ocr"]) is onnx_on_gpu
    drawn = [(e.name, n) for e in encoders.values() if not graph.on_gpu(e) for n in e.uses if graph.on_gpu(encoders[n])]
    assert drawn == []


def install(monkeypatch, directory, *packages):
    """Put these packages where Python finds what is installed, and nothing else there."""
    for name in packages:
        about = directory / f"{name.replace('-', '_')}-1.31.1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.31.1\n")
    monkeypatch.setattr(sys, "path", [str(directory)])


@pytest.mark.parametrize(("packages", "on_gpu"), [(PLAIN, False), (GPU, True), (BOTH, False), (frozenset(), False)])
def test_the_package_for_the_gpu_is_trusted_only_where_it_is_alone(monkeypatch, tmp_path, packages, on_gpu):
    install(monkeypatch, tmp_path, *packages)
    assert onnx.installed() == packages
    assert onnx.on_gpu(["cuda:0"], onnx.installed()) is on_gpu


def test_a_worker_says_by_which_package_and_version_text_is_read(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, *GPU)
    assert versions(PACKAGES)[onnx.GPU] == "1.31.1"


def lettering():
    """Return a clip of two seconds that says one line."""
    size, times = (540, 960), np.arange(20) / 10
    shown = [write(backdrop(size, 1, shift_px=3 * i), [("WAIT FOR IT", 300, 48)]) for i in range(len(times))]
    full = {"frames": np.stack([planes(p) for p in shown[::5]]), "frames_pts": times[::5]}
    low = {"low": np.stack([small_luma(p) for p in shown]), "low_pts": times}
    return clip_of(facts(duration_s=2.0, frames=20, audio=False, size=size), full | low)


without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there may be CUDA")


@without_cuda
def test_without_cuda_the_gpu_worker_reads_on_the_cpu_and_says_so(caplog):
    clip, arrays = lettering()
    context = Context(facts=clip.facts, arrays=arrays)
    catalogue, outputs = graph.load(onnx_on_gpu=True), []
    with caplog.at_level(logging.WARNING):
        for device, group in (("cuda:0", "gpu"), ("cpu", "cpu")):
            runner = Runner(LoadContext(device=device), catalogue)
            outputs.append(runner.level1(["on_screen_text"], group, context, lambda _name: None).outputs)
    found = outputs[0]["on_screen_text"]
    assert outputs[1] == {}
    assert (found.status, found.summary["text_all"]) == ("ok", "WAIT FOR IT")
    assert [(model.id[:12], model.device) for model in found.models] == [("PaddlePaddle", "cpu")]
    assert [r.getMessage() for r in caplog.records] == [
        "onnxruntime cannot use cuda:0: text is read on the CPU; see `tiktokctl doctor`"
    ]


def test_on_a_cpu_worker_nothing_is_said_about_cuda(caplog):
    with caplog.at_level(logging.DEBUG, logger="tiktokd"):
        assert ocr.load(LoadContext()).device == "cpu"
    assert caplog.records == []


def test_doctor_says_where_text_is_read_and_how_two_packages_become_one(monkeypatch, tmp_path):
    plain = _checks_packages.onnxruntime()
    assert plain.level == "ok"
    assert "text is read on the CPU" in plain.found
    install(monkeypatch, tmp_path, *BOTH)
    both = _checks_packages.onnxruntime()
    assert both.level == "warn"
    assert both.advice == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --no-deps onnxruntime-gpu"


@without_cuda
def test_doctor_warns_where_the_package_for_the_gpu_finds_no_cuda(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, *GPU)
    found = _checks_packages.onnxruntime()
    assert found.level == "warn"
    assert "CUDA does not work" in found.found


@pytest.mark.parametrize(
    ("device", "said", "seen"),
    [
        ("cuda:0", "Failed to allocate memory for requested buffer of size 939524096", GpuOutOfMemory),
        ("cuda:0", "CUDA failure 2: out of memory ; GPU=0", GpuOutOfMemory),
        ("cuda:0", "Non-zero status code returned while running Conv node", Exception),
        ("cpu", "Failed to allocate memory for requested buffer of size 939524096", Exception),
    ],
)
def test_a_gpu_without_room_for_a_picture_is_a_full_gpu_to_the_queue_and_nothing_else_is(
    monkeypatch, device, said, seen
):
    def fail(*_args, **_named):
        raise RuntimeError(said)

    reader = _text_reader.load(LoadContext(threads=1))
    reader.device = device
    monkeypatch.setattr("onnxruntime.InferenceSession.run", fail)
    picture = np.full((96, 320, 3), 255, np.uint8)
    whole = _text_reader.Band(top=0.0, bottom=1.0)
    for read in (lambda: reader.boxes(picture, whole), lambda: reader.read(picture)):
        with pytest.raises(Exception, match=r"size|GPU|Conv") as caught:
            read()
        assert isinstance(caught.value, GpuOutOfMemory) == (seen is GpuOutOfMemory)
