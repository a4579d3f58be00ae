"""How many workers, devices and slots the settings mean."""

from pathlib import Path

import pytest

from tiktokd.config import Config
from tiktokd.daemon import Targets, environment
from tiktokd.daemon_crew import slot_count, specs
from tiktokd.errors import ConfigError
from tiktokd.scheduler.child import WorkerSpec
from tiktokd.scheduler.gpus import Gpus
from tiktokd.scheduler.runtime import seen_as
from tiktokd.scheduler.supervisor import Supervisor
from tiktokd.settings_check import check

GIB = 2**30


def config(**tables: object) -> Config:
    return Config.model_validate(tables)


@pytest.mark.parametrize(
    ("memory_gib", "gpus", "slots"),
    [(1, 0, 4), (8, 0, 12), (64, 0, 64), (512, 0, 64), (8, 2, 16), (512, 16, 128)],
)
def test_automatic_slots_take_a_tenth_of_the_memory_and_at_most_4_gib_but_enough_for_every_gpu(
    memory_gib: int, gpus: int, slots: int
) -> None:
    assert slot_count(config(), gpus, memory_gib * GIB) == slots


def test_a_number_of_slots_is_taken_as_it_is() -> None:
    assert slot_count(config(analysis={"slots": 3}), 8, 512 * GIB) == 3


def test_the_first_worker_of_each_kind_is_started_before_the_second_of_any() -> None:
    settings = config(cpu={"workers": 3}, download={"workers": 2})
    names = [spec.name for spec in specs(settings, Targets(), ("cuda:0", "cuda:1"))]
    assert set(names[:3]) == {"cpu_worker_0", "gpu_worker_0", "download_worker_0"}
    assert len(names) == 7
    devices = {spec.name: spec.device for spec in specs(settings, Targets(), ("cuda:0", "cuda:1"))}
    assert devices["gpu_worker_1"] == "cuda:1"
    assert devices["cpu_worker_1"] == "cpu"


def test_a_worker_that_waits_for_its_first_start_is_starting_since_now(tmp_path: Path) -> None:
    settings = config(daemon={"state_dir": str(tmp_path)})
    spec = WorkerSpec(kind="download", index=0, target="tests.rascals:start")
    supervisor = Supervisor([spec], settings, emit=lambda _: None, clock=lambda: 500.0)
    (worker,) = supervisor.workers.values()
    assert (seen_as(worker), worker.since) == ("starting", 500.0)
    worker.restarts = 1
    assert seen_as(worker) == "backoff"


@pytest.mark.parametrize("name", ["cuda", "cuda:x", "gpu", "auto", "cuda:999"])
def test_a_device_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"gpu\.devices"):
        Gpus().devices([name, "cpu"])


def test_the_gpu_path_runs_on_the_cpu_where_it_is_asked_to() -> None:
    assert Gpus().devices(["cpu"]) == ("cpu",)
    assert Gpus().devices([]) == ()
    assert Gpus().snapshot(["cpu"])[0].name is None


def test_children_inherit_one_thread_per_library_unless_the_settings_say_more() -> None:
    assert environment(config(cpu={"threads": 3}))["OMP_NUM_THREADS"] == "3"
    assert environment(config())["OPENBLAS_NUM_THREADS"] == "1"


def test_every_problem_of_this_machine_is_named_at_once(tmp_path: Path) -> None:
    settings = config(daemon={"state_dir": str(tmp_path / ("x" * 120))}, analysis={"analyzers": ["astrology"]})
    with pytest.raises(ConfigError) as caught:
        check(settings)
    assert "astrology" in str(caught.value)
    assert "Unix allows 107" in str(caught.value)
