"""The JSON Schema of the export, from the types that make it; `tiktokctl export --schema` prints it."""

from typing import Any, get_args

from pydantic import TypeAdapter

from docs import fields
from tiktokd import graph
from tiktokd.errors import FailureClass
from tiktokd.messages import AnalysisGroup
from tiktokd.model import Envelope, MediaFacts, Metadata, Segment, State
from tiktokd.plugins import Analyzer

ATTEMPTS = ("download", "processing", "crashes")
STAGES = ("decode", *(f"analyze_{group}" for group in get_args(AnalysisGroup)), "fuse")
TIMINGS = (*(f"{stage}{of}_s" for stage in STAGES for of in ("", "_cpu")), "shared_s", "total_s")
TIME = {"type": "string", "format": "date-time", "description": "ISO 8601, UTC"}


def export_schema(catalogue: graph.Catalogue) -> dict[str, Any]:
    """Return the schema of `results.json` (draft 2020-12)."""
    definitions: dict[str, Any] = {}
    analysis = {a.name: _envelope(a, definitions) for a in catalogue.analyzers.values()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tiktokd export",
        "type": "object",
        "required": ["generated_at", "version", "stats", "videos"],
        "properties": {
            "generated_at": TIME,
            "version": {"type": "string"},
            "stats": {"type": "object"},
            "videos": {"type": "array", "items": {"$ref": "#/$defs/Video"}},
        },
        "$defs": {"Video": _video(analysis), **dict(sorted(definitions.items()))},
    }


def _video(analysis: dict[str, Any]) -> dict[str, Any]:
    error = {
        "type": ["object", "null"],
        "required": ["class", "stage", "message"],
        "properties": {
            "class": {"enum": list(FailureClass.__args__)},  # type: ignore[attr-defined]
            "stage": {"type": "string"},
            "message": {"type": "string"},
        },
    }
    properties = {
        "id": {"type": "string"},
        "url": {"type": "string"},
        "state": {"enum": [state.value for state in State]},
        "priority": {"type": "integer", "minimum": 1, "maximum": 10},
        "attempts": _numbers(ATTEMPTS, {"type": "integer", "minimum": 0}),
        "enqueued_at": TIME,
        "finished_at": {**TIME, "type": ["string", "null"]},
        "error": error,
        "metadata": {**Metadata.model_json_schema(), "description": "What the post says; absent keys are not known."},
        "analysis": {"type": "object", "properties": analysis},
        "timings": {**_numbers(TIMINGS, {"type": "number"}), "description": "seconds"},
        "facts": {
            "anyOf": [TypeAdapter(MediaFacts).json_schema(mode="serialization"), {"type": "null"}],
            "description": "What was decoded; null before.",
        },
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _numbers(names: tuple[str, ...], kind: dict[str, Any]) -> dict[str, Any]:
    """Return an object whose keys are known, though not each of them is there; older results may have others."""
    return {"type": "object", "properties": dict.fromkeys(names, kind), "additionalProperties": kind}


def _envelope(spec: Analyzer, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one analyzer's envelope; the summary is empty where it is skipped or failed alone."""
    schema = Envelope.model_json_schema(ref_template="#/$defs/{model}")
    definitions |= schema.pop("$defs", {})
    summary = spec.output.model_json_schema(mode="serialization", ref_template=f"#/$defs/{spec.name}.{{model}}")
    parts = summary.pop("$defs", {})
    fields.describe({**parts, spec.output.__name__: summary}, spec.output.__module__)
    definitions |= {f"{spec.name}.{name}": part for name, part in parts.items()}
    properties = schema["properties"]
    properties["analyzer"] = {"const": spec.name}
    properties["summary"] = {"anyOf": [{"type": "object", "maxProperties": 0}, summary]}
    items = _segment(spec.segment, spec.name, definitions) if spec.segment else False
    properties["segments"] = {"type": "array", "items": items}
    rules = {
        "if": {"properties": {"status": {"enum": ["ok", "partial"]}}},
        "then": {"properties": {"summary": {"minProperties": 1}}},
        "else": {"properties": {"summary": {"maxProperties": 0}}},
    }
    return {**schema, **rules, "title": spec.name, "description": spec.title}


def _segment(segment: type[Segment], analyzer: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one stretch of an analyzer's timeline."""
    schema = segment.model_json_schema(mode="serialization", ref_template=f"#/$defs/{analyzer}.{{model}}")
    parts = schema.pop("$defs", {})
    fields.describe({**parts, segment.__name__: schema}, segment.__module__)
    definitions |= {f"{analyzer}.{name}": part for name, part in parts.items()}
    for name in ("start_s", "end_s"):
        schema["properties"][name] |= {"minimum": 0}
    return schema
