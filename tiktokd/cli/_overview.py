"""The daemon's state as rich tables. Knows no transport; `status`, its --watch and `workers` share it."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tiktokd.cli._format import STATE_STYLES, bar, duration, number, percent, size
from tiktokd.cli._table import GAP, Column, fitting
from tiktokd.printable import escape, shortened
from tiktokd.protocol import GpuSnapshot, LaneSnapshot, StatusAnswer, WorkerSnapshot

WORKER_STYLES = {"busy": "green", "idle": "dim", "backoff": "yellow", "out_of_service": "bold red"}
MIB = 2**20
DOING_CHARS = 60


def overview(status: StatusAnswer, now: float, width: int) -> RenderableType:
    """Return everything that `tiktokctl status` shows; `now` is UTC seconds, `width` the columns of the terminal."""
    parts: list[RenderableType] = [_head(status), "", _counts(status, width), "", _facts(status, now), ""]
    if status.gpus:
        parts += [gpus_table(status.gpus, width), ""]
    parts.append(workers_table(status.workers, now, width))
    return Group(*parts)


def workers_table(workers: Sequence[WorkerSnapshot], now: float, width: int) -> Table:
    """Return one line per worker, in the order of their names."""
    columns = (
        Column("worker"), Column("state"), Column("for", 3, right=True), Column("video", 1),
        Column("doing", 2, shortens=True), Column("", 4), Column("jobs", 6, right=True),
        Column("restarts", 7, right=True), Column("memory", 5, right=True),
    )  # fmt: skip
    rows: list[tuple[str | Text, ...]] = [
        (
            escape(worker.name),
            Text(worker.state.replace("_", " "), WORKER_STYLES.get(worker.state, "")),
            duration(None if worker.since_at is None else now - worker.since_at),
            escape(worker.id or ""),
            shortened(" ".join(part for part in dict.fromkeys((worker.stage, worker.detail)) if part), DOING_CHARS),
            bar(worker.progress_ratio),
            number(worker.jobs_done),
            number(worker.restarts),
            size(None if worker.rss_mib is None else worker.rss_mib * MIB),
        )
        for worker in sorted(workers, key=_by_name)
    ]
    return fitting(columns, rows, width)


def gpus_table(gpus: Sequence[GpuSnapshot], width: int) -> Table:
    """Return one line per GPU."""
    columns = (
        Column("gpu"), Column("name", 4, shortens=True), Column("busy", right=True), Column("sm", 5, right=True),
        Column("tensor", 6, right=True), Column("memory", 2, right=True), Column("starved", 1, right=True),
        Column("batch fill", 3, right=True), Column("temp", 8, right=True), Column("power", 7, right=True),
    )  # fmt: skip
    rows = []
    for gpu in gpus:
        used, total = gpu.memory_used_mib, gpu.memory_total_mib
        memory = "-" if used is None or total is None else f"{size(used * MIB)} / {size(total * MIB)}"
        rows.append(
            (
                gpu.device,
                shortened(gpu.name or "-", DOING_CHARS),
                percent(gpu.utilisation_ratio),
                percent(gpu.sm_ratio),
                percent(gpu.tensor_ratio),
                memory,
                duration(gpu.starved_s),
                percent(gpu.batch_fill_ratio),
                "-" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f} °C",
                "-" if gpu.power_w is None else f"{gpu.power_w:.0f} W",
            )
        )
    return fitting(columns, rows, width)


def _by_name(worker: WorkerSnapshot) -> tuple[str, int]:
    stem, _, number = worker.name.rpartition("_")
    return stem, int(number) if number.isdecimal() else 0


def _head(status: StatusAnswer) -> Text:
    text = Text.assemble((f"tiktokd {status.version}", "bold"), f"  pid {status.pid}  up {duration(status.uptime_s)}")
    if status.draining:
        text.append("  draining: takes up nothing new", "yellow")
    return text


def _counts(status: StatusAnswer, width: int) -> RenderableType:
    """Return the states side by side, or below one another where they do not fit."""
    styled = {state: Text(number(n), STATE_STYLES.get(state, "") if n else "dim") for state, n in status.counts.items()}
    gaps = GAP * (len(styled) - 1)
    if sum(max(len(state), len(text)) for state, text in styled.items()) + gaps <= width:
        return fitting([Column(state, right=True) for state in styled], [list(styled.values())], width)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    for state, text in styled.items():
        grid.add_row(state, text)
    return grid


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
            hint = f"; tiktokctl resume {lane.lane}" if lane.paused else ""
            yield lane.lane, Text(escape(standing(lane)) + hint, "yellow")
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


def standing(lane: LaneSnapshot) -> str:
    """Return how a lane stands: running, `paused by a person`, `held up: the disk is nearly full`."""
    word = "paused" if lane.paused else "held up" if lane.reason else "running"
    if not lane.reason or lane.reason.startswith(word):
        return lane.reason or word
    return f"{word}: {lane.reason}"


def _next(status: StatusAnswer, now: float) -> str:
    if not status.counts.get("pending"):
        return "nothing waits"
    if any(lane.lane == "download" and lane.paused for lane in status.lanes):
        return "after `tiktokctl resume download`"
    if status.next_download_at is None or status.next_download_at <= now:
        return "now"
    return f"in {duration(status.next_download_at - now)}"
