"""JSON to the dataclasses of `protocol`, without pydantic so that `tiktokctl` starts quickly. Knows no transport.

Fields that this version does not know are ignored (a newer daemon may send more); a missing one is an error unless
the dataclass has a default.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from tiktokd.errors import ProtocolError

T = TypeVar("T")


def read(kind: type[T], data: Any) -> T:
    """Return `data` (decoded JSON) as a `kind`, one of the dataclasses of `protocol`.

    Raises:
        ProtocolError: a field is missing or of another type.
    """
    try:
        value: T = _reader(typing.cast(Any, kind))(data)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ProtocolError(f"not a {kind.__name__}: {type(exc).__name__} {exc}") from exc
    return value


@lru_cache(maxsize=256)
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return the function that reads one type; built once per type."""
    if dataclasses.is_dataclass(kind):
        return _dataclass_reader(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _optional_reader([a for a in arguments if a is not type(None)])
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda data: tuple(item(each) for each in data)
    if origin is dict:
        value = _reader(arguments[1])
        return lambda data: {str(key): value(each) for key, each in data.items()}
    if kind in (int, float, str, bool):
        return _scalar_reader(kind)
    return lambda data: data


def _dataclass_reader(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = {f.name: _reader(hints[f.name]) for f in dataclasses.fields(kind)}

    def build(data: Any) -> Any:
        return kind(**{name: reader(data[name]) for name, reader in readers.items() if name in data})

    return build


def _optional_reader(kinds: list[Any]) -> Callable[[Any], Any]:
    if len(kinds) != 1:
        return lambda data: data
    inner = _reader(kinds[0])
    return lambda data: None if data is None else inner(data)


def _scalar_reader(kind: type) -> Callable[[Any], Any]:
    accepted = (int, float) if kind is float else (kind,)

    def check(data: Any) -> Any:
        if not isinstance(data, accepted) or (isinstance(data, bool) and kind is not bool):
            raise TypeError(f"expected {kind.__name__}, found {type(data).__name__}")
        return data

    return check
