"""Results as JSON, in which there is no NaN and nothing infinite. Pure."""

import math

from pydantic import JsonValue

from tiktokd.plugins import Result


def as_json(result: Result) -> tuple[dict[str, JsonValue], list[dict[str, JsonValue]]]:
    """Return summary and segments of a result; raises `ValueError` with the place of a number that JSON has not."""
    summary = result.output.model_dump(mode="json") if result.output is not None else {}
    segments: list[dict[str, JsonValue]] = [segment.model_dump(mode="json") for segment in result.segments]
    refuse_non_finite(summary, "summary")
    refuse_non_finite(segments, "segments")
    return summary, segments


def refuse_non_finite(value: object, path: str) -> None:
    """Raise where a number is NaN or infinite: JSON has none, and a reader would take null for "not known"."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path} is {value}")
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_non_finite(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            refuse_non_finite(inner, f"{path}[{number}]")
