"""One child process and its pipe, on the daemon's event loop. Knows nothing of requests, restarts or the queue.

The pipe is a socket pair with the framing of `multiprocessing.connection`, which the child uses; this end is read by
asyncio, so that a child which stops in the middle of a message cannot stop the daemon.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from tiktokd import wire, worker
from tiktokd.config import Config
from tiktokd.errors import ProtocolError
from tiktokd.messages import Message
from tiktokd.worker import Extras, Kind

DRAIN_PIPE_S = 1.0
"""After a child's end, what it had still written is read for at most this long."""
_LENGTH = struct.Struct("!i")
"""Header of `Connection.send_bytes` for messages below 2 GiB; ours stay below 16 MiB."""
_SPAWN = multiprocessing.get_context("spawn")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """Which process to start."""

    kind: Kind
    index: int
    target: str
    """Dotted name of its `worker.Start` function, imported in the child alone."""
    device: str = "cpu"
    onnx_on_gpu: bool = False
    """See `graph.load`: decided once, so that a worker started later agrees with the others."""

    @property
    def name(self) -> str:
        """Name of the worker and of its log file."""
        return f"{self.kind}_worker_{self.index}"


class Child:
    """A running process; calls back with each message, and once with how it ended."""

    def __init__(
        self,
        spec: WorkerSpec,
        config: Config,
        region: worker.SharedRegion | None,
        *,
        on_message: Callable[["Child", Message], None],
        on_exit: Callable[["Child", int], None],
    ) -> None:
        """Start it; from the main thread only, because the parent-death signal belongs to the starting thread."""
        self._on_message, self._on_exit = on_message, on_exit
        ours, theirs = socket.socketpair()
        connection = Connection(theirs.detach())
        extras = Extras(
            kind=spec.kind,
            index=spec.index,
            device=spec.device,
            onnx_on_gpu=spec.onnx_on_gpu,
            parent_pid=os.getpid(),
            region=region,
        )
        self._process = _SPAWN.Process(
            target=worker.run,
            name=f"tiktokd-{spec.kind}-{spec.index}",
            args=(spec.target, spec.name, config, connection, extras),
        )
        with contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            with connection:
                self._process.start()
            undo.pop_all()
        self.pid = self._process.pid or 0
        self._writer: asyncio.StreamWriter | None = None
        self._unsent = b""
        self._reaped = False
        self._run = asyncio.get_running_loop().create_task(self._follow(ours), name=self._process.name)

    def send(self, message: Message) -> None:
        """Queue a message for the child; one that is gone loses it, and its end is reported as ever."""
        body = wire.encode(message)
        data = _LENGTH.pack(len(body)) + body
        if self._writer is None:
            self._unsent += data
        else:
            self._writer.write(data)

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        if self._reaped:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It has not made its own group yet; `Process.kill` never hits a number that is in use again.
            self._process.kill()

    async def wait(self) -> None:
        """Return after its end has been reported."""
        await asyncio.wait({self._run})

    async def _follow(self, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._process.sentinel, self._ended, ended)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        self._writer = writer
        writer.write(self._unsent)
        reading = loop.create_task(self._read(reader))
        await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            # It closed its pipe or sent nonsense: there is nothing more to expect of it.
            self.kill()
            await ended
        await asyncio.wait({reading}, timeout=DRAIN_PIPE_S)
        reading.cancel()
        writer.close()
        with contextlib.suppress(OSError):
            # What it started and left behind, while the unreaped leader keeps the group's number from being reused.
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        self._reaped = True
        self._on_exit(self, -1 if code is None else code)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                size = _size(await reader.readexactly(_LENGTH.size))
                self._on_message(self, wire.decode(await reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except ProtocolError as exc:
            _logger.error("%s sent nonsense and is ended: %s", self._process.name, exc)  # noqa: TRY400

    def _ended(self, ended: "asyncio.Future[None]") -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        ended.set_result(None)


def _size(header: bytes) -> int:
    size: int = _LENGTH.unpack(header)[0]
    if not 0 < size <= wire.MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {size} bytes")
    return size


def how_it_ended(code: int) -> str:
    """Return an exit code as words; a negative one is a signal."""
    if code >= 0:
        return f"ended by itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"killed by signal {-code} ({name})"
