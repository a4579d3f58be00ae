"""The columns of exported tables, from the schema of the export: the same ones whatever the videos. Knows no format.

A field with a value is a column, an object with known fields one column for each of them, a list or an object with any
keys one column of JSON text. So the width is bounded by what the analyzers can say.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from tiktokd import datafiles

Kind = Literal["null", "bool", "int", "float", "str"]
Schema = Mapping[str, Any]

ENVELOPE = ("status", "tier", "reason", "version")
"""Of an envelope itself; a field of the summary with such a name gets the suffix `_value`."""
SEGMENT = ("id", "analyzer", "start_s", "end_s")
"""First columns of the segments' table; a field of a segment with the name of the first two gets the suffix."""
SUFFIX = "_value"
ERROR = ("class", "stage", "message")
_KINDS: Mapping[str, Kind] = {
    "boolean": "bool", "integer": "int", "number": "float", "string": "str", "array": "str", "null": "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What is known of a table before its first row."""

    kinds: Mapping[str, Kind]
    """Name → kind, in order."""
    objects: frozenset[str]
    """Names of objects with known fields, which are no column themselves."""
    maps: frozenset[str]
    """Names of objects with any keys: a column of JSON."""


@cache
def of_videos() -> Columns:
    """Return the columns of the table with one row per video."""
    found = _Found(_schema())
    video = found.definitions["Video"]["properties"]
    for name, schema in video.items():
        if name != "analysis":
            found.field(name, schema)
    for analyzer, envelope in sorted(video["analysis"]["properties"].items()):
        for part in ENVELOPE:
            found.kinds[f"{analyzer}.{part}"] = "str"
        for summary in found.objects_in(envelope["properties"]["summary"]):
            for name, schema in summary["properties"].items():
                found.field(f"{analyzer}.{name}{SUFFIX if name in ENVELOPE else ''}", schema)
    return found.columns()


@cache
def of_segments() -> Columns:
    """Return the columns of the table with one row per segment: those of all analyzers together."""
    found = _Found(_schema())
    found.kinds |= {"id": "str", "analyzer": "str", "start_s": "float", "end_s": "float"}
    for _, envelope in sorted(found.definitions["Video"]["properties"]["analysis"]["properties"].items()):
        items = envelope["properties"]["segments"]["items"]
        for segment in found.objects_in(items) if items else ():
            for name, schema in segment["properties"].items():
                if name not in ("start_s", "end_s"):
                    found.field(name + SUFFIX if name in SEGMENT else name, schema)
    return found.columns()


def wider(one: Kind, other: Kind) -> Kind:
    """Return the kind of column that holds values of both kinds."""
    if other in (one, "null"):
        return one
    if one == "null":
        return other
    return "float" if {one, other} == {"int", "float"} else "str"


def _schema() -> Schema:
    read: Schema = json.loads((datafiles.SHIPPED / "export.schema.json").read_text(encoding="utf-8"))
    return read


class _Found:
    """Columns while they are gathered."""

    def __init__(self, schema: Schema) -> None:
        self.definitions: Schema = schema["$defs"]
        self.kinds: dict[str, Kind] = {}
        self._objects: set[str] = set()
        self._maps: set[str] = set()

    def columns(self) -> Columns:
        """Return what was gathered."""
        return Columns(kinds=self.kinds, objects=frozenset(self._objects), maps=frozenset(self._maps))

    def field(self, name: str, schema: Schema) -> None:
        """Add the columns of one field."""
        for one in self._alternatives(schema):
            fields = _fields(one)
            if fields is not None:
                self._objects.add(name)
                for key, inner in fields.items():
                    self.field(f"{name}.{key}", inner)
            else:
                if _is_object(one):
                    self._maps.add(name)
                for kind in _kinds(one):
                    self.kinds[name] = wider(self.kinds.get(name, "null"), kind)
        if name in self._objects and self.kinds.get(name) == "null":
            del self.kinds[name]  # null where there is no object

    def objects_in(self, schema: Schema) -> Iterator[Schema]:
        """Yield what a schema may be that is an object with known fields."""
        return (one for one in self._alternatives(schema) if one.get("properties"))

    def _alternatives(self, schema: Schema) -> Iterator[Schema]:
        if "$ref" in schema:
            yield from self._alternatives(self.definitions[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema:
            for one in schema["anyOf"]:
                yield from self._alternatives(one)
        else:
            yield schema


def _fields(schema: Schema) -> Schema | None:
    """Return field → schema of an object whose keys are known; `None` for anything else."""
    if fields := schema.get("properties"):
        return dict(fields)
    if names := schema.get("propertyNames", {}).get("enum"):
        return dict.fromkeys(names, schema["additionalProperties"])
    return None


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object"


def _kinds(schema: Schema) -> Iterator[Kind]:
    """Yield the kinds of value that a schema allows; text where it does not say."""
    types = schema.get("type", [])
    for name in [types] if isinstance(types, str) else types:
        yield _KINDS.get(name, "str")
    if not types:
        values = schema.get("enum", [schema["const"]] if "const" in schema else [""])
        for value in values:
            yield "null" if value is None else "bool" if isinstance(value, bool) else "str"
