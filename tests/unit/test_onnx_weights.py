"""Weights that are next to nothing become nothing, and no other byte of a model changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.encoders._onnx_weights import LEAST, without_tiny

FLOAT, INT64, NODE = 1, 7, 1


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(kind: int, raw: bytes, name: str = "w") -> bytes:
    fixed = varint(15 << 3 | 5) + b"abcd" + varint(16 << 3 | 1) + b"abcdefgh"
    return block(5, number(1, len(raw) // 4) + number(2, kind) + block(8, name.encode()) + fixed + block(9, raw))


def model(*tensors: bytes) -> bytes:
    """Return a model as ONNX writes it, with these tensors among other things."""
    graph = block(NODE, block(5, b"an attribute, no tensor")) + b"".join(tensors) + block(2, b"graph")
    return number(1, 8) + block(2, b"paddle") + block(7, graph) + block(8, number(2, 11))


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def test_tiny_floats_become_zero_and_everything_else_stays() -> None:
    whole_numbers = np.array([1, 2**40], np.int64).tobytes()
    before = model(
        tensor(FLOAT, floats(1.0, 1e-40, -1e-30, 3e-20, 0.0, -2.5)), tensor(INT64, whole_numbers), tensor(FLOAT, b"")
    )
    after = model(
        tensor(FLOAT, floats(1.0, 0.0, 0.0, 3e-20, 0.0, -2.5)), tensor(INT64, whole_numbers), tensor(FLOAT, b"")
    )
    assert without_tiny(before) == after


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=40))
def test_no_weight_of_any_size_is_changed_unless_it_is_tiny(weights: list[float]) -> None:
    kept = [0.0 if abs(np.float32(w)) < LEAST else w for w in weights]
    assert without_tiny(model(tensor(FLOAT, floats(*weights)))) == model(tensor(FLOAT, floats(*kept)))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no ONNX file"):
        without_tiny(b"\x0b" * 8)
