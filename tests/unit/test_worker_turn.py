"""One turn of a worker: exactly one answer, whatever the handler does."""

import errno
import logging
from dataclasses import replace
from typing import Any

import pytest

from tiktokd import wire
from tiktokd.errors import Throttled
from tiktokd.messages import Answer, Decode, Failed, Ready, Request
from tiktokd.worker import Pulse, turn

REQUEST = Decode(ticket="t/1", id="7", path="/x", slot=0, generation=1)


class Pipe:
    """Takes what a worker sends."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_bytes(self, data: bytes) -> None:
        self.sent.append(wire.decode(data))


class Handler:
    """Does what it was made with."""

    def __init__(self, outcome: Any) -> None:
        self._outcome = outcome

    def ready(self) -> Ready:
        return Ready(pid=1)

    def handle(self, request: Request) -> Answer:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        answer: Answer = self._outcome
        return answer

    def close(self) -> None:
        pass


def answers(outcome: Any) -> Any:
    pipe = Pipe()
    turn(Handler(outcome), REQUEST, Pulse(pipe))  # type: ignore[arg-type]
    assert len(pipe.sent) == 1
    assert pipe.sent[0].ticket == "t/1"
    return pipe.sent[0]


def test_an_answer_is_passed_on() -> None:
    failed = Failed(ticket="t/1", failure=answers(Throttled("slow", retry_after_s=3.0)).failure)
    assert answers(failed) == failed


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Throttled("slow down", retry_after_s=7.0), "throttled"),
        (OSError(errno.ENOSPC, "No space left on device"), "local"),
        (MemoryError(), "resource"),
        (ZeroDivisionError("x"), "bug"),
        (RecursionError(), "bug"),
    ],
)
def test_whatever_is_raised_becomes_the_one_answer(error: Exception, expected: str) -> None:
    answer = answers(error)
    assert (answer.failure.failure_class, answer.failure.stage) == (expected, "decode")


def test_a_reason_with_half_a_character_is_sent_all_the_same() -> None:
    logging.disable(logging.CRITICAL)  # what pytest keeps of the log cannot be sent to its other processes
    try:
        answer = answers(ValueError("caf\udce9.mp4"))
    finally:
        logging.disable(logging.NOTSET)
    assert answer.failure.message == "ValueError: caf?.mp4"


def test_an_answer_with_another_ticket_is_a_bug_of_the_handler() -> None:
    other = Failed(ticket="t/0", failure=answers(ValueError("x")).failure)
    assert "does not carry the ticket" in answers(other).failure.message


def test_an_answer_that_is_too_large_to_send_is_replaced() -> None:
    failure = replace(answers(ValueError("x")).failure, message="y" * wire.MAX_MESSAGE_BYTES)
    big = Failed(ticket="t/1", failure=failure)
    assert "is larger than" in answers(big).failure.message
