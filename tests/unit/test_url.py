"""What people paste, and which video it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.model import VideoRef
from tiktokd.url import ID_MAX, Rejected, ShortLink, canonical, parse

ID = "7234567890123456789"
NAMED = f"https://www.tiktok.com/@some.name_1/video/{ID}"
UNNAMED = f"https://www.tiktok.com/@_/video/{ID}"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (NAMED, NAMED),
        (f"{NAMED}?is_from_webapp=1&sender_device=pc", NAMED),
        (f"{NAMED}/", NAMED),
        (f"{NAMED}#comments", NAMED),
        (f"http://www.tiktok.com/@some.name_1/video/{ID}", NAMED),
        (f"HTTPS://WWW.TIKTOK.COM/@some.name_1/video/{ID}", NAMED),
        (f"tiktok.com/@some.name_1/video/{ID}", NAMED),
        (f"//www.tiktok.com/@some.name_1/video/{ID}", NAMED),
        (f"https://us.tiktok.com/@some.name_1/video/{ID}", NAMED),
        (f"https://m.tiktok.com/@some.name_1/video/{ID}", NAMED),
        (f"https://lite.tiktok.com/@some.name_1/video/{ID}", NAMED),
        (f"https://www.tiktok.com:443/@some.name_1/video/{ID}", NAMED),
        (f"https://www.tiktok.com/en/@some.name_1/video/{ID}", NAMED),
        (f"https://www.tiktok.com/%40some.name_1/video/{ID}", NAMED),
        (f"https://www.tiktok.com/foryou?lang=de#/@some.name_1/video/{ID}", NAMED),
        (
            f"https://www.tiktok.com/login?redirect_url=https%3A%2F%2Fwww.tiktok.com%2F%40some.name_1%2Fvideo%2F{ID}",
            NAMED,
        ),
        (f"https://www.tiktok.com/@/video/{ID}", UNNAMED),
        (f"https://www.tiktok.com/@имя/video/{ID}", UNNAMED),
        (f"https://www.tiktok.com/video/{ID}", UNNAMED),
        (f"https://www.tiktok.com/share/video/{ID}?_r=1", UNNAMED),
        (f"https://www.tiktokv.com/share/video/{ID}/", UNNAMED),
        (f"https://www.tiktok.com/embed/{ID}", UNNAMED),
        (f"https://www.tiktok.com/embed/v2/{ID}", UNNAMED),
        (f"https://www.tiktok.com/player/v1/{ID}?autoplay=1", UNNAMED),
        (f"https://m.tiktok.com/v/{ID}.html?u_code=x", UNNAMED),
        (f"https://www.tiktok.com/foryou?is_copy_url=1&item_id={ID}", UNNAMED),
        (ID, UNNAMED),
        (f"  '{ID}'\r\n", UNNAMED),
        (f"\ufeff<{NAMED}>,", NAMED),
    ],
)
def test_every_form_of_a_video_url_has_one_id_and_one_canonical_url(text, url):
    assert parse(text) == VideoRef(id=ID, url=url)


@pytest.mark.parametrize(
    ("text", "code", "url"),
    [
        ("https://vm.tiktok.com/ZMabc_123/", "ZMabc_123", "https://vm.tiktok.com/ZMabc_123"),
        ("vt.tiktok.com/ZSe4FqkKd", "ZSe4FqkKd", "https://vt.tiktok.com/ZSe4FqkKd"),
        ("https://www.tiktok.com/t/ZTRC5xgJp/?k=1", "ZTRC5xgJp", "https://www.tiktok.com/t/ZTRC5xgJp"),
        ("tiktok.com/t/ZTRC5xgJp", "ZTRC5xgJp", "https://www.tiktok.com/t/ZTRC5xgJp"),
        ("https://lite.tiktok.com/t/ZTRC5xgJp", "ZTRC5xgJp", "https://www.tiktok.com/t/ZTRC5xgJp"),
    ],
)
def test_a_short_link_keeps_its_code_and_gets_a_form_that_the_extractor_takes(text, code, url):
    assert parse(text) == ShortLink(code, url)
    assert ShortLink(code, url).id == f"short-{code}"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        (' \t""', "empty"),
        ("hello", "not_a_url"),
        ("hello.world and more", "not_a_url"),
        ("https://", "not_a_url"),
        ("http://[::1]/", "not_a_url"),
        (f"ftp://www.tiktok.com/@a/video/{ID}", "not_a_url"),
        ("javascript://www.tiktok.com/%0aalert(1)", "not_a_url"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "not_tiktok"),
        (f"https://www.douyin.com/video/{ID}", "not_tiktok"),
        (f"https://www.tiktok.com@evil.example/@a/video/{ID}", "not_tiktok"),
        (f"https://www.tiktok.com:443@evil.example/@a/video/{ID}", "not_tiktok"),
        (f"https://evil.example/https://www.tiktok.com/@a/video/{ID}", "not_tiktok"),
        (f"https://nottiktok.com/@a/video/{ID}", "not_tiktok"),
        (f"https://www.tiktok.com/@a/photo/{ID}", "photo"),
        ("https://www.tiktok.com/@a/live", "live"),
        ("https://m.tiktok.com/share/live/7234567890123456789", "live"),
        ("https://www.tiktok.com/@a", "profile"),
        ("https://www.tiktok.com/@a/?lang=en", "profile"),
        ("https://www.tiktok.com/music/original-sound-7234567890123456789", "sound"),
        ("https://www.tiktok.com/sticker/Clown-123456", "effect"),
        ("https://www.tiktok.com/tag/cats", "tag"),
        ("https://www.tiktok.com/discover/cats", "tag"),
        ("https://www.tiktok.com/@a/playlist/name-7234567890123456789", "playlist"),
        ("https://www.tiktok.com/@a/collection/name-7234567890123456789", "playlist"),
        ("https://www.tiktok.com/search?q=cats", "search"),
        ("https://v16-webapp.tiktok.com/abc/video/tos/useast2a/x/?mime_type=video_mp4", "media"),
        ("https://v19.tiktokcdn.com/abc/video/tos/x", "media"),
        ("https://www.tiktok.com/", "no_video"),
        ("https://vm.tiktok.com/", "no_video"),
        ("https://www.tiktok.com/@a/video/", "bad_id"),
        ("https://www.tiktok.com/@a/video/abc", "bad_id"),
        ("https://www.tiktok.com/@a/video/12345678901234", "bad_id"),
        ("https://www.tiktok.com/@a/video/123456789012345678901", "bad_id"),
        ("12345", "bad_id"),
        ("0234567890123456789", "bad_id"),
        (str(ID_MAX + 1), "bad_id"),
        ("7.23457E+18", "rounded_id"),
        ("7234567890123456789.0", "rounded_id"),
    ],
)
def test_what_names_no_video_is_rejected_with_its_kind_and_a_reason(text, kind):
    rejected = parse(text)
    assert isinstance(rejected, Rejected)
    assert rejected.kind == kind
    assert len(rejected.reason) > 10


@pytest.mark.parametrize("kind", ["photo", "live", "profile", "sound", "tag", "playlist", "search"])
def test_links_to_other_things_say_unsupported_and_why(kind):
    path = {
        "photo": f"@a/photo/{ID}",
        "live": "@a/live",
        "profile": "@a",
        "sound": "music/x-1",
        "tag": "tag/x",
        "playlist": "@a/playlist/x-1",
        "search": "search?q=x",
    }[kind]
    rejected = parse(f"https://www.tiktok.com/{path}")
    assert isinstance(rejected, Rejected)
    assert rejected.kind == kind
    assert rejected.reason.startswith("unsupported: ")


@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text):
    assert isinstance(parse(text), VideoRef | ShortLink | Rejected)


URL_PARTS = st.sampled_from(
    [
        "https://",
        "http:",
        "//",
        "/",
        "@",
        "a",
        "www.",
        "vm.",
        "tiktok.com",
        "tiktokv.com",
        "video",
        "photo",
        "t",
        "live",
    ]
) | st.sampled_from(
    [ID, "?", "#", "%40", "%", ":", "[", "]", "embed", "v2", ".html", "&item_id=", "\x00", "\n", "é", "٣"]
)


@given(st.lists(URL_PARTS, max_size=14).map("".join))
def test_no_mixture_of_url_parts_makes_it_raise_and_accepted_ones_are_canonical(text):
    parsed = parse(text)
    if isinstance(parsed, VideoRef | ShortLink):
        assert parse(parsed.url) == parsed
        assert parsed.url.startswith("https://")
    if isinstance(parsed, VideoRef):
        assert parsed.id.isascii()
        assert 15 <= len(parsed.id) <= 20


@given(st.integers(10**14, ID_MAX), st.from_regex(r"[A-Za-z0-9_.-]{1,24}", fullmatch=True))
def test_the_canonical_url_is_a_fixed_point_for_every_id_and_name(number, name):
    url = canonical(str(number), name)
    assert parse(url) == VideoRef(id=str(number), url=url)
