"""A disk that fills up under yt-dlp: the handler in a process whose attempt folder is a small tmpfs of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import ROOT
from tests.tiktok.proxy import Proxy
from tests.tiktok.site import Site

CHILD = """
import sys
from tiktokd.config import Config
from tiktokd.download import start
from tiktokd.messages import Download
from tiktokd.worker import WorkerSetup
proxy, url, folder, state = sys.argv[1:]
config = Config.model_validate({"daemon": {"state_dir": state}, "download": {"proxy": proxy, "verify_tls": False}})
setup = WorkerSetup(name="w", index=0, config=config, region=None, device="cpu", report=lambda **_: None)
handler = start(setup)
answer = handler.handle(Download(ticket="t", id="1", url=url, attempt_dir=folder))
handler.close()
print(answer.failure.failure_class, answer.failure.message)
"""
MOUNT = 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"'


def test_a_full_disk_is_a_trouble_of_this_machine_and_not_of_the_post(tmp_path: Path) -> None:
    enter = ["unshare", "-rm", "sh", "-c", MOUNT, "sh", str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run([*enter, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a mount namespace")
    site = Site()
    with Proxy(site) as proxy:
        video = site.video()  # 170 KiB
        child = [sys.executable, "-c", CHILD, proxy.url, video.url, str(tmp_path), str(tmp_path.parent / "state")]
        done = subprocess.run([*enter, *child], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.startswith("local the disk is full"), done
    assert done.stderr == ""
    assert [hit.kind for hit in site.hits()] == ["page", "media"]
