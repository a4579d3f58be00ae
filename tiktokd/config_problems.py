"""What is wrong with settings, in words, one line per key; and the settings without it. Knows no key by name."""

import re
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ValidationError

from tiktokd.likeness import meant

_KIND = re.compile(r"constrained-|literal\[|int$")
"""What pydantic writes behind a key for each of the types that it may have."""


def worded(refusal: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line per key: what was expected (of several possibilities, all), and what was found."""
    expected: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for error in refusal.errors():
        unknown = error["type"] == "extra_forbidden"
        # a key of two kinds (a number or "auto") is reported once per kind, with the kind after the key
        place = [str(part) for part in error["loc"]]
        path = ".".join(place if unknown else [part for part in place if not _KIND.match(part)])
        if unknown:
            expected[path] = [f"unknown key; {meant(place[-1], _known(place, model))}"]
        else:
            expected.setdefault(path, []).append(error["msg"].removeprefix("Value error, "))
            found[path] = error["input"]
    return [
        f"{path}: {' or '.join(messages)}" + (f" (found {found[path]!r})" if path in found else "")
        for path, messages in expected.items()
    ]


def _known(place: list[str], model: type[BaseModel]) -> Collection[str]:
    """Return the keys that there are where one is unknown."""
    table = model.model_fields[place[0]].annotation if len(place) > 1 else None
    return (table if isinstance(table, type) and issubclass(table, BaseModel) else model).model_fields


def drop(tables: dict[str, Any], refusal: ValidationError) -> None:
    """Take the keys that were refused out of `tables`, so that their defaults stand; of a table as a whole, all."""
    for error in refusal.errors():
        name, *keys = (str(part) for part in error["loc"])
        if keys and isinstance(tables.get(name), dict):
            tables[name].pop(keys[0], None)
        else:
            tables.pop(name, None)
