"""Messages to bytes and back, checked. Knows nothing of pipes and sockets.

JSON by pydantic and not pickle: a child that parses foreign media may be taken over, and unpickling its answer would
hand the daemon over as well.
"""

import json
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from tiktokd.errors import ProtocolError
from tiktokd.messages import Answer, Message, Request

MAX_MESSAGE_BYTES = 16 * 2**20
"""Larger messages are refused: results of 30 analyzers on a 10-minute video stay below 2 MiB."""

_ADAPTERS = {kind.__name__: TypeAdapter(kind) for kind in (*get_args(Request), *get_args(Answer))}


def encode(message: Message) -> bytes:
    """Return the message as bytes: its type name, a newline, its fields as JSON.

    Raises:
        ProtocolError: larger than `MAX_MESSAGE_BYTES`.
    """
    name = type(message).__name__
    data = name.encode() + b"\n" + _ADAPTERS[name].dump_json(message)
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"{name} of {len(data)} bytes is larger than {MAX_MESSAGE_BYTES}")
    return data


def decode(data: bytes) -> Message:
    """Return the message in `data`.

    Raises:
        ProtocolError: not a message of ours.
    """
    name, _, body = data.partition(b"\n")
    adapter = _ADAPTERS.get(name.decode("ascii", "replace"))
    if adapter is None:
        raise ProtocolError(f"unknown message {name[:40]!r}")
    try:
        message: Message = adapter.validate_json(body)
    except (ValidationError, json.JSONDecodeError, RecursionError) as exc:
        raise ProtocolError(f"malformed {name.decode()}: {str(exc)[:300]}") from exc
    return message
