"""A proxy on the loopback that ends TLS for TikTok's host names and hands requests to a `Site`. Knows no behaviour.

yt-dlp reaches it through `download.proxy` with `download.verify_tls = false`; nothing leaves the machine.
"""

import datetime
import socket
import socketserver
import ssl
import struct
import tempfile
import threading
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.tiktok.pages import Answer
from tests.tiktok.site import Site

DOMAINS = ("tiktok.com", "tiktokv.com", "tiktokcdn.com")
DRIP_S = 0.1
"""Seconds between two bytes of a dripping answer."""


class Proxy:
    """The running proxy; use it with `with`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site, self._server.tls, self._server.stopping = site, _tls(), threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: Site
    tls: ssl.SSLContext
    stopping: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    host = ""

    def log_message(self, *_: object) -> None:
        """The site keeps the log."""

    def do_CONNECT(self) -> None:
        self.host = self.path.rpartition(":")[0]
        if not any(self.host == domain or self.host.endswith("." + domain) for domain in DOMAINS):
            self.server.site.refused(self.host)
            self.send_error(403)
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]
        self.close_connection = False

    def do_GET(self) -> None:
        headers = self.headers
        answer = self.server.site.answer(
            self.command, self.host, self.path, headers.get("Cookie", ""), headers.get("Referer", "")
        )
        self._send(*_ranged(answer, headers.get("Range")))

    do_HEAD = do_GET  # noqa: N815

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def _send(self, answer: Answer, extra: dict[str, str]) -> None:
        if answer.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if answer.fault == "hang" and not extra and not answer.headers.get("Accept-Ranges"):
            self.server.stopping.wait()
            return
        self.send_response_only(answer.status, answer.phrase)
        for name, value in {**answer.headers, **extra}.items():
            self.send_header(name, value)
        if answer.length and "Content-Length" not in extra:
            self.send_header("Content-Length", str(len(answer.body)))
        self.close_connection = bool(answer.fault) or not answer.length
        self.end_headers()
        if self.command != "HEAD":
            self._body(answer)

    def _body(self, answer: Answer) -> None:
        if answer.fault == "drip":
            for byte in answer.body:
                self.wfile.write(bytes([byte]))
                if self.server.stopping.wait(DRIP_S):
                    return
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.fault else answer.body)
        if answer.fault == "hang":
            self.server.stopping.wait()


def _ranged(answer: Answer, wanted: str | None) -> tuple[Answer, dict[str, str]]:
    """Return the rest of a body from where the client wants it (`bytes=N-`)."""
    if wanted is None or answer.status != 200 or "Accept-Ranges" not in answer.headers:
        return answer, {}
    start_text, _, end_text = wanted.removeprefix("bytes=").partition("-")
    start, size = int(start_text), len(answer.body)
    end = min(int(end_text), size - 1) if end_text else size - 1
    if start > end:
        return Answer(status=416, headers={"Content-Range": f"bytes */{size}"}), {}
    changes = {"Content-Range": f"bytes {start}-{end}/{size}"}
    part = Answer(status=206, headers=answer.headers, body=answer.body[start : end + 1], fault=answer.fault)
    return part, changes


@cache
def _tls() -> ssl.SSLContext:
    """Return a server context with a certificate of our own, for every name that we stand in for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests of tiktokd")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(prefix + domain) for domain in DOMAINS for prefix in ("", "*.")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"  # the ssl module loads from files only
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(file)
    return context
