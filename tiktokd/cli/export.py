"""The verb that writes results to a file: export."""

import argparse

from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, EXIT_USAGE, STATES, Verb

FORMATS = ("json", "jsonl", "csv", "parquet")
"""As in `export.FORMATS`, which a test compares."""


def _export(session: Session, args: argparse.Namespace) -> int:
    from tiktokd import export

    if args.schema:
        from tiktokd.datafiles import SHIPPED

        schema = (SHIPPED / "export.schema.json").read_text(encoding="utf-8").rstrip()
        if args.output in (None, export.STDOUT):
            session.say(schema)
            return EXIT_OK
        with export.replaced(args.output) as out:
            out.write(schema.encode() + b"\n")
        _report(session, [args.output], "JSON Schema")
        return EXIT_OK
    if not args.output:
        session.complain("tiktokctl export: -o FILE is missing (-o - is standard output)")
        return EXIT_USAGE

    form = args.format or _form_of(args.output)
    if args.segments is not None and form not in export.TABLES:
        session.complain("tiktokctl export: --segments belongs to --format csv and parquet; JSON has them inside")
        return EXIT_USAGE
    segments = export.segments_name(args.output) if args.segments == "" else args.segments
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


def _report(session: Session, files: list[str], form: str) -> None:
    if session.json:
        session.dump({"format": form, "files": files})
    else:
        session.complain(f"wrote {' and '.join(files)} ({form})")


def _form_of(output: str) -> str:
    """Return the format that a file's name asks for; JSON where it says nothing."""
    suffix = output.rpartition(".")[2].lower()
    return {"ndjson": "jsonl", "pq": "parquet"}.get(suffix, suffix if suffix in FORMATS else "json")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="- is standard output")
    parser.add_argument("--format", choices=FORMATS, help="default: what the file's name says, else json")
    parser.add_argument(
        "--segments", nargs="?", const="", metavar="FILE",
        help="csv and parquet: also a table with one row per timeline segment (default: FILE.segments.csv)",
    )  # fmt: skip
    parser.add_argument("--schema", action="store_true", help="write the JSON Schema of the export and nothing else")
    parser.add_argument("--state", choices=STATES, help="only videos in this state")
    parser.add_argument(
        "--since", metavar="T", help="only videos that changed since then: 2026-01-31, 2026-01-31T12:00Z"
    )


VERBS = (
    Verb(
        name="export",
        section="Results",
        title="Write results as JSON, JSONL, CSV or Parquet",
        about="A file appears whole or not at all. CSV and Parquet have one row per video and one column per field, "
        "named analyzer.field.",
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
