"""Frame slots: one anonymous memory region, cut into page-aligned slots. Knows nothing of video or of processes.

A `memfd` and not `multiprocessing.shared_memory`: it has no name, so nothing can leak after SIGKILL and no resource
tracker can destroy it (on Python 3.11 a process that merely attaches a named segment and exits unlinks it).
Who may write which slot when is the daemon's table (`SlotTable`), in its private memory; children only get numbers.
"""

import fcntl
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiktokd.errors import ConfigError, ProtocolError
from tiktokd.model import Block
from tiktokd.plugins import Array

ALIGN_BYTES = 64
"""Arrays start on a cache line."""
MOST_OF_FREE_RATIO = 0.9
"""The rest is for the models."""
CGROUP_FILES = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and usage, of version 2 and 1, as a container sees its own."""


class Region:
    """The memory itself, in the daemon or attached in a child."""

    def __init__(self, fd: int, slots: int, slot_bytes: int) -> None:
        self.fd, self.slots, self.slot_bytes = fd, slots, slot_bytes
        self._map = mmap.mmap(fd, slots * slot_bytes)

    @classmethod
    def create(cls, slots: int, slot_bytes: int) -> "Region":
        """Return a new region whose memory is there already, so that no write can fail later.

        Raises:
            ConfigError: this machine has too little memory left for it.
        """
        region = cls.reserve(slots, slot_bytes)
        try:
            region.fill()
        except ConfigError:
            region.close()
            raise
        return region

    @classmethod
    def reserve(cls, slots: int, slot_bytes: int) -> "Region":
        """Return a new region at once; the kernel hands its memory out with `fill`, or page by page to who writes.

        Raises:
            ConfigError: this machine has too little memory left for it.
        """
        if slot_bytes % mmap.PAGESIZE:
            raise ValueError(f"slot_bytes must be a multiple of {mmap.PAGESIZE}, got {slot_bytes}")
        size = slots * slot_bytes
        free = available_bytes()
        # Asked first: the kernel does not refuse to allocate too much, it kills somebody.
        if size > free * MOST_OF_FREE_RATIO:
            raise ConfigError(_too_little(slots, slot_bytes, f"{free >> 20} MiB are free"))
        fd = os.memfd_create("tiktokd-slots", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size)
            # A file that shrinks under a mapping is a SIGBUS in whoever touches it next.
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return cls(fd, slots, slot_bytes)
        except OSError as exc:
            os.close(fd)
            raise ConfigError(_too_little(slots, slot_bytes, exc.strerror or str(exc))) from exc

    def fill(self) -> None:
        """Take all memory of the region now: 0.3 s per GiB. What was written stays.

        Raises:
            ConfigError: this machine has too little memory left for it.
        """
        try:
            os.posix_fallocate(self.fd, 0, self.slots * self.slot_bytes)
        except OSError as exc:
            raise ConfigError(_too_little(self.slots, self.slot_bytes, exc.strerror or str(exc))) from exc

    def view(self, slot: int) -> NDArray[np.uint8]:
        """Return the bytes of one slot, writable, without a copy."""
        if not 0 <= slot < self.slots:
            raise ProtocolError(f"slot {slot} is not one of 0..{self.slots - 1}")
        return np.frombuffer(self._map, np.uint8, self.slot_bytes, slot * self.slot_bytes)

    def arrays(self, slot: int, blocks: Mapping[str, Block]) -> dict[str, Array]:
        """Return the arrays of a clip as views into the slot.

        Raises:
            ProtocolError: a block does not lie inside the slot.
        """
        view = self.view(slot)
        found = {}
        for name, block in blocks.items():
            dtype = np.dtype(block.dtype)
            size = int(np.prod(block.shape)) * dtype.itemsize
            if block.offset < 0 or block.offset % ALIGN_BYTES or block.offset + size > self.slot_bytes:
                raise ProtocolError(f"block {name} at {block.offset}+{size} is not inside a slot of {self.slot_bytes}")
            found[name] = view[block.offset : block.offset + size].view(dtype).reshape(block.shape)
        return found

    def close(self) -> None:
        """Give the mapping and the descriptor back; views must be gone."""
        self._map.close()
        os.close(self.fd)


def available_bytes() -> int:
    """Return how much memory can still be taken: what the kernel calls available, or less where a cgroup limits it."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    for limit, used in CGROUP_FILES:
        try:
            most, now = Path(limit).read_text().strip(), int(Path(used).read_text())
        except (OSError, ValueError):
            continue
        if most.isdigit():  # "max": no limit
            free = min(free, max(0, int(most) - now))
    return free


def _too_little(slots: int, slot_bytes: int, why: str) -> str:
    need = slots * slot_bytes >> 20
    return (
        f"cannot set {need} MiB aside for {slots} frame slots of {slot_bytes >> 20} MiB: {why};"
        " lower analysis.slots or analysis.slot_mib"
    )


class SlotWriter:
    """Lays arrays one after another into a slot and remembers where."""

    def __init__(self, view: NDArray[np.uint8]) -> None:
        self._view = view
        self._end = 0
        self.blocks: dict[str, Block] = {}

    @property
    def free_bytes(self) -> int:
        """Room left in the slot."""
        return len(self._view) - self._end

    def reserve(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """Return room for an array, to be filled by the caller; `truncate` gives unused rows back.

        Raises:
            ValueError: it does not fit.
        """
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        padded = -(-size // ALIGN_BYTES) * ALIGN_BYTES
        if self._end + padded > len(self._view):
            raise ValueError(f"{name} {shape} {dtype} needs {padded} bytes, {self.free_bytes} are free")
        array = self._view[self._end : self._end + size].view(kind).reshape(shape)
        self.blocks[name] = Block(shape=shape, dtype=dtype, offset=self._end)
        self._end += padded
        return array

    def truncate(self, name: str, rows: int) -> None:
        """Say that only the first `rows` rows of a reserved array were filled."""
        block = self.blocks[name]
        self.blocks[name] = Block(shape=(rows, *block.shape[1:]), dtype=block.dtype, offset=block.offset)

    def write(self, name: str, array: Array) -> None:
        """Copy an array into the slot."""
        self.reserve(name, array.shape, array.dtype.name)[...] = array


class SlotState(StrEnum):
    """FREE → LEASED (a decoder writes) → READY (a clip lies there) → FREE."""

    FREE = "free"
    LEASED = "leased"
    READY = "ready"


@dataclass(slots=True)
class _Entry:
    state: SlotState = SlotState.FREE
    generation: int = 0
    holder: str = ""


@dataclass(slots=True)
class SlotTable:
    """Who holds which slot; lives in the daemon's private memory, changed by the daemon alone."""

    count: int
    _entries: list[_Entry] = field(init=False)

    def __post_init__(self) -> None:
        self._entries = [_Entry() for _ in range(self.count)]

    def lease(self, holder: str) -> tuple[int, int] | None:
        """Return `(slot, generation)` of a slot now leased to `holder`, or `None` where all are taken."""
        for number, entry in enumerate(self._entries):
            if entry.state is SlotState.FREE:
                entry.state, entry.holder = SlotState.LEASED, holder
                entry.generation += 1
                return number, entry.generation
        return None

    def ready(self, slot: int, generation: int) -> bool:
        """Mark a leased slot as holding a clip; False for a stale generation."""
        entry = self._entries[slot]
        if entry.generation != generation or entry.state is not SlotState.LEASED:
            return False
        entry.state = SlotState.READY
        return True

    def free(self, slot: int, generation: int) -> bool:
        """Give a slot back; False for a stale generation or a slot that is free already."""
        entry = self._entries[slot]
        if entry.generation != generation or entry.state is SlotState.FREE:
            return False
        entry.state, entry.holder = SlotState.FREE, ""
        return True

    def free_count(self) -> int:
        """Slots that nobody holds."""
        return sum(entry.state is SlotState.FREE for entry in self._entries)

    def in_use(self) -> dict[int, str]:
        """Return slot → holder of those that are taken."""
        return {n: e.holder for n, e in enumerate(self._entries) if e.state is not SlotState.FREE}
