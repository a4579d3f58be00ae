"""A stand-in for the hub on loopback, with one tiny model."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import tiny_models

REVISION = "a" * 40
REPO = "Falconsai/nsfw_image_detection"


class Hub(BaseHTTPRequestHandler):
    """Answers what the client asks of the hub: the list of files with sizes, and the files."""

    files: dict[str, bytes]
    asked: list[str]
    began: list[int]
    breaks_after: int
    digest: str

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith(f"/api/models/{REPO}"):
            siblings = [self.sibling(name, data) for name, data in self.server.files.items()]
            body = {"id": REPO, "modelId": REPO, "sha": REVISION, "siblings": siblings, "tags": [], "private": False}
            return self.reply(200, json.dumps(body).encode(), "application/json")
        name = path.rpartition("/")[2]
        if path.startswith(f"/{REPO}/resolve/{REVISION}/") and name in self.server.files:
            return self.send_file(self.server.files[name])
        return self.reply(404, b"{}", "application/json")

    def sibling(self, name, data):
        """Return what the hub says of a file; of large ones, in its store, the digest too."""
        found = {"rfilename": name, "size": len(data), "blobId": "0" * 40}
        if not name.endswith(".safetensors"):
            return found
        digest = self.server.digest or hashlib.sha256(data).hexdigest()
        return found | {"lfs": {"size": len(data), "sha256": digest, "pointerSize": 100}}

    def send_file(self, data):
        """Send a file, or the rest of one; some breaks off."""
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        whole = len(data) <= (self.server.breaks_after or len(data))
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(data) - first))
        self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if self.command == "GET":
            self.server.began.append(first)
            self.wfile.write(data[first:] if whole else data[first : self.server.breaks_after])
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815  (the name that http.server calls)

    def reply(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def hub(tmp_path):
    directory = tiny_models.write("nsfw", tmp_path / "upstream")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files = {p.name: p.read_bytes() for p in directory.iterdir()} | {
        "pytorch_model.bin": b"a pickle",
        "evil.py": b"import os",
    }
    server.asked, server.began, server.breaks_after, server.digest = [], [], 0, ""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
