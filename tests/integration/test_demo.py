"""`make run URLS=…`: what it says and leaves behind, with the stand-in for TikTok, without a network, and stopped."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import alive
from tests.tiktok.proxy import Proxy
from tests.tiktok.site import Site

TIMEOUT_S = 100.0


@contextmanager
def demonstration(home, proxy_url, *lines):
    """Start the demonstration; it is gone at the end, and has to leave nothing in the folder for temporary files."""
    urls, temporary = home / "urls.txt", Path(tempfile.mkdtemp(prefix="demo-"))  # short: sockets allow 107 bytes
    urls.write_text("\n".join(lines) + "\n")
    settings = {
        "TIKTOKD_DOWNLOAD__PROXY": proxy_url,
        "TIKTOKD_DOWNLOAD__VERIFY_TLS": "false",
        "TIKTOKD_DOWNLOAD__MIN_GAP_S": "0.05",
        "TIKTOKD_DOWNLOAD__PER_MINUTE": "600",
        "TIKTOKD_CPU__WORKERS": "1",
        "TIKTOKD_GPU__DEVICES": "[]",
        "TIKTOKD_ANALYSIS__ANALYZERS": '["loudness"]',
        "TMPDIR": str(temporary),
        "XDG_CONFIG_HOME": str(home),
    }
    command = [sys.executable, "-m", "bench.demo", "--urls", str(urls), "--output", str(home / "results.json")]
    child = subprocess.Popen(
        [*command, "--stalled", "2"], env=os.environ | settings, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield child
        child.wait(TIMEOUT_S)
        assert list(temporary.iterdir()) == []
    finally:
        child.kill()
        child.communicate()
        shutil.rmtree(temporary)


def states(home):
    videos = json.loads((home / "results.json").read_text())["videos"]
    return {video["id"]: (video["state"], (video["error"] or {}).get("class")) for video in videos}


@pytest.mark.slow
def test_real_posts_end_in_a_table_and_a_file_and_what_failed_says_why(tmp_path):
    with Proxy(Site()) as proxy:
        good, hidden = proxy.site.video("ok"), proxy.site.video("private")
        with demonstration(tmp_path, proxy.url, good.url, hidden.url, "nonsense") as child:
            said, _ = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 1
    assert states(tmp_path) == {good.id: ("completed", None), hidden.id: ("failed", "auth")}
    for part in ("urls.txt:3: invalid", f"{good.id} · completed", "loudness", "1 of 2 videos completed"):
        assert part in said


def test_without_a_network_it_says_so_and_ends(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # not listening: whoever connects is refused
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with demonstration(tmp_path, proxy, "https://www.tiktok.com/@x/video/7106594312292453675") as child:
            said, _ = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 1
    assert states(tmp_path) == {"7106594312292453675": ("pending", None)}
    for part in ("download is held up: no connection", "none has got further for 2 s", "0 of 1 videos completed"):
        assert part in said


def test_a_file_without_posts_leaves_earlier_results_alone(tmp_path):
    (tmp_path / "results.json").write_text("earlier")
    with demonstration(tmp_path, "", "# none yet") as child:
        said, _ = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 1
    assert "there is nothing to analyze" in said
    assert (tmp_path / "results.json").read_text() == "earlier"


def test_stopped_half_way_it_takes_its_daemon_along(tmp_path):
    with (
        Proxy(Site()) as proxy,
        demonstration(tmp_path, proxy.url, proxy.site.video("page_hang").url) as child,
    ):
        ready = next(line for line in child.stdout if "is ready" in line)
        daemon = int(ready.partition("(pid ")[2].partition(")")[0])
        assert any("1 added" in line for line in child.stdout)
        assert alive(daemon)
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 130
    assert "nothing else was touched" in said
    assert not alive(daemon)
