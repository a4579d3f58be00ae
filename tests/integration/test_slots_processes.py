"""Frame slots between real processes."""

import fcntl
import mmap
import multiprocessing
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from tiktokd.errors import ConfigError
from tiktokd.slots import Region, SlotWriter
from tiktokd.worker import SharedRegion

SPAWN = multiprocessing.get_context("spawn")
LIMIT_S = 60


def _fill(shared, slot, pipe):
    writer = SlotWriter(shared.view(slot))
    writer.write("frames", np.full((3, 6, 4), slot + 7, np.uint8))
    pipe.send(writer.blocks)


def _write_and_die(shared, slot):
    shared.view(slot)[:4] = (1, 2, 3, 4)
    os.kill(os.getpid(), signal.SIGKILL)


def _create_under_a_file_size_limit(pipe):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (mmap.PAGESIZE, mmap.PAGESIZE))
    try:
        Region.create(4, mmap.PAGESIZE)
    except ConfigError as exc:
        pipe.send(str(exc))
    else:
        pipe.send("created")


def test_a_child_writes_into_its_slot_and_the_parent_reads_it():
    region = Region.create(3, 16 * mmap.PAGESIZE)
    ours, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=_fill, args=(SharedRegion(region), 2, theirs))
    child.start()
    assert ours.poll(LIMIT_S)
    frames = region.arrays(2, ours.recv())["frames"]
    child.join(LIMIT_S)
    assert frames.shape == (3, 6, 4)
    assert (frames == 9).all()
    assert not region.view(1).any()


def test_a_killed_child_leaves_the_region_usable_and_no_named_memory():
    region = Region.create(1, mmap.PAGESIZE)
    child = SPAWN.Process(target=_write_and_die, args=(SharedRegion(region), 0))
    child.start()
    child.join(LIMIT_S)
    assert child.exitcode == -signal.SIGKILL
    assert region.view(0)[:4].tolist() == [1, 2, 3, 4]
    assert [path for path in Path("/dev/shm").iterdir() if "tiktokd" in path.name] == []


def test_memory_is_there_at_creation_and_cannot_shrink_under_a_mapping():
    region = Region.create(4, 1 << 20)
    assert os.fstat(region.fd).st_blocks * 512 >= 4 << 20
    assert fcntl.fcntl(region.fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
    with pytest.raises(PermissionError):
        os.ftruncate(region.fd, 0)


def test_a_file_size_limit_is_reported_at_creation():
    ours, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=_create_under_a_file_size_limit, args=(theirs,))
    child.start()
    assert ours.poll(LIMIT_S)
    assert "File too large" in ours.recv()
    child.join(LIMIT_S)
