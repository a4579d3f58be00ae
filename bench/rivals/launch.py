"""Starts Celery on a redis-server of its own, and huey, where they are installed. Says why where they do not run."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LIMIT_S = 300


def celery(folder: Path, python: str, tasks: int) -> list[float] | None:
    """Return Celery's tasks per second; `None` where it or redis-server is missing or does not run."""
    server = shutil.which("redis-server")
    if server is None or not _has(python, "celery", "redis"):
        return None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
    redis = subprocess.Popen([server, *options, "--save", "", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    try:
        _await_port(port)
        return _drive(python, "celery", tasks, {"BENCH_REDIS_PORT": str(port)})
    finally:
        redis.terminate()
        redis.wait(20)


def huey(folder: Path, python: str, tasks: int) -> list[float] | None:
    """Return huey's tasks per second on SQLite; `None` where it is missing."""
    if not _has(python, "huey"):
        return None
    return _drive(python, "huey", tasks, {"BENCH_HUEY_FILE": str(folder / "huey.db")})


def _has(python: str, *modules: str) -> bool:
    check = f"import importlib.util as u, sys; sys.exit(not all(u.find_spec(m) for m in {modules!r}))"
    return subprocess.run([python, "-c", check]).returncode == 0


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("redis-server did not start within 10 s")


def _drive(python: str, rival: str, tasks: int, env: dict[str, str]) -> list[float] | None:
    command = [python, "drive.py", rival, str(tasks)]
    out = subprocess.run(command, cwd=HERE, env={**os.environ, **env}, capture_output=True, text=True, timeout=LIMIT_S)
    if out.returncode:
        print(f"{rival} did not run: {out.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return [float(json.loads(out.stdout.splitlines()[-1])["per_second"])]
