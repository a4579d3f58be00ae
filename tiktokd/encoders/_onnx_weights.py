"""ONNX models without weights too small to matter, which cost more than all others. Knows no model in particular.

Training shrinks weights that nothing needs towards zero, some into the denormal numbers, which processors compute with
slowly: a convolution of PP-OCRv6's detector took 30 ms, one as large without such weights 0.25 ms. All 255,958 of them
took three quarters of its time, and its answers are the same to the last bit without. onnxruntime can treat them as
zero itself, but then the whole process does, and only if its very first session says so.
Source: onnx.proto of ONNX (Apache-2.0), Protocol Buffers' wire format.
"""

from collections.abc import Iterator

import numpy as np

LEAST = 1e-20
"""Smaller weights become 0. float32 is denormal below 1.2e-38, and so is the product of two numbers below 1e-19."""
GRAPH, INITIALIZER, DATA_TYPE, RAW_DATA = 7, 5, 2, 9
"""Numbers of the fields `ModelProto.graph`, `GraphProto.initializer`, `TensorProto.data_type` and `.raw_data`."""
FLOAT = 1
"""float32 as a `TensorProto.data_type`."""


def without_tiny(model: bytes) -> bytes:
    """Return a serialised model whose float32 weights below `LEAST` are 0."""
    changed = bytearray(model)
    for graph, start, end in _fields(changed, 0, len(changed)):
        for tensor, first, after in _fields(changed, start, end) if graph == GRAPH else ():
            if tensor == INITIALIZER:
                _clear(changed, first, after)
    return bytes(changed)


def _clear(model: bytearray, start: int, end: int) -> None:
    """Set the tiny weights of the tensor that is written from `start` to `end` to 0."""
    fields = {number: (first, after) for number, first, after in _fields(model, start, end)}
    kind, raw = fields.get(DATA_TYPE), fields.get(RAW_DATA)
    if kind and raw and _varint(model, kind[0])[0] == FLOAT:
        weights = np.frombuffer(model, "<f4", (raw[1] - raw[0]) // 4, raw[0])
        weights[np.abs(weights) < LEAST] = 0


def _fields(data: bytearray, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field of a message; of one that is no number, of what it holds."""
    while start < end:
        key, start = _varint(data, start)
        match key & 7:
            case 0:
                after = _varint(data, start)[1]
            case 1:
                after = start + 8
            case 2:
                length, start = _varint(data, start)
                after = start + length
            case 5:
                after = start + 4
            case kind:
                raise ValueError(f"no ONNX file: field of kind {kind} at byte {start}")
        yield key >> 3, start, after
        start = after


def _varint(data: bytearray, start: int) -> tuple[int, int]:
    """Return the number written at `start`, seven bits a byte, and where the next one starts."""
    value = shift = 0
    while True:
        byte = data[start]
        value |= (byte & 127) << shift
        start, shift = start + 1, shift + 7
        if byte < 128:
            return value, start
