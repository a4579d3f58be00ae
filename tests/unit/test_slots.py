"""Frame slots: who holds which, where arrays lie, what is refused."""

import mmap
import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tiktokd.errors import ConfigError, ProtocolError
from tiktokd.model import Block
from tiktokd.slots import ALIGN_BYTES, Region, SlotTable, SlotWriter, available_bytes

SHAPES = st.lists(st.integers(0, 7), min_size=1, max_size=4).map(tuple)
DTYPES = st.sampled_from(["uint8", "int16", "float32", "float64"])


class Leases(RuleBasedStateMachine):
    """A table of three slots against a plain model of who holds what."""

    def __init__(self):
        super().__init__()
        self.table = SlotTable(3)
        self.held: dict[int, tuple[int, bool]] = {}
        self.stale: list[tuple[int, int]] = []

    @rule(holder=st.sampled_from(["a", "b"]))
    def lease(self, holder):
        got = self.table.lease(holder)
        assert (got is None) == (len(self.held) == 3)
        if got is not None:
            slot, generation = got
            assert slot not in self.held
            assert all(generation > old for number, old in self.stale if number == slot)
            self.held[slot] = (generation, False)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ready(self, data):
        slot = data.draw(st.sampled_from(sorted(self.held)))
        generation, was_ready = self.held[slot]
        assert self.table.ready(slot, generation) == (not was_ready)
        self.held[slot] = (generation, True)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def free(self, data):
        slot = data.draw(st.sampled_from(sorted(self.held)))
        generation, _ = self.held.pop(slot)
        assert self.table.free(slot, generation)
        self.stale.append((slot, generation))

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def a_stale_answer_changes_nothing(self, data):
        slot, generation = data.draw(st.sampled_from(self.stale))
        assert not self.table.ready(slot, generation)
        assert not self.table.free(slot, generation)

    @invariant()
    def counts_agree(self):
        assert self.table.free_count() == 3 - len(self.held)
        assert set(self.table.in_use()) == set(self.held)


TestLeases = Leases.TestCase


@given(st.lists(st.tuples(SHAPES, DTYPES), max_size=8))
def test_arrays_in_a_slot_are_aligned_inside_and_never_overlap(wanted):
    view = np.zeros(64 * 1024, np.uint8)
    writer, spans = SlotWriter(view), []
    for number, (shape, dtype) in enumerate(wanted):
        room = writer.free_bytes
        try:
            array = writer.reserve(str(number), shape, dtype)
        except ValueError:
            assert int(np.prod(shape)) * np.dtype(dtype).itemsize > room - ALIGN_BYTES
            continue
        block = writer.blocks[str(number)]
        assert array.shape == shape
        assert block.offset % ALIGN_BYTES == 0
        spans.append((block.offset, block.offset + array.nbytes))
    spans.sort()
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert not spans or spans[-1][1] <= len(view)


def test_what_is_written_through_the_writer_is_read_back_through_the_region():
    region = Region.create(2, 16 * mmap.PAGESIZE)
    writer = SlotWriter(region.view(1))
    sound = np.arange(-50, 50, dtype=np.int16).reshape(50, 2)
    writer.write("audio48", sound)
    times = writer.reserve("low_pts", (9,), "float64")
    times[:] = np.arange(9) / 10
    writer.truncate("low_pts", 4)
    found = region.arrays(1, writer.blocks)
    assert np.array_equal(found["audio48"], sound)
    assert found["low_pts"].tolist() == [0.0, 0.1, 0.2, 0.3]
    assert not region.view(0).any()


@pytest.mark.parametrize(
    "block",
    [
        Block(shape=(4097,), dtype="uint8", offset=0),
        Block(shape=(1,), dtype="uint8", offset=-64),
        Block(shape=(1,), dtype="uint8", offset=3),
        Block(shape=(1,), dtype="float64", offset=4096),
    ],
)
def test_a_block_that_does_not_lie_inside_its_slot_is_refused(block):
    region = Region.create(2, mmap.PAGESIZE)
    with pytest.raises(ProtocolError, match="not inside a slot of 4096"):
        region.arrays(0, {"frames": block})


@pytest.mark.parametrize("slot", [-1, 2])
def test_a_slot_that_does_not_exist_is_refused(slot):
    with pytest.raises(ProtocolError, match="not one of"):
        Region.create(2, mmap.PAGESIZE).view(slot)


def test_more_memory_than_there_is_fails_at_creation_and_says_which_setting_to_lower():
    slots = available_bytes() // (64 << 20) + 1
    with pytest.raises(ConfigError, match=r"cannot set \d+ MiB aside .*analysis\.slots"):
        Region.create(slots, 64 << 20)


def test_a_slot_that_is_not_whole_pages_is_refused():
    with pytest.raises(ValueError, match="multiple of"):
        Region.create(1, 1000)


def test_a_reserved_region_may_be_written_before_its_memory_is_taken_and_keeps_what_was_written():
    region = Region.reserve(2, 16 * mmap.PAGESIZE)
    assert os.fstat(region.fd).st_blocks == 0, "nothing is taken yet"
    region.view(1)[:] = 7
    region.fill()
    assert os.fstat(region.fd).st_blocks * 512 == 32 * mmap.PAGESIZE
    assert (region.view(1) == 7).all()
    assert not region.view(0).any()
