"""TikTok's answers, as bytes: the page of a post in its many moods. Knows no server and no order of events."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

Fault = Literal["", "reset", "hang", "drip", "cut"]
"""What happens to the connection: reset before the answer; silent for ever; one byte at a time; closed half way."""

COOKIE = "tt_chain_token"
"""The CDN serves only visitors who bring the cookie that the page has set."""
CDN_HOST = "v16-webapp-prime.tiktok.com"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer and what happens to it on the way."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: Fault = ""
    length: bool = True
    """False: without Content-Length; the end of the connection is the end of the body."""

    @property
    def phrase(self) -> str:
        return HTTPStatus(self.status).phrase


def failure(status: int, **headers: str) -> Answer:
    """Return an error page; `Retry_After="2"` becomes the header `Retry-After`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=names, body=f"<h1>{status}</h1>".encode())


def html(body: str, **headers: str) -> Answer:
    return Answer(headers={"Content-Type": "text/html; charset=utf-8", **headers}, body=body.encode())


def post(item: dict[str, Any] | None, status: int = 0) -> Answer:
    """Return the page of a post with the page's own record in it."""
    detail: dict[str, Any] = {"statusCode": status, "statusMsg": ""}
    if item is not None:
        detail["itemInfo"] = {"itemStruct": item}
    scope = {"webapp.app-context": {"language": "en"}, "webapp.video-detail": detail}
    data = json.dumps({"__DEFAULT_SCOPE__": scope})
    script = f'<script id="__UNIVERSAL_DATA_FOR_REHYDRATION__" type="application/json">{data}</script>'
    cookie = f"{COOKIE}=visitor; Domain=.tiktok.com; Path=/; Secure; HttpOnly"
    return html(f"<!doctype html><html><head>{script}</head><body></body></html>", **{"Set-Cookie": cookie})


def challenge() -> Answer:
    """Return the proof-of-work page, answered by a cookie."""
    prefix = b"salt"
    digest = hashlib.sha256(prefix + b"4321").digest()
    secret = {"v": {"a": base64.b64encode(prefix).decode(), "c": base64.b64encode(digest).decode()}}
    encoded = base64.b64encode(json.dumps(secret).encode()).decode().rstrip("=")
    return html(f'Please wait...<p id="cs" class="{encoded}"></p><p id="wci" class="_wafchallengeid"></p>')


def record(video_id: str, name: str, renditions: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """Return the page's own record of a post; `changes` replace top-level fields."""
    return {
        "id": video_id,
        "desc": f"Look at {video_id} #test #fyp",
        "createTime": "1684461000",
        "author": {"id": "6900000000000000001", "uniqueId": name, "nickname": "A Näme", "secUid": "MS4wLjABAAAAsec"},
        "music": {
            "id": "6900000000000000002",
            "title": "original sound",
            "authorName": "A Näme",
            "duration": 2,
            "playUrl": f"https://{CDN_HOST}/audio/{video_id}.mp3?mime_type=audio_mpeg",
        },
        "isAd": False,
        "stats": {"playCount": 1000, "diggCount": 100, "shareCount": 10, "commentCount": 5, "collectCount": -1},
        "video": {
            "id": video_id,
            "duration": 2,
            "width": 576,
            "height": 1024,
            "cover": f"https://p16-sign.{CDN_HOST}/cover.jpg?x-expires=1",
            "bitrateInfo": renditions,
            "playAddr": "",
            "downloadAddr": "",
        },
    } | changes


def rendition(video_id: str, codec: str, height: str, size: int = 1000) -> dict[str, Any]:
    """Return one entry of `bitrateInfo`: `codec` h264 or bytevc1, `height` 540p, 720p …"""
    key = f"v09044g40000_{codec}_{height}_812345"
    query = "?a=1988&expire=1700000000&policy=2&signature=secret"
    link = f"https://{CDN_HOST}/video/tos/{video_id}/{codec}_{height}.mp4{query}"
    return {"PlayAddr": {"UrlKey": key, "DataSize": size, "UrlList": [link]}, "Bitrate": 812345}
