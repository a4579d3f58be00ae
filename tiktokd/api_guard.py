"""Who may ask, and who may change: Host, Origin, peer credentials, token. Knows no verb.

The model is Tailscale's LocalAPI: a web page must never reach the daemon (CVE-2018-5702 in Transmission, CVE-2022-51020
in Flower: DNS rebinding and cross-site requests to a local port), whatever a user's browser is led to.
"""

import asyncio
import hmac
import os
import pwd
import secrets
import socket
import struct
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tiktokd.errors import ConfigError, TiktokdError
from tiktokd.protocol import HOST

SAFE_METHODS = ("GET", "HEAD")
JSON_TYPES = ("application/json", "application/x-ndjson")
"""A cross-site form cannot send these without a preflight, which is never answered."""
TOKEN_BYTES = 32


class Denied(TiktokdError):
    """The request is not allowed."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end."""

    pid: int | None
    """`None` over TCP."""
    uid: int | None
    gid: int | None

    def __str__(self) -> str:
        return "a TCP client" if self.uid is None else f"uid {self.uid} pid {self.pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The rules of one server."""

    socket_gid: int
    """Members of this group may change things."""
    token: str | None
    """What TCP clients must present; `None` where there is no TCP listener."""
    tcp_hosts: Collection[str]
    """`host:port`, exactly as a client must send it."""

    async def admit(self, request: web.Request, peer: Peer) -> None:
        """Let a request through.

        Raises:
            Denied: the request is refused.
        """
        for header in ("Origin", "Referer"):
            if header in request.headers:
                raise Denied(403, "browser", f"requests with {header} come from web pages and are refused")
        hosts = (HOST,) if peer.uid is not None else self.tcp_hosts
        if request.headers.get("Host") not in hosts:
            raise Denied(403, "host", f"the Host must be {' or '.join(sorted(hosts))}")
        if peer.uid is None and request.path != "/healthz":
            self._check_token(request)
        if request.method not in SAFE_METHODS:
            await self._check_change(request, peer)

    def _check_token(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        expected = (self.token or secrets.token_hex()).encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), expected
        ):
            raise Denied(401, "token", "send the token of the token file: Authorization: Bearer <token>")

    async def _check_change(self, request: web.Request, peer: Peer) -> None:
        if request.content_type not in JSON_TYPES:
            raise Denied(415, "content_type", "changes need Content-Type: application/json")
        if peer.uid in (None, 0, os.geteuid()):
            return
        # Looking up groups may ask a directory service: not on the loop.
        if not await asyncio.to_thread(is_member, peer, self.socket_gid):
            raise Denied(403, "permission", f"uid {peer.uid} is not in the group of the socket and may only look")


def peer_of(request: web.Request) -> Peer:
    """Return the process at the other end of a Unix socket, unix(7) SO_PEERCRED; nobody in particular over TCP."""
    sock = request.transport.get_extra_info("socket") if request.transport else None
    if sock is None or sock.family != socket.AF_UNIX:
        return Peer(pid=None, uid=None, gid=None)
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(pid=pid, uid=uid, gid=gid)


def is_member(peer: Peer, gid: int) -> bool:
    """Return whether the peer's user belongs to the group; SO_PEERCRED tells the main group only."""
    if peer.gid == gid:
        return True
    with suppress(KeyError):
        user = pwd.getpwuid(peer.uid if peer.uid is not None else -1)
        return gid in os.getgrouplist(user.pw_name, user.pw_gid)
    return False


def read_token(file: Path) -> str:
    """Return the token in `file`, made at the first start, readable for its owner alone.

    Raises:
        ConfigError: it cannot be read or made, is empty, or everybody can read it.
    """
    try:
        with suppress(FileExistsError):
            file.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as out:
                out.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        token = file.read_text(encoding="ascii").strip()
        mode = file.stat().st_mode
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"http.token_file: cannot use {file}: {exc}") from exc
    if not token:
        raise ConfigError(f"http.token_file: {file} is empty; remove it and a new token is made")
    if mode & 0o007:
        raise ConfigError(f"http.token_file: everybody can read {file}; run: chmod o-rwx {file}")
    return token
