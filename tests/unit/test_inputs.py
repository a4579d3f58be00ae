"""Files that people have, and the candidates in them."""

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.errors import ConfigError
from tiktokd.inputs import Line, read
from tiktokd.model import VideoRef
from tiktokd.url import Rejected, ShortLink, parse

A, B, C = "7234567890123456789", "7234567890123456790", "7234567890123456791"


def url(video_id: str, name: str = "some.name") -> str:
    return f"https://www.tiktok.com/@{name}/video/{video_id}"


def lines(text: str | bytes, column: str | None = None) -> list[Line]:
    data = text.encode() if isinstance(text, str) else text
    return list(read(io.BytesIO(data), name="input", column=column))


def found(text: str | bytes, column: str | None = None) -> list[tuple[int, str]]:
    """Line number and id of every video."""
    return [(line.number, ref.id) for line in lines(text, column) if not isinstance(ref := parse(line.text), Rejected)]


def rejected(text: str | bytes, column: str | None = None) -> list[int]:
    return [line.number for line in lines(text, column) if isinstance(parse(line.text), Rejected)]


def test_plain_text_with_a_mark_crlf_blank_and_comment_lines():
    text = f"\ufeff{url(A)}\r\n\r\n# a comment\r\n   \r\n{B}  # the second\r\n"
    assert found(text) == [(1, A), (5, B)]
    assert rejected(text) == []


def test_lines_may_end_in_a_lone_carriage_return():
    assert found(f"{url(A)}\r{url(B)}\r") == [(1, A), (2, B)]


def test_several_urls_on_a_line_are_several_candidates_of_that_line():
    assert found(f"see {url(A)}, and {url(B)} (nice)\n{B} {C}\n") == [(1, A), (1, B), (2, B), (2, C)]


def test_a_fragment_is_no_comment():
    assert found(f"https://www.tiktok.com/foryou#/@n/video/{A}\n") == [(1, A)]


def test_each_bad_line_is_reported_with_its_number_and_the_others_are_kept():
    text = "".join(f"{url(str(int(A) + i))}\n" if i % 10 else f"bad line {i}\n" for i in range(1000))
    assert len(found(text)) == 900
    assert rejected(text) == [i + 1 for i in range(0, 1000, 10)]


def test_ten_bad_lines_among_a_hundred_thousand_are_found_by_their_numbers():
    bad = {9_999 * n + 1: f"broken {n}" for n in range(10)}
    text = "\n".join(bad.get(n) or str(int(A) + n) for n in range(1, 100_001))
    assert rejected(text) == sorted(bad)


def test_a_heading_over_a_single_column_is_no_candidate():
    assert found(f"Video URL\n{url(A)}\n") == [(2, A)]
    assert rejected(f"Video URL\n{url(A)}\nurl\n") == [3]


def test_tiktoks_text_export_gives_its_links_and_passes_over_its_dates():
    entry = "Date: 2024-05-01 10:11:12\nLink: https://www.tiktokv.com/share/video/{}/\n\n"
    assert found(entry.format(A) + entry.format(B)) == [(2, A), (5, B)]
    assert rejected(entry.format(A) + "nonsense\n") == [4]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_utf8_and_utf16_with_a_mark_are_read(encoding):
    text = f"# комментарий\n{url(A)}\n{url(B)}\n"
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    assert found((mark + text).encode(encoding)) == [(2, A), (3, B)]


def test_bad_bytes_cost_one_line_and_not_the_rest():
    assert found(url(A).encode() + b"\n\xff\xfe\xfa caf\xe9\n" + url(B).encode()) == [(1, A), (3, B)]


def test_a_character_cut_by_the_border_of_two_chunks_is_whole():
    filler = "# é\n" * 30_000
    assert found(filler + url(A)) == [(30_001, A)]


# Tables


def test_the_column_of_a_csv_file_is_found_by_what_it_holds():
    text = f"name,posted,where\nfoo,2024-01-01,{url(A)}\nbar,2024-01-02,{url(B)}\nbaz,2024-01-03,nowhere\n"
    assert found(text) == [(2, A), (3, B)]
    assert rejected(text) == [4]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_usual_delimiter_is_understood(delimiter):
    rows = [["views", "url"], ["1", url(A)], ["2", url(B)]]
    assert found("\n".join(delimiter.join(row) for row in rows)) == [(2, A), (3, B)]


def test_a_table_without_headings_is_read_from_its_first_row():
    assert found(f"2024-01-01,{url(A)}\n2024-01-02,{url(B)}\n") == [(1, A), (2, B)]


def test_captions_with_line_breaks_and_delimiters_keep_the_rows_apart():
    text = f'description,url\n"one, two\nthree ""four""",{url(A)}\n"x",{url(B)}\n'
    assert found(text) == [(2, A), (4, B)]


def test_an_unclosed_quote_costs_one_row():
    text = f'caption,url\n"never closed,{url(A)}\nfine,{url(B)}\nfine,{url(C)}\n'
    assert found(text) == [(2, A), (3, B), (4, C)]


def test_an_unclosed_quote_on_a_row_without_a_link_is_reported():
    text = f'caption,url\n"never closed,nothing\nfine,{url(B)}\n'
    (broken, good) = lines(text)
    assert broken.number == 2
    assert "quote" in (broken.problem or "")
    assert parse(good.text) == VideoRef(id=B, url=url(B))


def test_ids_beside_user_names_become_urls_with_the_name_and_other_ids_are_not_taken_for_videos():
    music, author = "6900000000000000001", "6900000000000000002"
    text = f"music_id,author_id,id,username\n{music},{author},{A},some.name\n{music},{author},{B},@other\n"
    assert [line.text for line in lines(text)] == [url(A), url(B, "other")]


def test_a_link_column_wins_over_an_id_column_and_over_profile_links():
    text = f"id,profile,web\n{C},https://www.tiktok.com/@x,{url(A)}\n{C},https://www.tiktok.com/@y,{url(B)}\n"
    assert found(text) == [(2, A), (3, B)]


@pytest.mark.parametrize("column", ["second", "SECOND", "2"])
def test_a_column_may_be_named_or_numbered(column):
    assert found(f"first,second\n{url(A)},{url(B)}\n", column) == [(2, B)]


def test_a_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match='no column "third"; there are: first, second'):
        lines(f"first,second\n{url(A)},{url(B)}\n", "third")


def test_a_table_without_videos_names_its_columns_and_the_option():
    with pytest.raises(ConfigError, match=r"there are: a, b\. Say which with --column"):
        lines("a,b\n1,2\n3,4\n")


def test_a_row_without_its_cell_is_reported():
    assert rejected(f"a,url\n1,{url(A)}\n2\n3,\n") == [3, 4]


def test_an_id_rounded_by_a_spreadsheet_is_reported_as_such():
    (line,) = lines("id,views\n7.23457E+18,10\n")
    parsed = parse(line.text)
    assert isinstance(parsed, Rejected)
    assert parsed.kind == "rounded_id"


# JSON


EXPORT = {
    "Profile": {"Profile Information": {"ProfileMap": {"userName": "me", "profilePhoto": "https://p16.tiktokcdn.com/a"}}},
    "Activity": {
        "Favorite Videos": {"FavoriteVideoList": [{"Date": "2024-01-01", "Link": f"https://www.tiktokv.com/share/video/{A}/"}]},
        "Like List": {"ItemFavoriteList": [{"date": "2024-01-01", "link": f"https://www.tiktokv.com/share/video/{B}/"}]},
        "Favorite Sounds": {"FavoriteSoundList": [{"Date": "2024-01-01", "Link": "https://www.tiktok.com/music/x-1"}]},
        "Following List": {"Following": [{"Date": "2024-01-01", "UserName": "somebody"}]},
        "Video Browsing History": {"VideoList": [{"Date": "2024-01-01", "VideoLink": "https://vm.tiktok.com/ZMabcdef/"}]},
        "Share History": {"ShareHistoryList": [{"Date": "x", "Link": f"https://www.tiktok.com/@x/photo/{C}"}]},
    },
}  # fmt: skip


def test_tiktoks_own_export_gives_its_videos_in_order_and_passes_over_sounds_and_people():
    parsed = [parse(line.text) for line in lines(json.dumps(EXPORT, indent=2))]
    assert [p.id if not isinstance(p, Rejected) else p.kind for p in parsed] == [A, B, "short-ZMabcdef", "photo"]
    assert isinstance(parsed[2], ShortLink)


def test_candidates_of_a_document_carry_the_line_where_they_stand():
    text = json.dumps(EXPORT, indent=2)
    expected = [
        n for n, line in enumerate(text.split("\n"), 1) if A in line or B in line or "ZMabcdef" in line or C in line
    ]
    assert [line.number for line in lines(text)] == expected


def test_results_of_the_research_api_become_urls_with_the_creators_name():
    music = 6900000000000000001
    result = {
        "data": {
            "cursor": 100,
            "search_id": "7201388525814961198",
            "videos": [
                {"id": int(A), "username": "some.name", "music_id": music, "video_description": "a #b"},
                {"id": B, "username": "other", "create_time": 1},
                {"id": int(C)},
            ],
        },
        "error": {"code": "ok", "log_id": "20240101000000000000000000000000"},
    }
    assert [line.text for line in lines(json.dumps(result))] == [url(A), url(B, "other"), C]


PAGE_ITEM: dict[str, Any] = {
    "id": A,
    "desc": "look",
    "createTime": 1,
    "author": {"id": "6900000000000000001", "uniqueId": "some.name"},
    "music": {"id": "6900000000000000002", "playUrl": "https://v16.tiktokcdn.com/x"},
    "video": {"id": A, "playAddr": "https://v16-webapp.tiktok.com/video/tos/x"},
}


@pytest.mark.parametrize(
    "document",
    [
        PAGE_ITEM,
        [PAGE_ITEM],
        {"itemList": [PAGE_ITEM]},
        {"a": {"b": [{"c": {"itemStruct": PAGE_ITEM}}]}},
        {"webpage_url": url(A), "id": A, "uploader_url": "https://www.tiktok.com/@x", "formats": [{"url": "https://x.y"}]},
        {"webpage_url": "https://www.tiktok.com/@x", "entries": [{"id": A, "uploader": "some.name", "timestamp": 1}]},
        {"id": A, "authorMeta": {"name": "some.name"}, "text": "look"},
        {"video_url": url(A), "cover": {"url": "https://p16.tiktokcdn.com/x"}},
    ],
)  # fmt: skip
def test_posts_of_other_programs_are_found_once_each_at_any_depth(document):
    assert [line.text for line in lines(json.dumps(document))] == [url(A)]


def test_a_plain_list_of_links_and_ids_reports_what_names_no_video():
    parsed = [parse(line.text) for line in lines(json.dumps([url(A), int(B), "hello"]))]
    assert [getattr(p, "id", None) for p in parsed] == [A, B, None]


@pytest.mark.parametrize(
    "text", [f'[{A}, "{B}"]', f'[{A},\n "{B}"]\n', f'[\n{A},\n"{B}"\n]', f"[{A},\n{B},\n]", f"({A})\n[{B}]\n"]
)
def test_a_bare_list_of_ids_is_read_whether_it_is_json_or_nearly(text):
    assert [video_id for _, video_id in found(text)] == [A, B]
    assert rejected(text) == []


def test_a_column_of_what_is_no_table_is_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="is JSON, which has no columns"):
        lines(json.dumps({"videos": [{"id": A}]}), "id")
    with pytest.raises(ConfigError, match="it is no table"):
        lines(f"{url(A)}\n{url(B)}\n", "link")


def test_the_columns_of_a_wide_table_do_not_fill_the_screen():
    with pytest.raises(ConfigError) as caught:
        lines(",".join(f"name {n}" for n in range(300)) + f"\n{url(A)}" + "," * 299, "nope")
    assert "and 280 more" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_json_lines_keep_their_numbers_and_a_broken_line_costs_itself():
    text = f'{{"url": "{url(A)}"}}\n\n{{"id": {B}, "username": "u"}}\n{{"id": broken\n{{"views": 1}}\n{{"id": "{C}"}}\n'
    result = lines(text)
    assert [(line.number, line.problem is None) for line in result] == [
        (1, True),
        (3, True),
        (4, False),
        (5, False),
        (6, True),
    ]
    assert found(text) == [(1, A), (3, B), (6, C)]


def test_a_first_json_line_that_is_broken_does_not_turn_the_file_into_one_document():
    assert found(f'{{"url": broken}}\n{{"url": "{url(A)}"}}\n') == [(2, A)]


def test_a_truncated_document_says_where_and_still_gives_its_links():
    text = json.dumps(EXPORT, indent=1)
    cut = text[: text.index(B) + 25]
    result = lines(cut)
    assert result[0].problem is not None
    assert "broken" in result[0].problem
    assert result[0].number == cut.count("\n") + 1
    assert found(cut) == [(n, i) for n, i in found(text) if i in (A, B)]


def test_a_json_number_that_lost_digits_is_reported_as_rounded():
    (line,) = lines('[{"id": 7.234567890123457e18, "username": "u"}]')
    parsed = parse(line.text)
    assert isinstance(parsed, Rejected)
    assert parsed.kind == "rounded_id"


def test_a_bad_link_in_a_record_is_reported_and_not_lost():
    (line,) = lines('[{"url": "https://www.youtube.com/watch?v=x"}]')
    assert line.text == "https://www.youtube.com/watch?v=x"


# Not text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "save it as CSV"),
        (b"\x1f\x8bxx", "gzip"),
        (b"\x00\x01\x02\x03", "not text"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(data, message):
    with pytest.raises(ConfigError, match=message):
        lines(data)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read list\.txt: No such file or directory"):
        list(read(tmp_path / "list.txt", name="list.txt"))


def test_a_path_is_read_like_a_stream(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(url(A))
    assert [line.text for line in read(path, name="list.txt")] == [url(A)]


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "# nothing\n"])
def test_an_empty_file_has_no_candidates(text):
    assert lines(text) == []


class Endless(io.RawIOBase):
    """A stream that makes its content while it is read."""

    def __init__(self, line: bytes, count: int, start: bytes = b"") -> None:
        self._line, self._left, self._start = line, count, start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._start:
            data, self._start = self._start, b""
        else:
            data = self._line * min(self._left, len(buffer) // len(self._line))
            self._left -= len(data) // len(self._line)
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize(
    ("start", "line"),
    [
        (b"", url(A).encode() + b"\n"),
        (b"caption,url\n", b'"one, two",' + url(A).encode() + b"\n"),
        (b"", json.dumps({"id": int(A), "username": "u"}).encode() + b"\n"),
    ],
)
def test_memory_does_not_grow_with_the_length_of_text_tables_and_json_lines(start, line):
    stream = Endless(line, 12_000, start)  # more than 512 KiB as they stand, several MiB as lines
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(stream, name="input")) == 12_000  # type: ignore[arg-type]
        assert tracemalloc.get_traced_memory()[1] < 2**19
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_clear_refusal(data):
    try:
        result = list(read(io.BytesIO(data), name="input"))
    except ConfigError:
        return
    assert all(line.number >= 1 for line in result)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VIDEOS = st.sampled_from([A, url(A), int(A)])
KEYS = st.sampled_from(["id", "url", "videos", "x", "username", "desc"])
JSONISH = st.recursive(
    SCALARS | VIDEOS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(JSONISH)
def test_no_document_raises(document):
    assert all(line.number == 1 for line in read(io.BytesIO(json.dumps(document).encode()), name="input"))
