"""The download worker's handler with the real yt-dlp, against a stand-in for TikTok on the loopback."""

import gc
import hashlib
import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from yt_dlp.networking.common import Response

from tests.tiktok import samples
from tests.tiktok.proxy import Proxy
from tests.tiktok.site import NAME, Site, Video
from tiktokd.config import Config
from tiktokd.download import Downloader, start
from tiktokd.errors import ConfigError, Failure, ProtocolError
from tiktokd.messages import Download, Downloaded, Failed, Stop
from tiktokd.model import VideoRef
from tiktokd.wire import decode, encode
from tiktokd.worker import WorkerSetup


class Worker:
    """A handler, the site that it asks, and what it reported."""

    def __init__(self, site: Site, url: str, folder: Path, **settings: Any) -> None:
        self.site, self._folder, self._count = site, folder / f"worker-{id(self)}", 0
        self.progress: list[tuple[float | None, str | None]] = []
        download = {"proxy": url, "verify_tls": False, "timeout_s": 3.0, "min_gap_s": 0.01, **settings}
        setup = WorkerSetup(
            name="download_worker_0",
            index=0,
            config=Config.model_validate({"daemon": {"state_dir": str(folder / "state")}, "download": download}),
            region=None,
            device="cpu",
            report=self._report,
        )
        self.handler: Downloader = start(setup)

    def _report(self, *, progress_ratio: float | None = None, detail: str | None = None) -> None:
        self.progress.append((progress_ratio, detail))

    def ask(self, url: str, *, left: dict[str, bytes] | None = None) -> Downloaded | Failed:
        """Send one request; `left`: files that an earlier try left in the folder."""
        self._count += 1
        folder = self._folder / f"attempt-{self._count}"
        folder.mkdir(parents=True)
        for name, data in (left or {}).items():
            (folder / name).write_bytes(data)
        answer = self.handler.handle(Download(ticket=f"t{self._count}", id="1", url=url, attempt_dir=str(folder)))
        assert isinstance(answer, Downloaded | Failed)
        assert decode(encode(answer)) == answer
        assert answer.ticket == f"t{self._count}"
        return answer

    def get(self, video: Video) -> Downloaded:
        answer = self.ask(video.url)
        assert isinstance(answer, Downloaded), answer
        return answer

    def fail(self, video: Video | str) -> Failure:
        answer = self.ask(video if isinstance(video, str) else video.url)
        assert isinstance(answer, Failed), answer
        return answer.failure

    def asked(self, video: Video) -> list[tuple[str, int]]:
        """Kind and status of every request for a video."""
        return [(hit.kind, hit.status) for hit in self.site.hits(id=video.id)]


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with Proxy(Site()) as running:
        yield running


@pytest.fixture(scope="module")
def worker(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests: an instance that is reused, as in life."""
    made = Worker(proxy.site, proxy.url, tmp_path_factory.mktemp("attempts"))
    yield made
    made.handler.close()


def test_a_post_costs_one_page_and_one_media_file_and_arrives_whole(worker: Worker):
    video = worker.site.video()
    answer = worker.get(video)
    data = Path(answer.path).read_bytes()
    assert data == video.data
    assert answer.sha256 == hashlib.sha256(data).hexdigest()
    assert answer.size_bytes == len(data)
    assert answer.requests == 1
    assert answer.resolved is None
    assert worker.asked(video) == [("page", 200), ("media", 200)]


def test_the_file_lies_alone_in_the_folder_of_its_attempt(worker: Worker):
    answer = worker.get(worker.site.video())
    assert [path.name for path in Path(answer.path).parent.iterdir()] == [Path(answer.path).name]


def test_metadata_says_what_the_post_says_and_keeps_no_cookie_and_no_link(worker: Worker):
    video = worker.site.video()
    metadata = worker.get(video).metadata
    assert metadata.description == f"Look at {video.id} #test #fyp"
    assert metadata.created_at_s == 1684461000
    assert metadata.uploader == NAME
    assert metadata.uploader_id == "6900000000000000001"
    assert metadata.channel == "A Näme"
    assert metadata.channel_id == "MS4wLjABAAAAsec"
    assert metadata.track == "original sound"
    assert metadata.artists == ["A Näme"]
    assert metadata.music_id == "6900000000000000002"
    assert metadata.is_ad is False
    assert metadata.duration_s == 2
    assert (metadata.view_count, metadata.like_count, metadata.repost_count) == (1000, 100, 10)
    assert metadata.comment_count == 5
    assert metadata.save_count is None  # the page says -1
    assert (metadata.width_px, metadata.height_px) == (576, 1024)
    assert metadata.format_id is not None
    assert metadata.format_id.startswith("h264_540p")
    assert (metadata.fetched_at_s or 0) > 1.7e9
    text = metadata.model_dump_json()
    assert not [word for word in ("cookie", "visitor", "token", "http", "expire", "signature") if word in text.lower()]


def test_odd_text_in_a_caption_survives_the_way_to_the_daemon(worker: Worker):
    metadata = worker.get(worker.site.video("odd_text")).metadata
    assert metadata.description is not None
    assert metadata.description.startswith("half ? \x1b[31m <b>é</b>")
    assert len(metadata.description) > 4000


@pytest.mark.parametrize(
    ("behaviour", "failure_class", "words", "requests"),
    [
        ("private", "auth", "private", ["page"]),
        ("private_account", "auth", "private", ["page"]),
        ("sensitive", "auth", "sensitive", ["page"]),
        ("login", "auth", "login", ["page"]),
        ("deleted", "permanent", "deleted", ["page"]),
        ("refused", "permanent", "10231", ["page"]),
        ("region", "permanent", "region", ["page"]),
        ("404", "permanent", "no such page", ["page"]),
        ("no_formats", "permanent", "no video", ["page"]),
        ("photo", "unsupported", "photo", ["page"]),
        ("long", "unsupported", "max_duration_s", ["page"]),
        ("no_picture", "unsupported", "no picture", ["page", "media"]),
        ("429_bare", "throttled", "too many requests", ["page"]),
        ("403", "throttled", "refused", ["page"]),
        ("challenge_stuck", "throttled", "challenge", ["page", "page"]),
        ("captcha", "throttled", "challenge", ["page"]),
        ("no_data", "throttled", "empty page", ["page"]),
        ("empty_page", "throttled", "empty page", ["page"]),
        ("media_429", "throttled", "too many requests", ["page", "media"]),
        ("media_403", "throttled", "refused", ["page", "media", "page", "media"]),
        ("500", "transient", "server failed", ["page"]),
        ("panic_once", "transient", "10101", ["page"]),
        ("no_detail_once", "transient", "status 0", ["page"]),
        ("page_reset", "transient", "connection", ["page"]),
        ("page_cut", "transient", "connection", ["page"]),
        ("page_hang", "transient", "no answer in time", ["page"]),
        ("media_404", "transient", "expired", ["page", "media"]),
        ("truncated", "transient", "broke off", ["page", "media", "media", "media"]),
        ("zero", "transient", "empty file", ["page", "media"]),
        ("html", "transient", "broken file", ["page", "media"]),
        ("random", "transient", "broken file", ["page", "media"]),
        ("half", "transient", "29 of 60 frames", ["page", "media"]),
    ],
)
def test_every_refusal_gets_its_class_and_costs_no_request_too_many(
    worker: Worker, behaviour: str, failure_class: str, words: str, requests: list[str]
):
    video = worker.site.video(behaviour)
    answer = worker.ask(video.url)
    assert isinstance(answer, Failed)
    assert answer.failure.failure_class == failure_class
    assert words in answer.failure.message
    assert answer.failure.stage == "download"
    assert [kind for kind, _ in worker.asked(video)] == requests
    assert answer.requests == requests.count("page")


@pytest.mark.parametrize(
    "behaviour",
    ["panic_once", "no_detail_once", "429_once", "no_data_once", "503_once", "half_once"],
)
def test_what_mends_itself_works_at_the_second_asking(worker: Worker, behaviour: str):
    video = worker.site.video(behaviour)
    worker.fail(video)
    assert Path(worker.get(video).path).read_bytes() == video.data


@pytest.mark.parametrize("behaviour", ["truncated_once", "media_503_once"])
def test_a_stumble_of_the_cdn_is_mended_within_the_request(worker: Worker, behaviour: str):
    video = worker.site.video(behaviour)
    assert Path(worker.get(video).path).read_bytes() == video.data
    assert [kind for kind, _ in worker.asked(video)] == ["page", "media", "media"]


def test_a_link_that_the_cdn_refuses_is_fetched_once_more_from_a_fresh_page(worker: Worker):
    video = worker.site.video("media_403_once")
    answer = worker.get(video)
    assert answer.requests == 2
    assert worker.asked(video) == [("page", 200), ("media", 403), ("page", 200), ("media", 200)]


def test_a_challenge_is_answered_and_counted(worker: Worker):
    video = worker.site.video("challenge")
    assert worker.get(video).requests == 2
    assert worker.asked(video) == [("page", 200), ("page", 200), ("media", 200)]


@pytest.mark.parametrize(
    ("behaviour", "status", "seconds"),
    [
        ("429_once", 429, 2.0),
        ("429_dated", 429, 7.0),
        ("503_once", 503, 1.0),
        ("media_429", 429, 3.0),
        ("media_503", 503, 9.0),
    ],
)
def test_status_and_retry_after_reach_the_daemon_whoever_said_them(
    worker: Worker, behaviour: str, status: int, seconds: float
):
    failure = worker.fail(worker.site.video(behaviour))
    assert (failure.http_status, failure.retry_after_s) == (status, seconds)


def test_a_cdn_that_names_a_time_is_not_asked_again_before_it(worker: Worker):
    video = worker.site.video("media_503")
    worker.fail(video)
    assert worker.asked(video) == [("page", 200), ("media", 503)]


@pytest.mark.parametrize("behaviour", ["mute", "hevc_only", "watermark_only", "no_length"])
def test_unusual_posts_arrive_as_well(worker: Worker, behaviour: str):
    video = worker.site.video(behaviour)
    assert Path(worker.get(video).path).read_bytes() == video.data


def test_h264_of_the_largest_size_within_the_limit_is_taken(worker: Worker):
    # 540p is 576x1024 and fits max_height = 1024; 720p is 720x1280; H.265 of 1080p is what yt-dlp would take.
    assert (worker.get(worker.site.video("renditions")).metadata.format_id or "").startswith("h264_540p")


def test_files_that_an_earlier_try_left_are_not_taken_for_a_success(worker: Worker):
    video = worker.site.video()
    answer = worker.ask(video.url, left={f"{video.id}.mp4": b"left", f"{video.id}.mp4.part": b"half"})
    assert isinstance(answer, Downloaded)
    assert Path(answer.path).read_bytes() == video.data
    assert [path.name for path in Path(answer.path).parent.iterdir()] == [f"{video.id}.mp4"]


def test_progress_is_told_in_bytes_and_ends_at_one(worker: Worker):
    worker.progress.clear()
    worker.get(worker.site.video())
    ratios = [ratio for ratio, _ in worker.progress if ratio is not None]
    assert ratios == sorted(ratios)
    assert ratios[-1] == 1.0
    assert worker.progress[-1][1] == "0.2 of 0.2 MiB"


# Short links


def test_a_short_link_costs_one_head_and_the_page_is_fetched_once(worker: Worker):
    video = worker.site.video()
    answer = worker.ask(worker.site.short("ZMgood", f"{video.url}?_r=1&_t=abc"))
    assert isinstance(answer, Downloaded)
    assert answer.resolved == VideoRef(id=video.id, url=video.url)
    assert answer.requests == 2
    assert [(hit.kind, hit.method) for hit in worker.site.hits(id="ZMgood")] == [("short", "HEAD")]
    assert worker.asked(video) == [("page", 200), ("media", 200)]


def test_a_refusal_of_the_video_behind_a_short_link_names_that_video(worker: Worker):
    video = worker.site.video("private")
    answer = worker.ask(worker.site.short("ZMprivate", video.url))
    assert isinstance(answer, Failed)
    assert answer.resolved == VideoRef(id=video.id, url=video.url)
    answer = worker.ask(video.url)
    assert isinstance(answer, Failed)
    assert answer.resolved is None, "the request before has left nothing behind"


def test_a_short_link_to_a_short_link_is_followed(worker: Worker):
    video = worker.site.video()
    worker.site.short("ZMsecond", f"https://m.tiktok.com/v/{video.id}.html")
    answer = worker.ask(worker.site.short("ZMfirst", "https://www.tiktok.com/t/ZMsecond/"))
    assert isinstance(answer, Downloaded)
    assert answer.resolved == VideoRef(id=video.id, url=f"https://www.tiktok.com/@_/video/{video.id}")


def test_a_short_link_is_asked_for_once_however_often_its_video_is_tried(worker: Worker):
    video = worker.site.video("panic_once")
    link = worker.site.short("ZMonce", video.url)
    assert worker.fail(link).failure_class == "transient"
    answer = worker.ask(link)
    assert isinstance(answer, Downloaded)
    assert (answer.resolved, answer.requests) == (VideoRef(id=video.id, url=video.url), 1)
    assert len(worker.site.hits(id="ZMonce")) == 1


@pytest.mark.parametrize(
    ("code", "target", "failure_class", "words"),
    [
        ("ZMdead", "https://www.tiktok.com/?_r=1", "permanent", "dead"),
        ("ZM404", 404, "permanent", "leads nowhere"),
        ("ZM429", 429, "throttled", "too many requests"),
        ("ZM200", 200, "transient", "leads nowhere"),
        ("ZM503", 503, "transient", "server failed"),
        ("ZMphoto", "https://www.tiktok.com/@a/photo/7234567890123456789", "unsupported", "photo"),
        ("ZMlive", "https://www.tiktok.com/@a/live", "unsupported", "live"),
        ("ZMuser", "https://www.tiktok.com/@a", "unsupported", "profile"),
        ("ZMlogin", "https://www.tiktok.com/login", "auth", "login"),
        ("ZMloop", "https://vm.tiktok.com/ZMloop/", "permanent", "circles"),
        ("ZMaway", "https://evil.example/x", "unsupported", "not TikTok"),
    ],
)
def test_a_short_link_that_leads_to_no_video_says_where_it_leads(
    worker: Worker, code: str, target: str | int, failure_class: str, words: str
):
    failure = worker.fail(worker.site.short(code, target))
    assert failure.failure_class == failure_class
    assert words in failure.message
    assert worker.site.hits("foreign", "home", "other") == []


# Limits and settings


def test_a_file_that_promises_to_be_too_large_is_refused(proxy: Proxy, tmp_path: Path):
    small = Worker(proxy.site, proxy.url, tmp_path, max_filesize_mib=0.1)
    for behaviour in ("ok", "no_length"):
        failure = small.fail(proxy.site.video(behaviour))
        assert failure.failure_class == "unsupported"
        assert "max_filesize_mib" in failure.message
        gc.collect()  # a connection that was left open would be an error here
    small.handler.close()


def test_requests_of_one_post_and_of_several_workers_leave_no_closer_than_the_gap(proxy: Proxy, tmp_path: Path):
    first, second = (Worker(proxy.site, proxy.url, tmp_path, min_gap_s=0.3) for _ in range(2))
    refused, video = proxy.site.video("media_403_once"), proxy.site.video()
    before = len(proxy.site.hits("page", "short"))
    first.ask(proxy.site.short("ZMpace", refused.url))
    second.get(video)
    hits = proxy.site.hits("page", "short")[before:]
    assert [hit.kind for hit in hits] == ["short", "page", "page", "page"]
    assert min(later.at_s - earlier.at_s for earlier, later in pairwise(hits)) >= 0.3, "as the other side sees it"
    first.handler.close()
    second.handler.close()


def test_no_proxy_is_a_trouble_of_this_machine(proxy: Proxy, tmp_path: Path):
    lonely = Worker(proxy.site, "http://127.0.0.1:9", tmp_path)
    assert lonely.fail(proxy.site.video()).failure_class == "local"
    assert lonely.fail("https://vm.tiktok.com/ZMnowhere").failure_class == "local"
    lonely.handler.close()


def test_a_certificate_that_is_not_trusted_is_a_trouble_of_this_machine(proxy: Proxy, tmp_path: Path):
    strict = Worker(proxy.site, proxy.url, tmp_path, verify_tls=True)
    failure = strict.fail(proxy.site.video())
    assert failure.failure_class == "local"
    assert "certificate" in failure.message
    strict.handler.close()


def test_cookies_are_used_and_the_users_file_is_never_written(proxy: Proxy, tmp_path: Path):
    file = tmp_path / "cookies.txt"
    text = "# Netscape HTTP Cookie File\n.tiktok.com\tTRUE\t/\tTRUE\t4102444800\tsessionid\tsecret\n"
    file.write_text(text)
    worker = Worker(proxy.site, proxy.url, tmp_path, cookies_file=str(file))
    answer = worker.get(proxy.site.video())
    worker.handler.close()
    assert file.read_text() == text
    assert "sessionid=secret" in proxy.site.cookies[-2]
    assert "secret" not in answer.metadata.model_dump_json()


def test_a_cookie_file_that_is_not_there_is_refused_at_the_start(proxy: Proxy, tmp_path: Path):
    with pytest.raises(ConfigError, match="cookies_file: cannot read"):
        Worker(proxy.site, proxy.url, tmp_path, cookies_file=str(tmp_path / "none.txt"))


def test_a_url_of_another_site_is_refused_without_a_request(worker: Worker):
    before = len(worker.site.hits())
    assert worker.fail("https://www.youtube.com/watch?v=x").failure_class == "unsupported"
    assert len(worker.site.hits()) == before


def test_another_kind_of_request_is_a_mistake_of_the_daemon(worker: Worker):
    with pytest.raises(ProtocolError, match="cannot Stop"):
        worker.handler.handle(Stop())


def test_the_greeting_names_the_versions_that_matter(worker: Worker):
    versions = worker.handler.ready().versions
    assert set(versions) == {"yt-dlp", "curl_cffi", "requests", "av"}
    assert all(text[0].isdigit() for text in versions.values())


def test_not_a_byte_reaches_stdout_or_stderr(
    worker: Worker, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    for behaviour in ("ok", "private", "truncated_once", "photo", "half", "no_data", "hevc_only", "media_503"):
        worker.ask(worker.site.video(behaviour).url)
    assert capfd.readouterr() == ("", "")
    assert "visitor" not in caplog.text


def test_one_instance_stays_one_visitor_over_good_posts_and_refused_ones(worker: Worker):
    """The second page is asked for with the cookie of the first: yt-dlp's instance was kept."""
    worker.get(worker.site.video())
    worker.fail(worker.site.video("private"))
    worker.get(worker.site.video())
    assert "tt_chain_token=visitor" in worker.site.cookies[-2]


def test_after_a_broken_connection_the_next_post_works_with_a_fresh_instance(worker: Worker):
    worker.fail(worker.site.video("page_reset"))
    worker.get(worker.site.video())
    assert "tt_chain_token" not in worker.site.cookies[-2]


def test_refused_posts_leave_no_answer_open_however_many_there_are(worker: Worker):
    """A list of old posts is a run of thousands that are gone; none of them reaches its media."""
    worker.fail(worker.site.video("private"))
    gc.collect()
    gc.disable()  # what is closed in time needs no collector
    try:
        before = _open_files(), _answers()
        for behaviour in ("404", "private", "deleted") * 10:
            worker.fail(worker.site.video(behaviour))
        assert _open_files() <= before[0] + 3
        gc.collect()
        assert _answers() <= before[1] + 1
    finally:
        gc.enable()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _answers() -> int:
    # not `isinstance`, which asks objects of other packages for their class, and some warn then
    return sum(issubclass(type(each), Response) for each in gc.get_objects())


def test_no_request_ever_left_tiktoks_hosts(worker: Worker):
    assert worker.site.hits("foreign", "audio") == []


def test_the_samples_are_what_the_tests_take_them_for(tmp_path: Path):
    """A half file opens and promises everything: the trap that the check to the end is there for."""
    path = tmp_path / "half.mp4"
    path.write_bytes(samples.half(samples.mp4()))
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 60
