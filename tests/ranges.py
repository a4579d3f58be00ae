"""Holds a result to the schema of the export: types, and the ranges that the analyzers' files declare."""

import json
from functools import cache

import jsonschema

from tiktokd.datafiles import SHIPPED
from tiktokd.model import Envelope


@cache
def _schema() -> dict:
    return json.loads((SHIPPED / "export.schema.json").read_text(encoding="utf-8"))


@cache
def _judges(analyzer: str) -> tuple[jsonschema.Draft202012Validator, jsonschema.Draft202012Validator]:
    """Return those of the summary and of the stretches of the timeline."""
    schema = _schema()
    known = schema["$defs"]["Video"]["properties"]["analysis"]["properties"][analyzer]["properties"]
    parts = known["summary"]["anyOf"][1], known["segments"]
    return tuple(jsonschema.Draft202012Validator({**part, "$defs": schema["$defs"]}) for part in parts)


def judge(envelope: Envelope) -> None:
    """Fail where a value is of another type than the schema says, or outside its range; says which."""
    told = json.loads(envelope.model_dump_json())
    summary, segments = _judges(envelope.analyzer)
    found = [
        *segments.iter_errors(told["segments"]),
        *(summary.iter_errors(told["summary"]) if told["summary"] else ()),
    ]
    wrong = [f"{error.json_path}: {error.message[:200]}" for error in found]
    assert wrong == [], envelope.analyzer
