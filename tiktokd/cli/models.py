"""Verb `models`: list, pull and verify the weights of hub models."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tiktokd.cli._session import Session
from tiktokd.cli._verb import EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, Verb

if TYPE_CHECKING:
    from tiktokd.models import Model

MIB = 2**20


def _run(session: Session, args: argparse.Namespace) -> int:
    action = {"list": _list, "pull": _pull, "convert": _convert, "verify": _verify}[args.action]
    return action(session, args)


def _chosen(session: Session, args: argparse.Namespace, *, left_out: bool = True) -> "list[Model]":
    from tiktokd import models

    found = models.wanted(session.config)
    return models.pick(found, args.names, left_out=left_out) if args.names else found


def _list(session: Session, args: argparse.Namespace) -> int:
    found = _chosen(session, args)
    if session.json:
        session.dump([_as_dict(m) for m in found])
        return EXIT_OK
    from tiktokd.cli._table import Column, fitting
    from tiktokd.printable import escape

    columns = (
        Column("model"), Column("here"), Column("size", 1, right=True), Column("note", 2), Column("licence", 3),
        Column("analyzers", 4, shortens=True),
    )  # fmt: skip
    rows = []
    for model in found:
        mib = model.size_bytes / MIB if model.path else model.weights.size_mib
        here = "yes" if model.path else "damaged" if model.damaged else "no"
        names = escape(model.weights.hub_id), here, _size(mib), _note(model)
        rows.append((*names, escape(model.weights.licence), ", ".join(model.analyzers)))
    session.show(fitting(columns, rows, session.console.width))
    session.say(f"models directory: {session.config.models_dir}")
    for model in found:
        if model.damaged:
            session.say(model.damaged)
        elif model.path is None and model.weights.by_hand:
            session.say(f"{model.weights.hub_id} cannot be pulled: {model.weights.by_hand}")
    for model in found:
        if model.path is None and model.left_out:
            session.say(f"{model.weights.hub_id} {model.left_out}; only by its own name: {_how_to_get(session, model)}")
    missing = [m for m in found if m.path is None and not m.weights.by_hand and not m.left_out]
    if missing:
        total = sum(m.weights.size_mib or 0 for m in missing)
        more = sum(m.weights.size_mib is None for m in missing)
        sizes = [*([f"about {total:,.0f} MiB"] if total else []), *([f"{more} of unknown size"] if more else [])]
        which = " ".join(args.names) or "all"
        session.say(f"fetch all {len(missing)} that are missing ({', '.join(sizes)}): tiktokctl models pull {which}")
    if idle := [m.weights.hub_id for m in found if m.idle]:
        session.say(f"this machine shows no GPU, so nothing here would run these: {', '.join(idle)}")
    return EXIT_OK


def _size(mib: float | None) -> str:
    return "" if mib is None else f"{mib:,.0f} MiB"


def _note(model: "Model") -> str:
    extra = "extra" if model.left_out == "is an extra" else ""
    return ", ".join(filter(None, (extra, "needs a GPU" if model.idle else "")))


def _as_dict(model: "Model") -> dict[str, object]:
    return {
        "id": model.weights.hub_id,
        "revision": model.weights.revision,
        "licence": model.weights.licence,
        "path": str(model.path) if model.path else None,
        "damaged": model.damaged,
        "size_bytes": model.size_bytes,
        "download_mib": model.weights.size_mib,
        "by_hand": model.weights.by_hand,
        "extra": model.weights.extra,
        "needs_gpu": model.idle,
        "left_out": model.left_out,
        "encoders": list(model.encoders),
        "analyzers": list(model.analyzers),
    }


def _pull(session: Session, args: argparse.Namespace) -> int:
    from tiktokd import models_pull
    from tiktokd.errors import TiktokdError

    if not args.names:
        session.complain("tiktokctl models pull: name models or analyzers (tiktokctl models list), or all")
        return EXIT_USAGE
    target: Path = session.config.models_dir
    failed = 0
    orders = []
    chosen = _chosen(session, args, left_out=False)
    for model in chosen:
        if model.weights.by_hand and (model.path or "all" in args.names):
            session.complain(f"{model.weights.hub_id}: {'is here' if model.path else model.weights.by_hand}")
            continue
        try:
            orders.append(models_pull.order(model.weights, target))
        except models_pull.HubUnreachable as exc:
            session.complain(f"✗ {exc}; where there is no network, copy the model's files to {_place(model, target)}")
            return _pulled(session, [], failed + 1)
        except TiktokdError as exc:
            session.complain(f"✗ {exc}")
            failed += 1
    for other in (m for m in _chosen(session, args) if m not in chosen and m.path is None):
        session.complain(f"left out: {other.weights.hub_id} {other.left_out}; {_how_to_get(session, other)}")
    try:
        need = models_pull.check_room(orders, target)
    except TiktokdError as exc:
        session.complain(f"✗ {exc}")
        return _pulled(session, [], len(orders))
    fetched = {order.weights.hub_id for order in orders}
    if idle := [m.weights.hub_id for m in chosen if m.idle and m.weights.hub_id in fetched]:
        session.complain(f"this machine shows no GPU, which these need to be of use: {', '.join(idle)}")
    if orders:
        session.complain(f"{len(orders)} model(s), {need / MIB:,.0f} MiB to fetch into {target}")
    pulled = []
    for order in orders:
        newest = "" if order.pinned else ", the newest; models.lock keeps it"
        session.complain(f"{order.weights.hub_id} · {order.weights.licence} · revision {order.revision[:12]}{newest}")
        try:
            with session.progress(order.weights.hub_id, order.size_bytes, of_bytes=True) as bar:
                models_pull.pull(order, bar.update)
        except TiktokdError as exc:
            session.complain(f"✗ {exc}; run the same command again, what has arrived is kept")
            failed += 1
            continue
        session.complain(f"✓ {order.weights.hub_id}")
        pulled.append(order.weights.hub_id)
    return _pulled(session, pulled, failed)


def _pulled(session: Session, pulled: list[str], failed: int) -> int:
    """Say what has been fetched and return the exit code."""
    if session.json:
        session.dump({"pulled": pulled, "failed": failed})
    elif pulled:
        session.say("restart the daemon, or wait until its workers are recycled, for the new models to be used")
    return EXIT_PARTIAL if failed else EXIT_OK


def _place(model: "Model", target: Path) -> Path:
    from tiktokd import weights

    return target / weights.directory_name(model.weights)


def _how_to_get(session: Session, model: "Model") -> str:
    from tiktokd import weights

    size = f" ({_size(model.weights.size_mib)})" if model.weights.size_mib else ""
    return f"{weights.how_to_get(model.weights, session.config.models_dir)}{size}"


def _convert(session: Session, args: argparse.Namespace) -> int:
    """Make safetensors of a pickled checkpoint, and again, without a network, what `pull` makes of tensors."""
    from tiktokd import models_pickle
    from tiktokd.errors import TiktokdError
    from tiktokd.models_convert import convert

    if not args.names:
        session.complain("tiktokctl models convert: name models (tiktokctl models list)")
        return EXIT_USAGE
    made, failed = [], 0
    for model in _chosen(session, args):
        place = _place(model, session.config.models_dir)
        pickled = models_pickle.pickles(place)
        if model.weights.conversion is None and not pickled:
            session.complain(f"{model.weights.hub_id} is loaded as it was fetched")
            continue
        try:
            if pickled:
                models_pickle.convert(place)
            convert(model.weights, session.config.models_dir)
        except TiktokdError as exc:
            session.complain(f"✗ {exc}")
            failed += 1
            continue
        session.complain(f"✓ {model.weights.hub_id}")
        made.append(model.weights.hub_id)
    if session.json:
        session.dump({"converted": made, "failed": failed})
    return EXIT_PARTIAL if failed else EXIT_OK


def _verify(session: Session, args: argparse.Namespace) -> int:
    from tiktokd import models

    signs = {"present": "✓", "unlocked": "?", "missing": "–", "damaged": "✗"}
    results = [(m, *models.verify(m, session.config.models_dir)) for m in _chosen(session, args)]
    # Without names, or for all, it is about what lies here; whoever names a model expects to find it.
    named = [] if not args.names or "all" in args.names else _chosen(session, args, left_out=False)
    expected = {m.weights.hub_id for m in named}
    if session.json:
        session.dump([{"id": m.weights.hub_id, "health": health, "detail": why} for m, health, why in results])
    else:
        for model, health, why in results:
            reason = f"{model.left_out}; " if health == "missing" and model.left_out else ""
            session.say(f"{signs[health]} {health:9} {model.weights.hub_id}: {reason}{why}")
        missing = sum(health == "missing" for _, health, _ in results)
        damaged = sum(health == "damaged" for _, health, _ in results)
        session.say(f"{len(results) - missing} of {len(results)} are on this machine, {damaged} damaged")
    wrong = {m.weights.hub_id for m, health, _ in results if health == "damaged"}
    wrong |= {m.weights.hub_id for m, health, _ in results if health == "missing"} & expected
    return EXIT_PARTIAL if wrong else EXIT_OK


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("list", "pull", "convert", "verify"), default="list", help="default: list"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="model, encoder or analyzer; or all")


VERBS = (
    Verb(
        name="models",
        section="Machine",
        title="List, fetch and check the weights of hub models",
        about="Nothing is ever fetched without this command. Only safetensors and small text files are taken, at a "
        "revision that models.lock remembers with the sha256 of every file. What another engine loads is made here.",
        run=_run,
        arguments=_arguments,
        examples=(
            ("models list", "which models there are, for what, under which licence"),
            ("models pull speech_transcription", "fetch what one analyzer needs"),
            ("models pull all", "fetch what this machine can use; extras are left out"),
            ("models pull openai/privacy-filter", "fetch one extra: what most have no need of, by its own name"),
            ("models convert openai/whisper-base", "make again what a CPU runs of tensors that are here"),
            ("models convert org/name", "make safetensors of pytorch_model.bin that you put into its directory"),
            ("models verify", "read every file again and compare it with models.lock"),
            ("models verify openai/whisper-base", "one of them; exit code 1 where it is missing or damaged"),
        ),
    ),
)
