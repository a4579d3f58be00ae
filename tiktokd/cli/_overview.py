"""The daemon's state as rich tables. Knows no transport; `status`, its --watch and `workers` share it."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tiktokd.cli._format import STATE_STYLES, bar, duration, number, percent, size
from tiktokd.printable import escape, shortened
from tiktokd.protocol import GpuSnapshot, StatusAnswer, WorkerSnapshot

WORKER_STYLES = {"busy": "green", "idle": "dim", "backoff": "yellow", "out_of_service": "bold red"}
MIB = 2**20


def overview(status: StatusAnswer, now: float) -> RenderableType:
    """Return everything that `tiktokctl status` shows; `now` is UTC seconds."""
    parts: list[RenderableType] = [_head(status), _counts(status), _facts(status, now)]
    if status.gpus:
        parts.append(gpus_table(status.gpus))
    parts.append(workers_table(status.workers, now))
    return Group(*parts)


def workers_table(workers: Sequence[WorkerSnapshot], now: float) -> Table:
    """Return one line per worker."""
    table = _table("worker", "state", "for", "video", "doing", "", "jobs", "restarts", "memory")
    for name in ("for", "jobs", "restarts", "memory"):
        next(column for column in table.columns if column.header == name).justify = "right"
    for worker in workers:
        doing = " ".join(part for part in (worker.stage, worker.detail) if part)
        table.add_row(
            escape(worker.name),
            Text(worker.state, WORKER_STYLES.get(worker.state, "")),
            duration(None if worker.since_at is None else now - worker.since_at),
            escape(worker.id or ""),
            shortened(doing, 40),
            bar(worker.progress_ratio),
            number(worker.jobs_done),
            number(worker.restarts),
            size(None if worker.rss_mib is None else worker.rss_mib * MIB),
        )
    return table


def gpus_table(gpus: Sequence[GpuSnapshot]) -> Table:
    """Return one line per GPU."""
    table = _table("gpu", "name", "busy", "sm", "tensor", "memory", "starved", "batch fill", "temp", "power")
    for gpu in gpus:
        used, total = gpu.memory_used_mib, gpu.memory_total_mib
        memory = "-" if used is None or total is None else f"{size(used * MIB)} / {size(total * MIB)}"
        table.add_row(
            gpu.device,
            escape(gpu.name or "-"),
            percent(gpu.utilisation_ratio),
            percent(gpu.sm_ratio),
            percent(gpu.tensor_ratio),
            memory,
            duration(gpu.starved_s),
            percent(gpu.batch_fill_ratio),
            "-" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f} °C",
            "-" if gpu.power_w is None else f"{gpu.power_w:.0f} W",
        )
    return table


def _head(status: StatusAnswer) -> Text:
    text = Text.assemble((f"tiktokd {status.version}", "bold"), f"  pid {status.pid}  up {duration(status.uptime_s)}")
    if status.draining:
        text.append("  draining: takes up nothing new", "yellow")
    return text


def _counts(status: StatusAnswer) -> Table:
    table = _table(*status.counts)
    for column in table.columns:
        column.justify = "right"
    table.add_row(*(Text(number(n), STATE_STYLES.get(state, "") if n else "dim") for state, n in status.counts.items()))
    return table


def _facts(status: StatusAnswer, now: float) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _lines(status, now):
        table.add_row(Text(name, "dim"), value)
    return table


def _lines(status: StatusAnswer, now: float) -> Iterator[tuple[str, Text]]:
    rates = status.rates
    per_hour = f"{number(rates.videos_per_hour_10m)} videos/h (10 min), {number(rates.videos_per_hour_1h)} (1 h)"
    yield "rate", Text(f"{per_hour}, {rates.downloads_per_minute:.1f} downloads/min")
    if rates.bottleneck:
        yield "bottleneck", Text(escape(rates.bottleneck))
    for lane in status.lanes:
        if lane.paused or lane.reason:
            word = "paused" if lane.paused else "held up"
            hint = f"; tiktokctl resume {lane.lane}" if lane.paused else ""
            yield lane.lane, Text(f"{word}: {escape(lane.reason or 'by a person')}{hint}", "yellow")
    yield "next download", Text(_next(status, now))
    if gate := status.gate:
        slower = f", slowed down to {gate.slowdown_ratio:.0%}" if gate.slowdown_ratio < 1 else ""
        yield "rate limit", Text(f"{gate.per_minute:g} per minute, at least {gate.min_gap_s:g} s apart{slower}")
        if gate.breaker:
            yield "breaker", Text(f"open: {escape(gate.breaker)}", "red")
    yield "slots", Text(f"{status.slots_free} of {status.slots_total} free")
    if spool := status.spool:
        room = f", {size(spool.free_bytes)} free on the disk" if spool.free_bytes is not None else ""
        held = f"{number(spool.videos)} videos, {size(spool.bytes)} of {size(spool.limit_bytes)}"
        yield "spool", Text(held + room)
    if status.stale_results:
        yield "stale results", Text(f"{status.stale_results} dropped")


def _next(status: StatusAnswer, now: float) -> str:
    if not status.counts.get("pending"):
        return "nothing waits"
    if any(lane.lane == "download" and lane.paused for lane in status.lanes):
        return "after `tiktokctl resume download`"
    if status.next_download_at is None or status.next_download_at <= now:
        return "now"
    return f"in {duration(status.next_download_at - now)}"


def _table(*headers: str) -> Table:
    table = Table(*headers, box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in table.columns:
        column.no_wrap = True
    return table
