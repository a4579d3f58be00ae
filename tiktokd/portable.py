"""Features that travel between processes: values of dataclasses to JSON and back, exactly. Knows no encoder.

Not pickle, for the reason that `wire` gives. What comes back has the types that its class names, or is refused.
"""

import base64
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from tiktokd.errors import ProtocolError

T = TypeVar("T")
Json = Any


def pack(value: Any) -> Json:
    """Return a dataclass, its arrays, tuples, texts and numbers as JSON; arrays bit by bit."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(value.tobytes()).decode("ascii")
        return {"dtype": value.dtype.str, "shape": list(value.shape), "data": data}
    if is_dataclass(value):
        return {field.name: pack(getattr(value, field.name)) for field in fields(value)}
    return [pack(each) for each in value] if isinstance(value, tuple) else value


def unpack(kind: type[T], data: Json) -> T:
    """Return what `pack` made of an instance of the dataclass `kind`.

    Raises:
        ProtocolError: it is none.
    """
    try:
        found: T = _unpack(kind, data)
    except (AttributeError, TypeError, ValueError, KeyError, ValidationError) as exc:
        raise ProtocolError(f"malformed features, not {kind.__name__}: {str(exc)[:300]}") from exc
    return found


def _unpack(kind: Any, data: Json) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin is np.ndarray:
        return _array(np.dtype(get_args(args[1])[0]), data)
    if origin is tuple:
        if args[-1] is ...:
            return tuple(_unpack(args[0], each) for each in data)
        return tuple(_unpack(each, value) for each, value in zip(args, data, strict=True))
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        if data.keys() != hints.keys():
            raise KeyError(", ".join(sorted(data.keys() ^ hints.keys())))
        return kind(**{name: _unpack(hint, data[name]) for name, hint in hints.items()})
    return TypeAdapter(kind).validate_python(data, strict=True)


def _array(dtype: np.dtype[Any], data: Json) -> np.ndarray[Any, np.dtype[Any]]:
    if data["dtype"] != dtype.str:
        raise ValueError(f"{data['dtype']} is not {dtype.str}")
    return np.frombuffer(base64.b64decode(data["data"], validate=True), dtype).reshape(data["shape"])
