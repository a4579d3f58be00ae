"""The control API over a real Unix socket and a real TCP port, with the real store behind it."""

import hashlib
import http.client
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.toy_daemon import NOW, WAIT_S, envelope, toy_daemon
from tiktokd import api
from tiktokd.api_events import Ring
from tiktokd.api_guard import Peer, is_member, read_token
from tiktokd.api_routes import Routes
from tiktokd.client import Client, Refused, Unreachable, _Connection
from tiktokd.errors import ConfigError, Failure
from tiktokd.protocol import API_HEADER, API_VERSION, Event
from tiktokd.scheduler import store

ID = "7212345678901234567"
URL = f"https://www.tiktok.com/@name/video/{ID}"


@pytest.fixture
def daemon(tmp_path):
    with toy_daemon(tmp_path) as running:
        yield running


def ask(daemon, method, path, body=None, **headers):
    """Send one raw request over the socket; return status and decoded answer."""
    connection = _Connection(daemon.socket_path, WAIT_S)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response, json.loads(data) if data else None


def test_the_socket_is_open_for_owner_and_group_alone(daemon):
    assert stat.S_IMODE(daemon.socket_path.stat().st_mode) == 0o660


def test_items_are_answered_one_by_one_in_order(daemon):
    outcomes = daemon.client.add(
        [URL, "nonsense", ID, f"https://m.tiktok.com/v/{ID}.html", "https://vm.tiktok.com/ZMabc123/"], priority=7
    )
    assert [item.outcome for item in outcomes.items] == ["added", "invalid", "duplicate", "duplicate", "added"]
    assert [item.input for item in outcomes.items][1] == "nonsense"
    assert outcomes.items[1].reason
    assert outcomes.items[4].id == "short-ZMabc123"
    assert outcomes.counts == {"added": 2, "invalid": 1, "duplicate": 2}
    assert daemon.runtime.wakes == 1
    assert daemon.client.video(ID)["priority"] == 7


def test_an_acknowledged_url_is_in_the_database(daemon):
    daemon.client.add([URL], priority=5)
    assert daemon.database.read_blocking(store.get, ID) is not None


def test_one_request_in_ndjson_takes_strings_objects_and_plain_text(daemon):
    body = "\n".join([json.dumps(URL), json.dumps({"url": f"{URL[:-1]}8"}), f"{URL[:-1]}9", "{broken", ""])
    response, answer = ask(
        daemon, "POST", "/api/queue/add?priority=9", body.encode(), Content_Type="application/x-ndjson"
    )
    assert response.status == 200
    assert [item["outcome"] for item in answer["items"]] == ["added", "added", "added", "invalid"]
    assert daemon.client.video(ID)["priority"] == 9


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": [ID], "failed": True}])
def test_requeue_wants_ids_or_all_that_failed_and_not_both(daemon, body):
    response, answer = ask(
        daemon, "POST", "/api/queue/requeue", json.dumps(body).encode(), Content_Type="application/json"
    )
    assert response.status == 400
    assert "one of the two" in answer["error"]["message"]


@pytest.mark.parametrize("priority", ["nan", "inf", "5.9", "-1", "11"])
def test_a_priority_of_a_query_that_is_none_is_refused_too(daemon, priority):
    path = f"/api/queue/add?priority={priority}"
    response, answer = ask(daemon, "POST", path, ID.encode(), Content_Type="application/x-ndjson")
    assert (response.status, answer["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("priority", [0, 11, "high", 5.5, None, True])
def test_a_priority_that_is_none_is_refused_by_name(daemon, priority):
    body = json.dumps({"urls": [URL], "priority": priority}).encode()
    response, answer = ask(daemon, "POST", "/api/queue/add", body, Content_Type="application/json")
    assert response.status == 400
    assert answer["error"]["code"] == "bad_request"
    assert "priority" in answer["error"]["message"]
    assert daemon.client.status().counts["pending"] == 0


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"urls": [URL], "priorty": 3}, "priorty"),
        ({}, 'give "urls" or "paths"'),
        ({"urls": [URL], "analyzers": ["no_such"]}, "no_such"),
        ({"urls": [1]}, "urls.0"),
        ({"urls": ["x"] * 10_001}, "10000"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_with_the_reason(daemon, body, problem):
    with pytest.raises(Refused) as caught:
        daemon.client.post("/api/queue/add", **body)
    assert caught.value.status == 400
    assert problem in str(caught.value)


def test_a_body_that_is_too_large_is_refused(daemon):
    with pytest.raises(Refused) as caught:
        daemon.client.post("/api/queue/add", urls=["x" * 8000] * 1100)
    assert caught.value.status == 413


@pytest.mark.parametrize("header", ["Origin", "Referer"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_from_web_pages_are_refused(daemon, header, method):
    response, answer = ask(daemon, method, "/api/status", **{header: "https://evil.example"})
    assert response.status == 403
    assert answer["error"]["code"] == "browser"


@pytest.mark.parametrize("host", ["localhost", "evil.example", "tiktokd:80", "tiktokd.evil.example", "TIKTOKD", ""])
def test_any_host_but_the_fixed_one_is_refused(daemon, host):
    response, answer = ask(daemon, "GET", "/api/status", Host=host)
    assert response.status == 403
    assert answer["error"]["code"] == "host"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_change_without_json_content_type_is_refused(daemon, kind):
    body = json.dumps({"urls": [URL]}).encode()
    response, _ = ask(daemon, "POST", "/api/queue/add", body, Content_Type=kind)
    assert response.status == 415
    assert daemon.client.status().counts["pending"] == 0


def test_each_change_is_logged_with_the_credentials_of_the_peer(daemon, caplog):
    with caplog.at_level(logging.INFO, logger="tiktokd.api"):
        daemon.client.add([URL], priority=5)
        daemon.client.status()
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"POST /api/queue/add by uid {os.getuid()} pid {os.getpid()}: 200"]


def test_only_members_of_the_socket_group_may_change():
    assert is_member(Peer(pid=1, uid=12345, gid=77), 77)
    assert not is_member(Peer(pid=1, uid=4_000_000, gid=78), 77)


def test_headers_of_every_answer_forbid_embedding_and_name_the_version(daemon):
    response, _ = ask(daemon, "GET", "/api/nothing")
    assert response.status == 404
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers[API_HEADER] == "1"


def test_an_unknown_path_and_a_wrong_method_are_answered_as_json(daemon):
    assert ask(daemon, "GET", "/api/nothing")[1]["error"]["code"] == "not_found"
    assert ask(daemon, "GET", "/api/queue/add")[0].status == 405


def test_status_says_what_the_loop_and_the_queue_know(daemon):
    daemon.client.add([URL], priority=5)
    daemon.client.set_paused("processing", True)
    status = daemon.client.status()
    assert status.counts["pending"] == 1
    assert set(status.counts) == {
        "pending", "downloading", "downloaded", "processing", "completed", "failed", "cancelled",
    }  # fmt: skip
    assert [lane.paused for lane in status.lanes] == [False, True]
    assert status.workers[0].progress_ratio == 0.5
    assert status.next_download_at == NOW + 2
    raw = daemon.client.get("/api/status")
    assert {"counts", "workers", "gpus", "rates"} <= set(raw)


def test_all_lanes_are_paused_and_resumed_at_once(daemon):
    daemon.client.set_paused("all", True)
    assert daemon.runtime.paused == {"download": True, "processing": True}
    daemon.client.set_paused("download", False)
    assert daemon.runtime.paused == {"download": False, "processing": True}


def test_cancelled_work_has_stopped_before_the_answer(daemon):
    daemon.client.add([URL], priority=5)
    daemon.write(store.claim_download, worker="w", incarnation="toy")
    outcomes = daemon.client.cancel([ID, "7299999999999999999", ID])
    assert [item.outcome for item in outcomes.items] == ["cancelled", "not_found"]
    assert daemon.runtime.cancelled == [ID]
    again = daemon.client.cancel([ID])
    assert again.items[0].outcome == "unchanged"
    assert again.items[0].reason == "it is cancelled"


def test_a_failed_video_is_requeued_and_keeps_its_media_where_it_has_any(daemon):
    daemon.client.add([URL], priority=5)
    claim = daemon.write(store.claim_download, worker="w", incarnation="toy")
    failure = Failure(failure_class="permanent", stage="download", message="deleted\x1b[31m")
    daemon.write(store.fail, claim.token, failure=failure)
    error = daemon.client.video(ID)["error"]
    assert error == {"class": "permanent", "stage": "download", "message": "deleted\x1b[31m"}
    assert [item.outcome for item in daemon.client.requeue(failed=True).items] == ["requeued"]
    daemon.finish(ID, {})
    assert daemon.client.requeue([ID]).items[0].outcome == "reanalyzed"


def test_priorities_change_while_a_video_waits(daemon):
    daemon.client.add([URL], priority=5)
    assert daemon.client.set_priority([ID], 10).items[0].outcome == "updated"
    assert daemon.client.video(ID)["priority"] == 10


def test_files_are_judged_one_by_one(daemon, tmp_path):
    media = tmp_path / "clip.mp4"
    media.write_bytes(b"some media")
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe")
    paths = [media, tmp_path / "empty.mp4", tmp_path / "gone.mp4", tmp_path / "pipe", tmp_path, media]
    outcomes = daemon.client.add_files(paths, priority=5)
    assert [item.outcome for item in outcomes.items] == ["added"] + ["invalid"] * 4 + ["duplicate"]
    first = outcomes.items[0]
    assert first.id == "file-" + hashlib.sha256(b"some media").hexdigest()[:16]
    assert first.url == media.as_uri()
    assert first.state == "downloaded"
    assert media.read_bytes() == b"some media"


def test_the_list_is_paged_newest_first_without_gaps(daemon):
    ids = [str(7212345678901234500 + n) for n in range(25)]
    daemon.client.add(ids, priority=5)
    seen, after = [], None
    while True:
        page = daemon.client.videos(state="pending", limit=10, after=after)
        seen += [video.id for video in page.videos]
        after = page.next
        if after is None:
            break
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    "query", ["state=lost", "limit=0", "limit=501", "limit=x", "limit=nan", "limit=1e3", "limit=-1", "after=x"]
)
def test_a_question_that_makes_no_sense_is_refused(daemon, query):
    response, _ = ask(daemon, "GET", f"/api/videos?{query}")
    assert response.status == 400


def test_an_unknown_video_is_not_found(daemon):
    with pytest.raises(Refused, match="tiktokctl list") as caught:
        daemon.client.video("7299999999999999999")
    assert caught.value.status == 404


def test_the_export_has_the_documented_form(daemon):
    daemon.client.add([URL, f"{URL[:-1]}8"], priority=5)
    daemon.finish(ID, {"loudness": envelope("loudness", integrated_lufs=-14.2)}, title="t", view_count=3)
    document = json.loads(b"".join(daemon.client.export("json")))
    assert list(document) == ["generated_at", "version", "stats", "videos"]
    done, waiting = document["videos"]
    assert list(done) == [
        "id", "url", "state", "priority", "attempts", "enqueued_at", "finished_at", "error", "metadata", "analysis",
        "timings", "facts",
    ]  # fmt: skip
    assert done["analysis"]["loudness"]["summary"] == {"integrated_lufs": -14.2}
    assert done["finished_at"] == "2026-09-21T14:13:20.000Z"
    assert done["metadata"]["title"] == "t"
    assert waiting["state"] == "pending"
    assert waiting["metadata"] == {}
    lines = b"".join(daemon.client.export("jsonl", state="completed")).splitlines()
    assert [json.loads(line) for line in lines] == [done]


def test_an_empty_export_is_valid(daemon):
    assert json.loads(b"".join(daemon.client.export("json")))["videos"] == []
    assert b"".join(daemon.client.export("jsonl")) == b""


def test_an_export_of_many_pages_has_every_video_once(daemon):
    ids = [str(7212345678901230000 + n) for n in range(173)]
    daemon.client.add(ids, priority=5)
    document = json.loads(b"".join(daemon.client.export("json")))
    assert [video["id"] for video in document["videos"]] == ids


def test_export_since_takes_dates_and_refuses_others(daemon):
    daemon.client.add([URL], priority=5)
    assert b"".join(daemon.client.export("jsonl", since="2026-09-22")) == b""
    assert b"".join(daemon.client.export("jsonl", since="2026-09-21T14:13:20Z"))
    with pytest.raises(Refused, match="yesterday"):
        list(daemon.client.export("json", since="yesterday"))


def test_events_arrive_in_order_and_a_reader_resumes_where_it_was(daemon):
    assert daemon.runtime.subscribed.wait(WAIT_S)
    got, first = [], threading.Event()

    def listen():
        for event in Client(daemon.socket_path, timeout_s=WAIT_S).events("toy-0"):
            got.append(event)
            first.set()
            if len(got) == 3:
                return

    reader = threading.Thread(target=listen)
    reader.start()
    for number in range(3):
        event = Event(seq=0, at=NOW, kind="video", id=str(number), from_state="pending", to_state="downloading")
        daemon.call(lambda event=event: daemon.runtime.happen(event))
    assert first.wait(WAIT_S)
    reader.join(WAIT_S)
    assert [(event.seq, event.id) for event in got] == [(1, "0"), (2, "1"), (3, "2")]
    resumed = daemon.client.events("toy-2")
    assert next(resumed).id == "2"
    resumed.close()


def test_a_reader_from_before_a_restart_is_told_that_it_missed_something(daemon):
    stream = daemon.client.events("earlier-17")
    assert next(stream).kind == "lag"
    stream.close()


def test_cleanup_removes_media_and_old_logs_but_keeps_results(daemon, tmp_path):
    daemon.client.add([URL], priority=5)
    daemon.finish(ID, {"loudness": envelope("loudness", integrated_lufs=-14.2)})
    log = tmp_path / "log" / "cpu_worker_0.log.1"
    log.parent.mkdir()
    log.touch()
    os.utime(log, (NOW - 10 * 86400, NOW - 10 * 86400))
    daemon.control._clock = lambda: NOW + 8 * 86400
    would = daemon.client.cleanup(7, dry_run=True)
    assert (would.media_files, would.media_bytes, would.logs) == (1, 5, 1)
    assert (tmp_path / f"{ID}.mp4").exists()
    did = daemon.client.cleanup(7, dry_run=False)
    assert (did.media_files, did.events, did.logs) == (would.media_files, would.events, would.logs)
    assert not (tmp_path / f"{ID}.mp4").exists()
    assert not log.exists()
    assert "loudness" in daemon.client.video(ID)["analysis"]


def test_the_documentation_names_every_endpoint(daemon):
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for route in Routes(daemon.control, Ring("toy")).table():
        *_, last = route.path.rpartition("/")
        family = f"`{last}`" if route.path.startswith("/api/queue/") else ""
        assert f"`{route.method} {route.path}" in text or family in text.split("Bodies")[0], route


def test_a_write_by_somebody_outside_the_group_is_refused_even_where_the_socket_is_open(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with toy_daemon(tmp_path) as daemon:
        daemon.socket_path.chmod(0o666)
        for parent in (tmp_path, *tmp_path.parents[:3]):
            parent.chmod(parent.stat().st_mode | 0o011)
        code = (
            "import os, sys, tiktokd.client as c, encodings.idna; from pathlib import Path; "
            "os.setgroups([]); os.setgid(65534); os.setuid(65534); "
            f"client = c.Client(Path({str(daemon.socket_path)!r})); client.status(); client.set_paused('all', True)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert "uid 65534 is not in the group" in done.stderr
        assert daemon.runtime.paused["download"] is False


def test_metrics_and_health_are_answered(daemon):
    assert daemon.client.get("/healthz")["ok"] is True
    assert {"counts", "rates", "gpus", "samples"} <= set(daemon.client.get("/api/metrics"))
    assert daemon.client.analyzers()[0]["name"] == "loudness"
    assert daemon.client.get("/api/workers")["workers"][1]["jobs_done"] == 3


def test_a_database_that_cannot_be_read_is_said_so(daemon):
    daemon.database.close()
    with pytest.raises(Refused) as caught:
        daemon.client.add([URL], priority=5)
    assert caught.value.status == 503


def test_the_tcp_listener_wants_the_token_the_host_and_no_origin(tmp_path):
    with toy_daemon(tmp_path, listen="127.0.0.1:0") as daemon:
        port = daemon.server.tcp_port
        token = (tmp_path / "token").read_text().strip()
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600

        def status(**headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
            connection.request("GET", "/api/status", headers=headers)
            found = connection.getresponse()
            found.read()
            connection.close()
            return found.status

        assert status() == 401
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        connection.close()
        assert status(Authorization="Bearer wrong") == 401
        assert status(Authorization=f"Basic {token}") == 401
        assert status(Authorization=b"Bearer \xff\xfe") == 401
        assert status(Authorization=f"Bearer {token}") == 200
        assert status(Authorization=f"Bearer {token}", Host=f"127.evil.com:{port}") == 403
        assert status(Authorization=f"Bearer {token}", Host=f"localhost:{port}") == 403
        assert status(Authorization=f"Bearer {token}", Host="tiktokd") == 403
        assert status(Authorization=f"Bearer {token}", Origin=f"http://127.0.0.1:{port}") == 403


def test_a_token_file_is_reused_and_a_careless_one_refused(tmp_path):
    file = tmp_path / "t"
    token = read_token(file)
    assert read_token(file) == token
    assert len(token) >= 43
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod"):
        read_token(file)
    file.chmod(0o640)
    file.write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        read_token(file)


def test_the_socket_is_removed_at_the_end(tmp_path):
    with toy_daemon(tmp_path) as daemon:
        assert daemon.socket_path.exists()
    assert not daemon.socket_path.exists()


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "s"
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(path))
    old.close()
    sock = api.bind(path)
    sock.listen()
    with pytest.raises(ConfigError, match="another daemon"):
        api.bind(path)
    sock.close()


@pytest.mark.parametrize("answer", [b'{"counts": {', b"", b"not JSON at all"])
def test_an_answer_that_breaks_off_is_an_unreachable_daemon(tmp_path, answer):
    path = tmp_path / "s"
    head = f"HTTP/1.1 200 OK\r\n{API_HEADER}: {API_VERSION}\r\nContent-Length: 15\r\n\r\n".encode()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def break_off():
            peer, _ = listening.accept()
            peer.recv(65536)
            peer.sendall(head + answer)
            peer.close()

        server = threading.Thread(target=break_off)
        server.start()
        with pytest.raises(Unreachable, match="broke off"):
            Client(path, WAIT_S).status()
        server.join(WAIT_S)


def test_a_file_where_the_socket_should_be_is_left_alone(tmp_path):
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="not a socket"):
        api.bind(path)
    assert path.read_text() == "precious"


def test_a_socket_path_that_is_too_long_is_said_so_on_both_sides(tmp_path):
    path = tmp_path / ("x" * 120)
    with pytest.raises(ConfigError, match="107"):
        api.bind(path)
    with pytest.raises(Unreachable, match="107"):
        Client(path).status()
