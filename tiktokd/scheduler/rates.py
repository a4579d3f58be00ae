"""How fast work gets done, over the last minutes. Pure; times are monotonic seconds."""

from collections import deque
from dataclasses import dataclass, field

BUCKET_S = 10.0
KEPT_S = 3600.0


@dataclass(slots=True)
class Counter:
    """Counts of the last hour in buckets of ten seconds: 361 numbers, however much happens."""

    started_at: float
    _buckets: deque[tuple[int, int]] = field(default_factory=deque)
    """(number of the bucket, count)."""

    def add(self, now: float, count: int = 1) -> None:
        """Count something that happened now."""
        number = int(now // BUCKET_S)
        if self._buckets and self._buckets[-1][0] == number:
            count += self._buckets.pop()[1]
        self._buckets.append((number, count))
        while self._buckets[0][0] < number - KEPT_S / BUCKET_S:
            self._buckets.popleft()

    def per_second(self, now: float, window_s: float) -> float:
        """Return the mean rate over the last `window_s` seconds, or since the start where that is shorter."""
        since = max(now - window_s, self.started_at)
        counted = sum(count for number, count in self._buckets if (number + 1) * BUCKET_S > since)
        return counted / max(now - since, BUCKET_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is busy at one moment."""

    downloads_waiting: bool
    gate_closed: bool
    busy: dict[str, tuple[int, int]]
    """Kind of worker → (busy, all)."""
    slots_free: int
    gpu_backlog: int
    """Clips that wait for a GPU."""
    cpu_backlog: int
    """Steps that wait for a CPU worker."""


def bottleneck(load: Load) -> str | None:
    """Return the stage that holds the others up: gpu, cpu, rate_gate or download; `None` while nothing does."""
    busy_gpus, gpus = load.busy.get("gpu", (0, 0))
    if gpus and busy_gpus == gpus and load.gpu_backlog:
        return "gpu"
    busy_cpus, cpus = load.busy.get("cpu", (0, 0))
    if cpus and busy_cpus == cpus and (load.cpu_backlog or load.slots_free == 0):
        return "cpu"
    if not load.downloads_waiting:
        return None
    busy_downloaders, downloaders = load.busy.get("download", (0, 0))
    if load.gate_closed and busy_downloaders < downloaders:
        return "rate_gate"
    return "download" if downloaders and busy_downloaders == downloaders else None
