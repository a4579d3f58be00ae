"""One video as people read it: values with units, lists with bars, lines of time, key facts first."""

import time

from rich.console import Console

from tests.toy_daemon import envelope
from tiktokd.cli._detail import detail
from tiktokd.cli._highlights import FIELDS, highlights, reviews
from tiktokd.cli._readable import FEW, FEW_ENTRIES, REASONS, TIMES, entries, reading, said, title
from tiktokd.cli._timeline import cells_of, rows, ruler, words
from tiktokd.graph import load
from tiktokd.plugins import Analyzer

ENVELOPE = {"status": "ok", "tier": "full", "reason": None, "message": None, "summary": {}, "segments": []}
VIDEO = {
    "id": "file-1",
    "url": "file:///clips/my%20clip.mp4",
    "state": "completed",
    "priority": 5,
    "attempts": {"download": 0, "processing": 0, "crashes": 0},
    "enqueued_at": "2026-01-31T12:00:00Z",
    "finished_at": "2026-01-31T12:00:09Z",
    "not_before_at": None,
    "worker": None,
    "error": None,
    "metadata": {},
    "facts": None,
    "media": {"path": None, "bytes": None},
    "timings": {"decode_s": 1.0, "decode_cpu_s": 0.5, "total_s": 9.0},
    "history": [],
}


def shown(*, width=100, full=False, groups=None, video=VIDEO, **analysis):
    console = Console(width=width, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(detail({**video, "analysis": analysis}, groups or {}, width=width, full=full))
    return capture.get()


def series(field, values, step_s=1.0):
    return [{"start_s": n * step_s, "end_s": (n + 1) * step_s, field: value} for n, value in enumerate(values)]


def test_a_value_is_said_with_the_unit_of_its_name():
    assert (title("true_peak_dbtp"), said("true_peak_dbtp", -5.0712)) == ("true peak", "-5.07 dBTP")
    assert (title("cuts_per_min"), said("cuts_per_min", 26.25)) == ("cuts", "26.2/min")
    assert (title("cuts_0_3"), said("cuts_0_3", 1)) == ("cuts (0-3 s)", "1")
    assert (title("width_px"), said("width_px", 1280)) == ("width", "1,280 px")
    assert (title("speech_ratio"), said("speech_ratio", 0.65)) == ("speech", "███▎· 65%")
    assert said("motion_ratio", 0.7) == "0.7×", "how many times one thing is another is no share of it"
    assert said("odd_ratio", 1.3) == "1.3"  # 0..1 is promised, more is said as it is
    assert title("cuts_0_3") == "cuts (0-3 s)"
    assert said("beats_s", [0.5, 1.0]) == "0.5, 1 s"
    assert said("beats_s", [0.5] * 9) == "0.5, 0.5, 0.5, 0.5, 0.5, 0.5 s … 9 in all"
    assert (said("click", False), said("key", None), said("notes", [])) == ("no", "-", "none")
    assert said("camera", {"pan": 0.0432, "tilt": None}) == "pan 0.0432"


def test_what_is_not_known_or_for_programs_is_left_out_until_all_is_wanted():
    summary = {"a": 1, "b": None, "c": [], "hash_hex": "0123456789abcdef", "d": {}}
    assert reading(summary).facts == ("a 1",)
    assert reading(summary, full=True).facts == (
        "a 1", "b -", "c none", "hash hex (16 characters, in --json)", "d -",
    )  # fmt: skip


def test_why_values_are_not_known_is_told_once_per_reason():
    summary = {"unknown": {"framing": "model_missing", "facing_ratio": "model_missing", "index": "corpus too small"}}
    assert reading(summary).facts == ("not known framing, facing (model missing), index (corpus too small)",)


def test_the_parts_of_the_pace_have_their_values():
    parts = [{"name": "cuts_per_min", "value": 26.25, "median": 12.0, "spread": 3.0, "z": 4.75}]
    assert [each.label for each in entries(parts)] == ["cuts 26.2/min (z +4.8)"]


def test_words_of_ours_lose_their_underscores_and_those_of_others_keep_them():
    assert [each.label for each in entries([{"label": "static_shot", "score": 1.0}])] == ["static shot"]
    assert [each.label for each in entries([{"hashtag": "my_tag", "score": 1.0}])] == ["my_tag"]
    assert rows("motion", [{"start_s": 0.0, "end_s": 1.0, "move": "tilt_up"}], 1.0, 4)[0].note == "tilt up"


def test_lists_of_hashes_are_for_programs_even_when_all_is_wanted():
    summary = {"pdq": [{"t_s": float(n), "hash_hex": "0123456789abcdef" * 4} for n in range(16)]}
    assert reading(summary).facts == ()
    assert reading(summary, full=True).facts == ("pdq (16 of them, in --json)",)


def test_copies_of_a_post_have_its_id_of_digits_and_one_long_word_hides_no_list():
    copies = [{"video_id": "7123456789012345678", "kind": "edited", "matched_ratio": 0.5}]
    found = reading({"sound_cluster_id": "7123456789012345678", "matches": copies})
    assert found.facts == ("sound cluster id 7123456789012345678",)
    assert [str(each) for each in found.lists[0][1]] == ["7123456789012345678 (edited) 50%"]
    assert [str(each) for each in entries([{"text": "a" * 60}, {"text": "b"}])] == ["a" * 60, "b"]


def test_how_a_number_was_made_is_told_when_all_is_wanted():
    summary = {"pace_level": 0.5, "level_formula": "mean of known: ..."}
    assert (reading(summary).facts, reading(summary).left_out) == (("pace level 0.5",), 1)
    assert "level formula mean of known: ..." in reading(summary, full=True).facts


def test_the_ratios_that_are_no_shares_are_fields_of_analyzers():
    fields = {name for spec in load().analyzers.values() for name in _all_fields(spec)}
    assert set(TIMES) <= fields
    assert set(REASONS) <= fields


def _all_fields(spec):
    schema = spec.output.model_json_schema()
    return {
        *schema["properties"],
        *(name for part in schema.get("$defs", {}).values() for name in part.get("properties", ())),
    }


def test_the_first_facts_and_entries_are_shown_and_the_others_counted():
    many = {f"n{n}": n for n in range(FEW + 3)} | {"labels": [{"label": str(n), "score": 0.5} for n in range(5)]}
    found = reading(many)
    assert len(found.facts) == FEW
    assert len(found.lists[0][1]) == FEW_ENTRIES
    assert found.left_out == 3 + 2
    everything = reading(many, full=True)
    assert (len(everything.facts), len(everything.lists[0][1]), everything.left_out) == (FEW + 3, 5, 0)


def test_an_entry_of_a_list_is_its_name_and_its_share():
    assert [str(each) for each in entries([{"id": "x", "label": "beach", "score": 0.61}, {"label": "sea"}])] == [
        "beach 61%", "sea",
    ]  # fmt: skip
    assert [str(e) for e in entries([{"type": "url", "text": "a\nb", "score": 7.0}])] == ["url: a / b"]
    copy = {"video_id": "file-1", "matched_ratio": 0.5, "kind": "edited"}
    assert [str(each) for each in entries([copy])] == ["file-1 (edited) 50%"]
    assert "0123456789abcdef" not in said("pdq", [{"t_s": 1.0, "cropped_hex": ["0123456789abcdef"]}], full=True)
    assert entries([{"hex": "#a0b0c0", "share": 0.5}])[0].colour == "#a0b0c0"
    assert entries([{"hex": "javascript:", "share": 0.5}])[0].colour is None
    assert entries([{"t_s": 1.0, "quality": 3}]) is None
    assert entries([{"start_s": 0.0, "end_s": 1.0, "label": "a"}]) is None
    assert said("transitions", [{"kind": "cut", "start_s": 1, "end_s": 1}] * 6) == "6 cut"
    assert said("lines", [{"text": "a", "start_s": 1, "end_s": 1}] * 6) == "6"


def test_segments_of_a_steady_pace_make_a_curve():
    (row,) = rows("loudness", series("max_lufs", [-20, -18, -16, -14, -12, -10]), 6.0, 12)
    assert (row.line.plain, row.note) == ("▁▁▂▂▄▄▅▅▇▇██", "-20 to -10 LUFS")
    (flat,) = rows("x", series("max_lufs", [-20.0, -20.001] * 3), 6.0, 6)
    assert (set(flat.line.plain) <= {"▄", "▅"}, flat.note) == (True, "-20 LUFS all along")
    (quiet,) = rows("x", series("max_lufs", [-20.0, -20.6, -20.3] * 2), 6.0, 6)
    assert set(quiet.line.plain) <= {"▄", "▅"}, "no mountains out of what nobody hears"
    (marks,) = rows("x", series("score", [1] * 6), 6.0, 6)
    assert set(marks.line.plain) <= {"█", "│"}, "what has no unit and never changes is no measure"


def test_segments_of_several_kinds_get_a_line_each():
    segments = [{"start_s": 0.0, "end_s": 1.0, "move": "pan"}, {"start_s": 1.0, "end_s": 4.0, "move": "static"}]
    assert [(row.name, row.line.plain, row.note) for row in rows("motion", segments, 4.0, 4)] == [
        ("motion", "·███", "static"), ("", "█···", "pan"),
    ]  # fmt: skip


def test_segments_with_colours_show_them_and_foreign_colours_are_no_styles():
    segments = [
        {"start_s": 0.0, "end_s": 1.0, "colors": [{"hex": "#ff0000"}]},
        {"start_s": 1.0, "end_s": 2.0, "colors": [{"hex": "bold blink"}]},
    ]
    (row,) = rows("color_palette", segments, 2.0, 4)
    assert row.line.plain == "██│█"
    assert [str(span.style) for span in row.line.spans] == ["#ff0000", "#ff0000"]


def test_words_have_their_times_and_stay_harmless():
    assert list(words([{"start_s": 0, "end_s": 2, "text": "a\x1b[31m\nb"}, {"start_s": 2, "end_s": 3}])) == [
        (0.0, 2.0, "a\\x1b[31m / b")
    ]


def test_a_long_link_does_not_break_the_lines_of_time():
    link = "https://example.org/" + "a1B2-" * 40
    calls = [{"start_s": 0.0, "end_s": 2.0, "type": "visit_url", "text": link, "source": "qr"}]
    summary = {"ctas": [{"type": "visit_url", "text": link, "score": 1.0}], "qr_payloads": [link]}
    for width in (60, 100):
        text = shown(width=width, call_to_action={**ENVELOPE, "summary": summary, "segments": calls})
        told = text[text.index("in time") : text.index("analyses")].splitlines()
        (first,) = [number for number, line in enumerate(told) if "https://example.org" in line]
        after = [line for line in told[first + 1 :] if line.strip()]
        assert all(line.startswith(" " * 20) for line in after), "below itself, not below its time"
        assert len(after) <= 1
        assert link not in text.replace("\n", "").replace(" ", "")
    whole = shown(width=400, full=True, call_to_action={**ENVELOPE, "summary": summary, "segments": calls})
    assert link in whole


def test_the_numbers_of_the_reach_say_what_they_count():
    reach = {"views_per_day": 200.0, "engagement_rate": 0.118}
    told = dict(highlights({"virality_features": {**ENVELOPE, "summary": reach}}))["reach"]
    assert told.startswith("views 200/day · reactions ")
    assert told.endswith(" 12% of the views")


def test_the_scale_has_the_length_of_the_lines():
    for width in (20, 40, 80, 300):
        cells = cells_of(width)
        line = ruler(60.0, cells)
        assert line.startswith("|0")
        assert line.endswith("|60")
        assert line.rindex("|") == cells - 1


def test_what_people_want_to_know_first_names_fields_that_exist():
    analyzers: dict[str, Analyzer] = dict(load().analyzers)
    for _, places in FIELDS:
        for analyzer, field in places:
            assert field in analyzers[analyzer].output.model_fields, f"{analyzer}.{field}"


def test_key_facts_come_first_and_only_those_that_are_known():
    analysis = {
        "content_category": ENVELOPE | {"summary": {"labels": [{"name": "Food", "score": 0.8}] * 5}},
        "on_screen_text": ENVELOPE | {"summary": {"text_all": "one\ntwo"}},
        "music_analysis": ENVELOPE
        | {"summary": {"tempo_bpm": 120.0, "tempo_confidence": 0.8, "key": None, "mode": None}},
        "text_moderation": ENVELOPE | {"summary": {"needs_review": True}},
    }
    assert list(highlights(analysis)) == [
        ("about", "Food 80%, Food 80%, Food 80% and 2 more"), ("written", "“one / two”"), ("music", "120 bpm"),
    ]  # fmt: skip
    assert reviews(analysis) == ["text_moderation"]
    text = shown(**analysis)
    assert (
        text.index("a person should look at this: text_moderation") < text.index("in time") if "in time" in text else 1
    )
    assert text.index("in short") < text.index("work") < text.index("history")


def test_a_doubtful_tempo_is_no_key_fact_and_faces_alone_are_a_lower_bound():
    music = {"tempo_bpm": 149.2, "tempo_confidence": 0.117, "key": "G", "mode": "minor"}
    people = ENVELOPE | {"summary": {"people_max": 1}}
    analysis = {"music_analysis": ENVELOPE | {"summary": music}, "people_framing": people | {"tier": "lite"}}
    assert list(highlights(analysis)) == [("people", "1 or more, judged by faces"), ("music", "G · minor")]
    assert list(highlights({"people_framing": people | {"tier": "full"}})) == [("people", "1")]


def test_moments_of_keyframes_are_no_curve():
    shots = [{"start_s": 2.0 * i, "end_s": 2.0 * i + 2, "keyframe_s": 2.0 * i + 1} for i in range(10)]
    text = shown(shot_boundaries=ENVELOPE | {"segments": shots})
    assert "█" in text
    assert not set("▁▂▃▄") & set(text)


def test_the_language_of_the_writing_is_not_called_that_of_the_speech():
    def line(speech_ratio: float | None, **languages: str | None) -> list[tuple[str, str]]:
        found = {source: {"lang": lang, "prob": 0.9 if lang else None} for source, lang in languages.items()}
        analysis = {"language_identification": ENVELOPE | {"summary": {"by_source": found, "primary": "en"}}}
        analysis["vocal_delivery"] = ENVELOPE | {"summary": {"speech_ratio": speech_ratio} if speech_ratio else {}}
        return list(highlights(analysis))

    assert line(0.8, caption="en", ocr="en") == [("language", "written en · spoken not known")]
    assert line(0.8, caption="en", ocr="fr", speech="zh") == [("language", "written en, fr · spoken zh")]
    assert line(None, caption="en", hashtags="de") == [("language", "written en")]
    assert line(None, speech="\x1b[31m") == [("language", "spoken \\x1b[31m")]
    assert line(0.8, caption=None) == []


def test_analyses_stand_under_their_group_and_what_was_not_done_under_its_reason():
    missing = ENVELOPE | {
        "status": "skipped",
        "reason": "model_missing",
        "message": "not here; run: tiktokctl models pull a/b",
    }
    text = shown(
        groups={"loudness": "audio", "hook": "fusion"},
        loudness=ENVELOPE | {"summary": {"integrated_lufs": -14.0}},
        hook=ENVELOPE | {"status": "error", "message": "ValueError: [red]x[/red]"},
        unheard=ENVELOPE | {"summary": {}},
        scene=missing,
        activity=missing,
    )
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines.index("sound") < lines.index("all together") < lines.index("analyses") < lines.index("not done")
    assert "loudness                integrated -14 LUFS" in lines
    assert "hook                    error: ValueError: [red]x[/red]" in lines
    assert "unheard                 nothing stands out" in lines
    assert "model missing  activity, scene" in lines
    assert "→ tiktokctl models pull a/b" in text
    assert lines[:3] == ["file-1  completed", "title  my clip.mp4", "file   /clips/my clip.mp4"]
    assert "took      9.0 s in all, decode 1.0 s, 0.5 s of CPU time" in lines


def test_an_analyzer_that_lacks_two_models_names_the_commands_for_both():
    gpu = "; it runs on a GPU alone, and none is at work here (gpu.devices)"
    message = f"a: x/y is not here; run: tiktokctl models pull x/y; b: z is not here; run: tiktokctl models pull z{gpu}"
    lines = [
        line.strip()
        for line in shown(
            topic=ENVELOPE | {"status": "skipped", "reason": "model_missing", "message": message}
        ).splitlines()
    ]
    assert lines[lines.index("model missing  topic") + 1 :][:2] == [
        "→ tiktokctl models pull x/y", "→ tiktokctl models pull z; it runs on a GPU alone",
    ]  # fmt: skip


def test_on_a_narrow_terminal_nothing_is_wider_and_commands_stay_whole():
    command = "tiktokctl models pull " + "organisation/" + "m" * 40
    text = shown(
        width=40,
        loudness=ENVELOPE | {"summary": {"integrated_lufs": -14.0}, "segments": series("x", range(9))},
        scene=ENVELOPE | {"status": "skipped", "reason": "model_missing", "message": command},
    )
    assert max(map(len, text.splitlines())) <= 40
    assert "…" not in text
    assert "m" * 40 in text.replace("\n", "").replace(" ", "")


def test_every_field_and_segment_is_there_when_all_is_wanted():
    segments = [{"start_s": 0.0, "end_s": 1.5, "label": "a", "box": [0.1, 0.2]}]
    one = ENVELOPE | {"summary": {"labels": [{"label": "a", "z": 3.25, "score": 0.5}]}, "segments": segments}
    text = shown(full=True, thing=one)
    assert "z 3.25" in text
    assert "0.00 to   1.50  label a · box 0.1, 0.2" in text


def test_a_post_says_when_it_was_made_and_how_old_its_counts_are(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    about = {"view_count": 1200, "created_at_s": 1_790_000_000.0, "fetched_at_s": 1_790_086_400.0}
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(detail({**VIDEO, "metadata": about, "analysis": {}}, {}, width=100, full=False))
    assert "posted  2026-09-21 14:13" in capture.get()
    assert "counts  1,200 views, as of 2026-09-22 14:13" in capture.get()


def test_a_real_envelope_can_be_shown():
    made = envelope("loudness", integrated_lufs=-14.0).model_dump(mode="json")
    assert "integrated -14 LUFS" in shown(loudness=made)


def test_results_of_an_earlier_run_are_called_that():
    event = {"event": "complete", "from": "processing", "to": "completed", "reason": None}
    history = [{**event, "at": "2026-01-31T11:00:00Z"}]
    loud = {"loudness": {**ENVELOPE, "summary": {"integrated_lufs": -14.0}}}
    for state in ("downloaded", "failed", "cancelled"):
        text = shown(video={**VIDEO, "state": state, "history": history}, **loud)
        assert "of the run that completed at " in text
        assert "-14 LUFS" in text
    assert "of an earlier run" in shown(video={**VIDEO, "state": "failed"}, **loud), "history is trimmed"
    assert "queued again since" not in shown(**loud)
    assert "queued again since" not in shown(video={**VIDEO, "state": "failed"})
