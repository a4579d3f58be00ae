"""The verb that writes results to a file: export."""

import argparse
import json
from pathlib import Path

from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, EXIT_USAGE, STATES, Verb

FORMATS = ("json", "jsonl", "csv", "parquet")
"""As in `export.FORMATS`, which a test compares."""


def _export(session: Session, args: argparse.Namespace) -> int:
    from tiktokd import export

    if args.schema:
        return _schema(session, args)
    if not args.output:
        session.complain("tiktokctl export: -o FILE is missing (-o - is standard output)")
        return EXIT_USAGE

    form = args.format or _form_of(args.output)
    if form is None:
        session.complain(
            f"tiktokctl export: the name {args.output} says no format; end it in .json, .jsonl, .csv or .parquet, "
            "or choose one with --format"
        )
        return EXIT_USAGE
    if args.segments is not None and form not in export.TABLES:
        session.complain("tiktokctl export: --segments belongs to --format csv and parquet; JSON has them inside")
        return EXIT_USAGE
    segments = export.segments_name(args.output) if args.segments == "" else args.segments
    if segments is not None and segments != export.STDOUT and _same(segments, args.output):
        session.complain(f"tiktokctl export: videos and segments cannot both go into {segments}; name another file")
        return EXIT_USAGE
    if form == "parquet":
        from tiktokd.export_table import require_parquet

        require_parquet()
    counts = session.client.status().counts
    total = counts[args.state] if args.state else sum(counts.values())
    pieces = session.client.export(export.stream_form(form), state=args.state, since=args.since)
    # --since is judged by the daemon, so with it nobody knows how many will come.
    with session.progress(f"exporting {form}", None if args.since else total) as bar:
        export.write(pieces, args.output, form, segments=segments, progress=bar.update)
    if args.output != export.STDOUT:
        _report(session, [name for name in (args.output, segments) if name is not None], form)
    return EXIT_OK


def _same(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _schema(session: Session, args: argparse.Namespace) -> int:
    from tiktokd import export
    from tiktokd.datafiles import SHIPPED

    if args.format in export.TABLES:
        session.complain("tiktokctl export: --schema describes json and jsonl; a table has a column per field of it")
        return EXIT_USAGE
    schema = (SHIPPED / "export.schema.json").read_text(encoding="utf-8").rstrip()
    if args.format == "jsonl":
        schema = json.dumps(export.line_schema(json.loads(schema)), indent=1)
    if args.output in (None, export.STDOUT):
        session.say(schema)
        return EXIT_OK
    with export.replaced(args.output) as out:
        out.write(schema.encode() + b"\n")
    _report(session, [args.output], "JSON Schema")
    return EXIT_OK


def _report(session: Session, files: list[str], form: str) -> None:
    if session.json:
        session.dump({"format": form, "files": files})
    else:
        session.complain(f"wrote {' and '.join(files)} ({form})")


def _form_of(output: str) -> str | None:
    """Return the format that a file's name asks for, JSON where it has no ending; `None`: an ending that is none."""
    suffix = Path(output).suffix.removeprefix(".").lower() or "json"
    return {"ndjson": "jsonl", "pq": "parquet"}.get(suffix, suffix if suffix in FORMATS else None)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="- is standard output")
    parser.add_argument("--format", choices=FORMATS, help="default: what the ending of FILE says")
    parser.add_argument(
        "--segments", nargs="?", const="", metavar="FILE",
        help="csv and parquet: also a table with one row per timeline segment (default: FILE.segments.csv)",
    )  # fmt: skip
    parser.add_argument(
        "--schema",
        action="store_true",
        help="write the JSON Schema of the export, or of one line with --format jsonl, and nothing else",
    )
    parser.add_argument(
        "--state",
        choices=STATES,
        help="only videos in this state; earlier results of one that was queued again come with the state it has now",
    )
    parser.add_argument(
        "--since", metavar="T", help="only videos that changed since then: 2026-01-31, 2026-01-31T12:00Z"
    )


VERBS = (
    Verb(
        name="export",
        section="Results",
        title="Write results as JSON, JSONL, CSV or Parquet",
        about="A file appears whole or not at all. CSV and Parquet have one row per video and one column per field, "
        "named analyzer.field, always the same ones; lists and objects with any keys are JSON text.",
        run=_export,
        arguments=_arguments,
        examples=(
            ("export -o results.json", "everything"),
            ("export -o done.jsonl --state completed", "one video per line"),
            ("export -o results.parquet --segments", "two tables for pandas and DuckDB"),
            ("export --schema", "what every field is: JSON Schema, draft 2020-12"),
            ("export -o - --format jsonl --since 2026-01-31 | jq .id", "into a pipe"),
        ),
    ),
)
