"""Processes that wait at pipes for the word to begin; what they then do is their own."""

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any, Self

END_S = 20.0


class Crew:
    """The processes; started once, asked for round after round."""

    def __init__(self, count: int, work: Callable[..., None], *args: Any) -> None:
        """Start `work(pipe, *args)` in `count` processes; it sends "ready" first and ends with its pipe."""
        context = multiprocessing.get_context("spawn")
        ends = [context.Pipe() for _ in range(count)]
        self.pipes = [ours for ours, _ in ends]
        self._processes = [context.Process(target=_run, args=(work, theirs, *args), daemon=True) for _, theirs in ends]
        for process in self._processes:
            process.start()

    def __enter__(self) -> Self:
        for pipe in self.pipes:
            pipe.recv()  # imported and ready
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pipe in self.pipes:
            pipe.close()
        for process in self._processes:
            process.join(END_S)


def _run(work: Callable[..., None], pipe: Pipe, *args: Any) -> None:
    with suppress(EOFError, OSError):  # the pipe's other end was closed: there are no more rounds
        work(pipe, *args)
