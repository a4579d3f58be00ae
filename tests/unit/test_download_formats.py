"""Which renditions of a post come into question, and what its fields become."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.download_metadata import metadata
from tiktokd.download_session import Post, within


def form(width: int | None, height: int | None, vcodec: str = "h264") -> dict[str, Any]:
    return {"width": width, "height": height, "vcodec": vcodec}


def test_the_limit_is_on_the_longer_side_of_portrait_and_landscape_alike():
    portrait = [form(576, 1024), form(720, 1280), form(1080, 1920)]
    landscape = [form(1024, 576), form(1280, 720), form(1920, 1080)]
    assert within(portrait, 1024) == portrait[:1]
    assert within(landscape, 1024) == landscape[:1]


def test_where_all_are_too_large_the_smallest_stays():
    assert within([form(1080, 1920), form(720, 1280), form(720, 1280, "h265")], 1024) == [
        form(720, 1280),
        form(720, 1280, "h265"),
    ]


def test_sound_and_renditions_of_unknown_size_stay():
    formats = [form(None, None, "none"), form(None, None), form(720, 1280), form(360, 640)]
    assert within(formats, 1024) == [formats[0], formats[1], formats[3]]


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), min_size=1), st.integers(144, 4000))
def test_at_least_one_rendition_always_stays(sizes, limit):
    assert within([form(*size) for size in sizes], limit)


@pytest.mark.parametrize(
    ("formats", "item", "is_photo"),
    [
        ([form(1, 1)], {}, False),
        ([form(None, None, "none")], {}, True),
        ([form(1, 1)], {"imagePost": {"images": []}}, True),
        ([], {}, False),  # yt-dlp says it better: no video formats found
    ],
)
def test_a_photo_post_is_known_by_its_record_or_by_having_nothing_but_sound(formats, item, is_photo):
    assert Post(info={"formats": formats}, item=item).is_photo is is_photo


def test_fields_that_the_site_does_not_give_are_none_and_not_zero():
    empty = metadata({}, {})
    assert {value for value in empty.model_dump().values() if value != []} == {None}


def test_fields_of_the_wrong_type_are_none():
    odd = {"title": ["x"], "view_count": "many", "like_count": True, "timestamp": "yesterday", "duration": -1}
    assert metadata(odd, {"music": "none"}) == metadata({}, {})


@given(st.text(st.characters(exclude_categories=())))
def test_every_caption_can_be_sent_as_json(text):
    cleaned = metadata({"description": text}, {}).description
    assert cleaned is None or cleaned.encode()
