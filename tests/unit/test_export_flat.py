"""Flat rows out of exported videos, and the files that hold them."""

import csv
import io
import json
import tracemalloc

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd import export
from tiktokd.errors import ConfigError
from tiktokd.export_columns import of_segments, of_videos, wider
from tiktokd.export_flat import Seen, fitted, kind_of, segment_rows, video_row
from tiktokd.export_table import lines_of
from tiktokd.graph import load

VIDEO = {
    "id": "7212345678901234567",
    "url": "https://www.tiktok.com/@a/video/7212345678901234567",
    "state": "completed",
    "priority": 5,
    "attempts": {"download": 0, "processing": 0, "crashes": 0},
    "enqueued_at": "2026-01-31T12:00:00.123Z",
    "finished_at": "2026-01-31T12:01:00.000Z",
    "error": None,
    "metadata": {"title": '=cmd|"x"\n\ud800', "view_count": 3, "artists": ["a", "b"]},
    "analysis": {
        "shot_boundaries": {
            "status": "ok",
            "tier": "full",
            "reason": None,
            "version": "1",
            "summary": {"shot_count": 2, "pace": {"per_minute": 4.5}, "status": "own", "cuts_s": [1.5]},
            "segments": [{"start_s": 0, "end_s": 1.5, "kind": "cut", "id": 9}, {"start_s": 1.5, "end_s": 3.0}],
        },
        "loudness": {"status": "skipped", "tier": "lite", "reason": "no_audio", "version": "1", "summary": {}},
    },
    "timings": {"download_ms": 12.5},
}
FAILED = {
    **VIDEO,
    "id": "2",
    "finished_at": None,
    "metadata": {},
    "analysis": {"shot_boundaries": {"status": "ok", "summary": {"shot_count": 2.5}}},
    "error": {"class": "auth", "stage": "download", "message": "private"},
}


def lines(*videos):
    return iter([json.dumps(video).encode() + b"\n" for video in videos])


def write(tmp_path, form, *videos, segments=False):
    target, second = tmp_path / f"out.{form}", tmp_path / "segments"
    export.write(
        lines(*videos), str(target), form, segments=str(second) if segments else None, progress=lambda _count: None
    )
    return target, second


def test_a_row_names_analyzer_field_and_unit():
    row = video_row(VIDEO)
    assert row["metadata.view_count"] == 3
    assert row["shot_boundaries.pace.per_minute"] == 4.5
    assert row["loudness.reason"] == "no_audio"
    assert row["attempts.download"] == 0
    assert row["timings.download_ms"] == 12.5
    assert row["error.class"] is None
    assert video_row(FAILED)["error.class"] == "auth"


def test_lists_become_json_and_fields_that_collide_get_a_suffix():
    row = video_row(VIDEO)
    assert json.loads(row["shot_boundaries.cuts_s"]) == [1.5]
    assert row["shot_boundaries.status"] == "ok"
    assert row["shot_boundaries.status_value"] == "own"


def test_each_segment_is_a_row_with_its_video_and_analyzer():
    first, second = segment_rows(VIDEO)
    assert first == {
        "id": VIDEO["id"], "analyzer": "shot_boundaries", "start_s": 0, "end_s": 1.5, "kind": "cut", "id_value": 9,
    }  # fmt: skip
    assert second["start_s"] == 1.5


def test_columns_of_one_group_stay_together_whenever_they_turn_up():
    columns = Seen(of_videos())
    columns.see({"id": "1", "a.x": 1, "b.x": 1, "loudness.of_another_version": 1})
    columns.see({"id": "2", "a.y": 1})
    found = list(columns.ordered())
    assert found[-3:] == ["a.x", "a.y", "b.x"]
    at = found.index("loudness.of_another_version")
    assert (found[at - 1].partition(".")[0], found[at + 1].partition(".")[0]) == ("loudness", "motion")


def header(file, form):
    if form == "csv":
        return next(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))
    return [(field.name, str(field.type)) for field in pq.read_schema(file)]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_two_exports_of_different_videos_have_the_same_columns(tmp_path, form):
    silent = {**VIDEO, "analysis": {"loudness": VIDEO["analysis"]["loudness"]}, "metadata": {}, "timings": {}}
    unknown = {**envelope_of("loopability", {"unknown": {"seam_cosine": "model_missing"}, "loop_score": 1})}
    mapped = {**VIDEO, "timings": {"decode_s": 1}, "analysis": unknown, "facts": None}
    batches = [[silent], [mapped, silent], []]
    headers = []
    for number, batch in enumerate(batches):
        (tmp_path / str(number)).mkdir()
        files = write(tmp_path / str(number), form, *batch, segments=True)
        headers.append([header(file, form) for file in files])
    without = [[each for each in videos if "download_ms" not in each] for videos, _ in headers]  # the toy's own
    assert without[0] == without[1] == without[2]
    assert headers[0][1] == headers[1][1] == headers[2][1]
    names = without[0] if form == "csv" else [name for name, _ in without[0]]
    assert len(names) == len(set(names))
    assert {"metadata.view_count", "speech_transcription.text", "facts.duration_s", "timings.fuse_s"} <= set(names)
    assert not {"facts", "error", "attempts", "loopability.unknown.seam_cosine"} & set(names)


def envelope_of(name, summary):
    return {name: {"status": "ok", "tier": "full", "reason": None, "version": "1", "summary": summary, "segments": []}}


def test_an_object_with_any_keys_is_one_column_of_json():
    row = video_row({**VIDEO, "analysis": envelope_of("loopability", {"unknown": {"seam_cosine": "model_missing"}})})
    assert json.loads(row["loopability.unknown"]) == {"seam_cosine": "model_missing"}
    assert not [name for name in row if name.startswith("loopability.unknown.")]
    assert "facts" not in video_row({**VIDEO, "facts": None}), "no object, no column of its own"


def test_every_field_of_every_analyzer_has_its_columns_and_no_list_or_map_widens_the_table():
    columns = of_videos()
    for spec in load().analyzers.values():
        for name in spec.output.model_fields:
            under = [
                each
                for each in columns.kinds
                if each == f"{spec.name}.{name}" or each.startswith(f"{spec.name}.{name}.")
            ]
            assert under, f"{spec.name}.{name}"
        for name in spec.segment.model_fields if spec.segment else ():
            assert name in of_segments().kinds or f"{name}_value" in of_segments().kinds
    assert columns.kinds["on_screen_text.lines"] == "str"
    assert columns.kinds["shot_boundaries.shot_count"] == "int"
    assert columns.kinds["language_identification.by_source.ocr.prob"] == "float"
    assert columns.kinds["virality_features.features"] == "str"
    assert len(columns.kinds) < 600
    assert "null" not in columns.kinds.values()


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.lists(values, max_size=6))
def test_a_column_holds_every_value_that_it_was_widened_for(found):
    kind = "null"
    for value in found:
        kind = wider(kind, kind_of(value))
    for value in found:
        held = fitted(value, kind)
        assert (held is None) == (value is None)
        assert held is None or kind_of(held) == kind


@given(st.lists(st.binary(max_size=5), max_size=20))
def test_lines_do_not_depend_on_how_the_stream_was_cut(pieces):
    whole = [line for line in b"".join(pieces).split(b"\n") if line.strip()]
    assert list(lines_of(iter(pieces))) == whole


def test_csv_has_one_line_per_video_and_empty_cells_for_what_is_not_known(tmp_path):
    target, _ = write(tmp_path, "csv", VIDEO, FAILED)
    first, second = csv.DictReader(io.StringIO(target.read_text(encoding="utf-8")))
    assert first["id"] == VIDEO["id"]
    assert first["metadata.title"] == '=cmd|"x"\n\\ud800'
    assert first["shot_boundaries.shot_count"] == "2.0"
    assert second["metadata.title"] == ""
    assert second["error.message"] == "private"


def test_parquet_has_typed_columns_and_times(tmp_path):
    target, _ = write(tmp_path, "parquet", VIDEO, FAILED)
    table = pq.read_table(target)
    assert str(table.schema.field("enqueued_at").type) == "timestamp[ms, tz=UTC]"
    assert str(table.schema.field("shot_boundaries.shot_count").type) == "double"
    assert str(table.schema.field("metadata.view_count").type) == "int64"
    assert table.column("metadata.view_count").to_pylist() == [3, None]
    assert table.column("finished_at").to_pylist()[1] is None


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_pandas_reads_both_tables_in_one_line(tmp_path, form):
    target, second = write(tmp_path, form, VIDEO, FAILED, segments=True)
    read = pd.read_csv if form == "csv" else pd.read_parquet
    assert read(target)["shot_boundaries.shot_count"].sum() == 4.5
    segments = read(second)
    assert list(segments.columns)[:4] == ["id", "analyzer", "start_s", "end_s"]
    assert (segments["end_s"] - segments["start_s"]).sum() == 3.0


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_of_nothing_is_a_valid_file(tmp_path, form):
    target, second = write(tmp_path, form, segments=True)
    assert second.exists()
    if form == "parquet":
        assert pq.read_table(target).num_rows == 0
        assert pq.read_table(second).column_names[:4] == ["id", "analyzer", "start_s", "end_s"]


def test_memory_does_not_grow_with_the_number_of_videos(tmp_path):
    def peak(count):
        tracemalloc.start()
        export.write(
            (json.dumps({**VIDEO, "id": str(n)}).encode() + b"\n" for n in range(count)),
            str(tmp_path / "o.csv"), "csv", segments=str(tmp_path / "s.csv"), progress=lambda _count: None,
        )  # fmt: skip
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(4000) < 1.5 * peak(2000)


def test_a_stream_that_breaks_off_leaves_the_old_file_as_it_was(tmp_path):
    target = tmp_path / "out.json"
    target.write_text("old")

    def broken():
        yield b"half"
        raise ConfigError("broke off")

    with pytest.raises(ConfigError, match="broke off"):
        export.write(broken(), str(target), "json", segments=None, progress=lambda _count: None)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_directory_that_is_missing_is_named(tmp_path, form):
    with pytest.raises(ConfigError, match="cannot write"):
        write(tmp_path / "none", form, VIDEO)


def test_the_segments_file_is_named_after_the_videos_file():
    assert export.segments_name("a/out.csv") == "a/out.segments.csv"
    with pytest.raises(ConfigError, match="--segments FILE"):
        export.segments_name("-")
