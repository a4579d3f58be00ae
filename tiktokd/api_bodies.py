"""What requests may say, checked. Knows no transport beyond JSON text."""

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tiktokd.model import PRIORITY_DEFAULT, PRIORITY_MAX, PRIORITY_MIN
from tiktokd.protocol import LANES, MAX_TEXT_CHARS, Lane
from tiktokd.verbs import BadRequest

MAX_BODY_BYTES = 8 * 2**20
MAX_ITEMS = 10_000
"""URLs, paths or ids per request: bounds the transaction and the answer. Larger sets are sent in parts."""

Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Texts = Annotated[list[Text], Field(max_length=MAX_ITEMS)]
Priority = Annotated[int, Field(strict=True, ge=PRIORITY_MIN, le=PRIORITY_MAX)]
Names = Annotated[list[Text], Field(min_length=1, max_length=100)]


class Body(BaseModel):
    """Base of the bodies: no unknown fields, so that a misspelled one is not silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Add(Body):
    """`POST /api/queue/add`."""

    urls: Texts = []
    """URLs in any form, ids, short links."""
    paths: Texts = []
    """Absolute paths of video files on the daemon's machine."""
    priority: Priority = PRIORITY_DEFAULT
    analyzers: Names | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Add":
        if bool(self.urls) == bool(self.paths):
            raise ValueError('give "urls" or "paths", one of the two')
        return self


class Requeue(Body):
    """`POST /api/queue/requeue`."""

    ids: Texts = []
    failed: bool = False
    analyzers: Names | None = None

    @model_validator(mode="after")
    def _which(self) -> "Requeue":
        if bool(self.ids) == self.failed:
            raise ValueError('give "ids", or "failed": true for all failed videos, one of the two')
        return self


class Ids(Body):
    """`POST /api/queue/cancel`."""

    ids: Annotated[list[Text], Field(min_length=1, max_length=MAX_ITEMS)]


class SetPriority(Ids):
    """`POST /api/queue/priority`."""

    priority: Priority


class Lanes(Body):
    """`POST /api/queue/pause` and `/resume`."""

    lane: Lane | Literal["all"] = "all"

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that are meant."""
        return LANES if self.lane == "all" else (self.lane,)


class Cleanup(Body):
    """`POST /api/cleanup`."""

    days: Annotated[float, Field(ge=0, le=36_500)]
    dry_run: bool = False


BodyT = TypeVar("BodyT", bound=Body)


def parse(kind: type[BodyT], data: bytes) -> BodyT:
    """Return the body.

    Raises:
        BadRequest: listing every problem with the path of its field.
    """
    try:
        return kind.model_validate_json(data or b"{}")
    except ValidationError as exc:
        raise BadRequest("; ".join(_problem(error["loc"], error["msg"]) for error in exc.errors())) from exc


def ndjson(data: bytes, *, priority: int) -> Add:
    """Return the URLs of a body with one item per line: a JSON string, an object with `url`, or the bare text.

    Raises:
        BadRequest: too many lines, or a priority out of range.
    """
    lines = [line for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    try:
        return Add(urls=[_item(line)[:MAX_TEXT_CHARS] for line in lines], priority=priority)
    except ValidationError as exc:
        raise BadRequest("; ".join(_problem(error["loc"], error["msg"]) for error in exc.errors())) from exc


def _item(line: str) -> str:
    """Return what a line names; one that is not JSON is taken as it is, and judged as a URL like any other."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line.strip()
    if isinstance(value, dict):
        value = value.get("url", "")
    return str(value)


def _problem(path: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in path)
    return f"{where}: {message}" if where else message.removeprefix("Value error, ")
