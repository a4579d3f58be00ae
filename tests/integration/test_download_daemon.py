"""The whole daemon with the real yt-dlp against the stand-in for TikTok: states, attempts, and the log of requests."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from tests.live import Live, until
from tests.tiktok.proxy import Proxy
from tests.tiktok.site import Hit, Site, Video

SETTINGS = """
[daemon]
state_dir = "{state}"
[download]
workers = 2
proxy = "{proxy}"
verify_tls = false
backoff_base_s = 0.2
backoff_cap_s = 0.4
{download}
[cpu]
workers = 1
[gpu]
devices = []
[analysis]
analyzers = ["loudness"]
slots = 2
slot_mib = 16
"""


class Downloads(Live):
    """A daemon with its real workers, and the site that it asks."""

    def __init__(self, home: Path, proxy: Proxy, **download: Any) -> None:
        super().__init__(home, module="tiktokd.daemon")
        self.site = proxy.site
        lines = "\n".join(f"{key} = {value}" for key, value in download.items())
        self.config.write_text(SETTINGS.format(state=self.state, proxy=proxy.url, download=lines))

    def queue(self, *urls: str) -> list[dict[str, Any]]:
        """Add URLs in one request; return one outcome per URL."""
        return list(self.ask("POST", "/api/queue/add", {"urls": list(urls)})["items"])

    def of(self, video_id: str) -> dict[str, Any]:
        """Return state, attempts and error of a video."""
        names = ("state", "download_attempts", "crashes", "failure")
        rows = self.sql(f"SELECT {', '.join(names)} FROM processing_queue WHERE id = ?", video_id)
        return dict(zip(names, rows[0], strict=True)) if rows else {}

    def settle(self, timeout_s: float) -> None:
        """Wait until every video is in a final state."""
        final = {"completed", "failed", "cancelled"}
        until(lambda: self.states().keys() <= final, f"an end of all: {self.states()}", timeout_s)

    def asked(self, video: Video) -> list[str]:
        """Return the kinds of requests made for a video."""
        return [hit.kind for hit in self.site.hits(id=video.id)]

    def asked_of_tiktok(self) -> list[Hit]:
        """Return the requests that the gate answers for: pages and short links, in order."""
        return self.site.hits("page", "short")


@contextmanager
def running(home: Path, **download: Any) -> Iterator[Downloads]:
    with Proxy(Site()) as proxy:
        daemon = Downloads(home, proxy, **download)
        try:
            daemon.start()
            yield daemon
        finally:
            if daemon.process is not None and daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait(10)


def test_every_url_ends_in_one_final_state_and_only_what_may_mend_is_asked_again(tmp_path: Path) -> None:
    with running(tmp_path, per_minute=600, min_gap_s=0.05, timeout_s=4.0) as daemon:
        site = daemon.site
        whole = {name: site.video(name) for name in ("ok", "mute", "challenge", "media_403_once", "media_503_once")}
        mending = {name: site.video(name) for name in ("panic_once", "truncated_once", "half_once", "page_drip_once")}
        hopeless = {name: site.video(name) for name in ("private", "deleted", "login", "sensitive", "photo", "404")}
        broken, hidden = site.video("html"), site.video("private")
        linked = site.video()
        good = whole["ok"]
        forms = [good.url, f"{good.url}?is_from_webapp=1", good.id, f"https://m.tiktok.com/v/{good.id}.html"]
        forms += [f"tiktok.com/@x/video/{good.id}", f"https://www.tiktok.com/embed/v2/{good.id}"]
        shorts = [site.short("ZMgood", linked.url), site.short("ZMagain", good.url)]
        shorts += [site.short("ZMdead", "https://www.tiktok.com/?_r=1"), site.short("ZMgone", 404)]
        shorts += [site.short("ZMhidden", hidden.url)]
        videos = [*whole.values(), *mending.values(), *hopeless.values(), broken]

        outcomes = daemon.queue(*forms, "https://www.tiktok.com/@x/photo/1234567890123456789", "nonsense")
        assert [o["outcome"] for o in outcomes] == ["added", *["duplicate"] * 5, "invalid", "invalid"]
        daemon.queue(*(video.url for video in videos if video is not good), *shorts)
        daemon.settle(60)

        for video in (*whole.values(), *mending.values(), linked):
            assert daemon.of(video.id)["state"] == "completed", (video.behaviour, daemon.of(video.id))
        for name, video in hopeless.items():
            assert daemon.of(video.id)["state"] == "failed", name
            assert daemon.asked(video) == ["page"], name
        assert daemon.of(broken.id)["state"] == "failed"
        assert daemon.asked(broken) == ["page", "media"] * 3
        assert {daemon.of(f"short-{code}")["state"] for code in ("ZMdead", "ZMgone")} == {"failed"}
        codes = ("ZMgood", "ZMagain", "ZMdead", "ZMgone", "ZMhidden")
        assert [len(site.hits(id=code)) for code in codes] == [1] * 5
        assert daemon.of("short-ZMhidden") == {}
        assert daemon.of(hidden.id)["state"] == "failed"
        (again,) = daemon.queue(shorts[-1])
        assert (again["outcome"], again["id"], again["state"]) == ("duplicate", hidden.id, "failed")
        # Sixteen videos, two behind short links, two dead links; the other short link was a video that we have.
        assert sum(daemon.states().values()) == len(videos) + 2 + 2
        assert daemon.asked(mending["truncated_once"]) == ["page", "media", "media"]
        assert daemon.asked(mending["half_once"]) == ["page", "media", "page", "media"]
        assert daemon.asked(mending["page_drip_once"]) == ["page", "page", "media"]
        assert daemon.of(mending["page_drip_once"].id)["crashes"] == 0  # a slow site is no poison
        log = (daemon.state / "log" / "tiktokd.log").read_text()
        assert "no result of download within 4 s" in log
        assert site.hits("foreign") == []
        assert list((daemon.state / "tmp").iterdir()) == []
        ends = "SELECT COUNT(*) FROM job_events WHERE event IN ('complete', 'fail') GROUP BY seq"
        assert set(daemon.sql(ends)) == {(1,)}


def test_kill_9_in_the_middle_of_a_media_file_costs_one_more_page_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path, per_minute=600, min_gap_s=0.05) as daemon:
        first, second = (daemon.site.video("media_hang_once") for _ in range(2))
        for video in (first, second):
            daemon.queue(video.url)
            until(lambda: daemon.site.hits("media", id=video.id), "a media file that is on its way")  # noqa: B023
            if video is first:
                (holder,) = [w["pid"] for w in daemon.workers().values() if w["id"] == video.id]
                os.kill(holder, signal.SIGKILL)
                daemon.settle(40)
            else:
                daemon.kill()
                assert list((daemon.state / "tmp").iterdir()), "the attempt was in the middle"
                daemon.start()
                daemon.settle(40)
            assert daemon.asked(video) == ["page", "media"] * 2
            assert list((daemon.state / "tmp").iterdir()) == []
        assert [daemon.of(video.id) | {"failure": None} for video in (first, second)] == [
            {"state": "completed", "download_attempts": 0, "crashes": crashes, "failure": None} for crashes in (1, 0)
        ]


def test_posts_are_asked_for_at_least_two_seconds_apart_with_the_default_settings(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        videos = [daemon.site.video() for _ in range(5)]
        daemon.queue(daemon.site.short("ZMpace", videos[0].url), *(video.url for video in videos[1:]))
        daemon.settle(40)
        at_s = [hit.at_s for hit in daemon.asked_of_tiktok()]
        assert len(at_s) == 6, "one short link and five pages"
        gaps_s = [later - earlier for earlier, later in pairwise(at_s)]
        assert min(gaps_s) >= 2.0, "as the other side sees it"
        assert median(gaps_s) <= 3.5, "the gate opens again after 2 to 3 s"
        assert max(gaps_s) <= 3.0 + 3.0, "and no request is forgotten, on a busy machine either"


def test_no_more_posts_are_asked_for_in_a_minute_than_allowed_whatever_they_cost(tmp_path: Path) -> None:
    with running(tmp_path, per_minute=8, min_gap_s=0.05) as daemon:
        site = daemon.site
        shorts = [site.short(f"ZMshort{n}", site.video().url) for n in range(2)]  # two requests each
        videos = [site.video() for _ in range(12)]
        daemon.queue(*shorts)
        until(lambda: len(daemon.asked_of_tiktok()) == 4, "the short links and their pages")
        daemon.queue(*(video.url for video in videos))

        def resting() -> bool:
            gate = daemon.ask("GET", "/api/status")["gate"]
            return (
                gate["next_at"] is not None
                and daemon.states().get("completed") == 6
                and "downloading" not in daemon.states()
            )

        until(resting, "six videos, and a gate that is closed")
        assert len(daemon.asked_of_tiktok()) == 8
        assert daemon.states() == {"completed": 6, "pending": 8}


def test_retry_after_stops_the_whole_downloader_and_costs_the_post_no_attempt(tmp_path: Path) -> None:
    with running(tmp_path, per_minute=600, min_gap_s=0.05) as daemon:
        for behaviour, seconds in (("429_once", 2.0), ("503_once", 1.0)):
            throttled = daemon.site.video(behaviour)
            others = [daemon.site.video() for _ in range(3)]
            daemon.queue(throttled.url, *(video.url for video in others))
            daemon.settle(30)
            assert daemon.of(throttled.id) | {"failure": None} == {
                "state": "completed", "download_attempts": 0, "crashes": 0, "failure": None,
            }  # fmt: skip
            (said,) = [hit.at_s for hit in daemon.site.hits("page", id=throttled.id) if hit.status != 200]
            during = [hit for hit in daemon.asked_of_tiktok() if said + 0.3 < hit.at_s < said + seconds]
            assert during == [], behaviour
            assert [hit for hit in daemon.asked_of_tiktok() if hit.at_s >= said + seconds]


def test_a_page_without_data_slows_the_downloader_and_is_not_hammered(tmp_path: Path) -> None:
    with running(tmp_path, per_minute=600, min_gap_s=0.05) as daemon:
        video = daemon.site.video("no_data")
        daemon.queue(video.url)
        until(lambda: daemon.sql("SELECT 1 FROM job_events WHERE event = 'retry'"), "a refusal that is noted")
        daemon.queue(daemon.site.video().url)
        gate = daemon.ask("GET", "/api/status")["gate"]
        assert gate["slowdown_ratio"] == 0.5
        assert gate["next_at"] is not None
        assert [hit.kind for hit in daemon.asked_of_tiktok()] == ["page"]
        assert daemon.states() == {"pending": 2}
