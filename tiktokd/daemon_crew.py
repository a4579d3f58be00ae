"""The workers, their memory and the loop that gives them work: what of the daemon starts first.

They need 0.7 s of imports before they can be of use, and our own database and API as much again; both go on side by
side, so that work resumes soon after a crash. So nothing heavy may be imported here: no SQL, no HTTP.
"""

import asyncio
import os
import time
from dataclasses import dataclass, replace

from tiktokd import onnx
from tiktokd.config import Config
from tiktokd.daemon import Targets
from tiktokd.scheduler.child import WorkerSpec
from tiktokd.scheduler.gpus import Gpus
from tiktokd.scheduler.jobs import Limits, State
from tiktokd.scheduler.loop import Loop
from tiktokd.scheduler.spool import Spool
from tiktokd.scheduler.supervisor import Supervisor
from tiktokd.slots import Region, SlotTable
from tiktokd.worker import SharedRegion

MIB = 2**20
MAX_AUTO_BYTES = 4 * 2**30
"""`analysis.slots = "auto"` takes at most this much, and at most a tenth of the memory."""
MIN_SLOTS, SLOTS_PER_GPU = 4, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Workers that are on their way. What they have to say waits in the loop until that runs."""

    gpus: Gpus
    devices: tuple[str, ...]
    loop: Loop
    supervisor: Supervisor
    region: Region

    async def look_after(self) -> None:
        """Take the memory of the frame slots, then look after the workers, until cancelled."""
        # Beside their start and not before it: the kernel needs 0.3 s per GiB to hand the memory out.
        filling = asyncio.create_task(asyncio.to_thread(self.region.fill))
        try:
            await asyncio.shield(filling)
            await self.loop.tick()
        finally:
            await asyncio.wait({filling})  # it must not come upon a descriptor that is somebody else's by then
            self.region.close()


def start(config: Config, targets: Targets, spool: Spool) -> Crew:
    """Start the workers. To be called in the event loop.

    Raises:
        ConfigError: `gpu.devices` names a GPU that is not there, or the frame slots do not fit into memory.
    """
    gpus = Gpus()
    devices = gpus.devices(config.gpu.devices)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    slots = slot_count(config, len(devices), memory)
    limits = Limits(
        attempts_dir=str(spool.attempts_dir),
        gpu_workers=len(devices),
        prefetch=config.gpu.prefetch,
        gpu_attempts=config.gpu.attempts,
        breaker_videos=config.analysis.breaker_videos,
        gpu_gap_s=60 / config.gpu.per_minute if config.gpu.per_minute else 0.0,
    )
    loop = Loop(State(limits=limits, slots=SlotTable(slots)), clock=time.monotonic)
    crew = specs(config, targets, devices, onnx_on_gpu=onnx.on_gpu(devices, onnx.installed()))
    supervisor = Supervisor(crew, config, emit=loop.emit, clock=time.monotonic)
    region = Region.reserve(slots, config.analysis.slot_mib * MIB)
    supervisor.region = SharedRegion(region)
    supervisor.tick()
    gpus.watch(devices)
    return Crew(gpus=gpus, devices=devices, loop=loop, supervisor=supervisor, region=region)


def specs(config: Config, targets: Targets, devices: tuple[str, ...], *, onnx_on_gpu: bool = False) -> list[WorkerSpec]:
    """Return the workers to run, in the order in which they are started."""
    cpus = min(4, len(os.sched_getaffinity(0))) if config.cpu.workers == "auto" else config.cpu.workers
    found = [
        *(WorkerSpec(kind="cpu", index=index, target=targets.cpu) for index in range(cpus)),
        *(WorkerSpec(kind="gpu", index=i, target=targets.gpu, device=d) for i, d in enumerate(devices)),
        *(WorkerSpec(kind="download", index=i, target=targets.download) for i in range(config.download.workers)),
    ]
    # The first of each kind first: with them everything can move.
    return [replace(spec, onnx_on_gpu=onnx_on_gpu) for spec in sorted(found, key=lambda spec: spec.index)]


def slot_count(config: Config, gpus: int, memory_bytes: int) -> int:
    """Return how many frame slots to make for `analysis.slots`."""
    if config.analysis.slots != "auto":
        return config.analysis.slots
    fits = min(memory_bytes // 10, MAX_AUTO_BYTES) // (config.analysis.slot_mib * MIB)
    return max(fits, MIN_SLOTS, SLOTS_PER_GPU * gpus)
