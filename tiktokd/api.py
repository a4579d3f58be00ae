"""The control API: a Unix socket, and a TCP listener on loopback where it is wanted. Knows no verb's meaning."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from tiktokd import __version__
from tiktokd.api_bodies import MAX_BODY_BYTES
from tiktokd.api_events import Ring
from tiktokd.api_guard import SAFE_METHODS, Denied, Guard, peer_of, read_token
from tiktokd.api_routes import Routes, answer
from tiktokd.errors import ConfigError, LocalError, TiktokdError
from tiktokd.paths import SOCKET_PATH_MAX_BYTES
from tiktokd.protocol import API_HEADER, API_VERSION, VERSION_HEADER
from tiktokd.verbs import BadRequest, NotFound, Verbs

log = logging.getLogger(__name__)

SOCKET_MODE = 0o660
SHUTDOWN_S = 3.0
"""Open answers may take this long when the server closes."""
PROBE_S = 1.0
HEADERS = {
    API_HEADER: str(API_VERSION),
    VERSION_HEADER: __version__,
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer; the latter four in case a browser shows one after all."""

GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)
STARTED = web.RequestKey("started", bool)
"""Set on a request once its answer is on the way."""


class Server:
    """What `start` started."""

    def __init__(self, runner: web.AppRunner, ring: Ring, pump: asyncio.Task[None], path: Path) -> None:
        self._runner, self._ring, self._pump, self._path = runner, ring, pump, path
        self._inode = path.stat().st_ino

    @property
    def tcp_port(self) -> int | None:
        """The port that is listened on; `None` without a TCP listener."""
        return next((address[1] for address in self._runner.addresses if isinstance(address, tuple)), None)

    async def close(self) -> None:
        """Take no new requests, end the streams, let open answers finish, remove the socket."""
        self._ring.close()
        self._pump.cancel()
        with suppress(asyncio.CancelledError):
            await self._pump
        await self._runner.cleanup()
        # Only our own: a daemon that replaced us may have made a new one.
        with suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


async def start(control: Verbs, *, socket_path: Path, listen: str = "", token_file: Path | None = None) -> Server:
    """Return the running server.

    Args:
        listen: `host:port` on loopback, empty for none.
        token_file: for TCP; made where it is missing.

    Raises:
        ConfigError: the socket, the port or the token file cannot be used.
    """
    token = read_token(token_file) if listen and token_file else None
    if listen and token is None:
        raise ConfigError("http.listen needs http.token_file")
    sock = bind(socket_path)
    ring = Ring(control.incarnation())
    hosts: set[str] = set()
    app = web.Application(middlewares=[_checked], client_max_size=MAX_BODY_BYTES)
    app[GUARD] = Guard(socket_gid=socket_path.stat().st_gid, token=token, tcp_hosts=hosts)
    app.add_routes(Routes(control, ring).table())
    app.on_response_prepare.append(_add_headers)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    server = Server(runner, ring, asyncio.create_task(ring.run(control.events())), socket_path)
    if listen:
        try:
            hosts.update(await _listen(runner, listen))
        except ConfigError:
            await server.close()
            raise
    return server


def bind(path: Path) -> socket.socket:
    """Return a Unix socket bound to `path` with mode 0660, not listening yet.

    Raises:
        ConfigError: another daemon listens there, or the path cannot be used.
    """
    if len(bytes(path)) > SOCKET_PATH_MAX_BYTES:
        raise ConfigError(
            f"the socket path has {len(bytes(path))} bytes and Unix allows {SOCKET_PATH_MAX_BYTES}: {path}; "
            "set daemon.runtime_dir to a shorter directory"
        )
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        sock.bind(str(path))
        # Nobody can connect before listen(), so there is no moment with another mode; a umask would be the whole
        # process's, with threads that make files meanwhile.
        path.chmod(SOCKET_MODE)
    except OSError as exc:
        sock.close()
        raise ConfigError(f"cannot make the socket {path}: {exc.strerror}") from exc
    return sock


def _remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that is gone; one that answers is another daemon's."""
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError(f"{path} is there and is not a socket; set daemon.runtime_dir to another directory")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as exc:
            raise ConfigError(f"cannot tell whether another daemon listens at {path}: {exc}") from exc
    raise ConfigError(f"another daemon listens at {path}")


async def _listen(runner: web.AppRunner, listen: str) -> set[str]:
    """Open the TCP listener; return the Hosts that its clients must send."""
    host, _, port = listen.rpartition(":")
    before = len(runner.addresses)
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    except OSError as exc:
        raise ConfigError(f"http.listen: cannot listen on {listen}: {exc.strerror}") from exc
    return {f"{host}:{address[1]}" for address in runner.addresses[before:]}


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    request[STARTED] = True


@web.middleware
async def _checked(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Admit, answer, and turn every error into `{"error": {"code", "message"}}`."""
    peer = peer_of(request)
    try:
        await request.app[GUARD].admit(request, peer)
        response = await handler(request)
    except ConnectionError:
        raise  # the reader left in the middle of a stream: nobody is there to be told
    except Denied as exc:
        response = _error(exc.status, exc.code, exc)
    except web.HTTPException as exc:
        response = _error(exc.status, exc.reason.lower().replace(" ", "_"), exc.text or exc.reason)
    except BadRequest as exc:
        response = _error(400, "bad_request", exc)
    except NotFound as exc:
        response = _error(404, "not_found", exc)
    except LocalError as exc:
        response = _error(503, "local", exc)
    # The API's turn: whatever a verb runs into must not end the daemon, and the client must be told.
    except Exception as exc:
        log.exception("%s %s failed", request.method, request.path)
        code = "error" if isinstance(exc, TiktokdError) else "bug"
        response = _error(500, code, exc if code == "error" else f"{type(exc).__name__}; see `tiktokctl logs tiktokd`")
    if response.status >= 400 and request.get(STARTED, False):
        # Half of a stream is out: cut it off, so that the client sees a broken answer and not a short one.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer broke off")
    if request.method not in SAFE_METHODS:
        log.info("%s %s by %s: %d", request.method, request.path, peer, response.status)
    return response


def _error(status: int, code: str, message: object) -> web.Response:
    return answer({"error": {"code": code, "message": str(message)}}, status)
