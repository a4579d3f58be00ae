"""What befalls videos though no attempt has failed: the death of a worker, or of all, and a file that is gone.

Fenced by the claim's token like everything in `store_claims`; False means a stale token. Knows no policy.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.errors import Failure
from tiktokd.model import State
from tiktokd.scheduler import schema, store_upkeep
from tiktokd.scheduler import store_transition as moves
from tiktokd.scheduler.lanes import BREAKER_SETTING
from tiktokd.scheduler.states import Event
from tiktokd.scheduler.store_rows import mapping

_queue = schema.processing_queue


def crashed(conn: Connection, token: str, *, failure: Failure, now: float) -> bool:
    """Count the death of a worker against a video whose work goes on under the same claim."""
    state, seq = moves.parse(token)
    held = (_queue.c.seq == seq, _queue.c.claim_token == token)
    values = {"crashes": _queue.c.crashes + 1, "failure": failure, "updated_at": now}
    if state is None or conn.execute(sa.update(_queue).where(*held).values(**values)).rowcount != 1:
        return False
    moves.note(conn, seq, state, "crash", failure.message[:500], now=now)
    return True


def media_gone(conn: Connection, token: str, *, failure: Failure, now: float) -> bool:
    """Send a video whose spooled file has vanished back to the download; nothing is charged."""
    _, seq = moves.parse(token)
    reason = failure.message[:500]
    gone = {"media_path": None, "media_bytes": None, "spooled": False, "failure": failure}
    if moves.transition(conn, token, Event.FAIL, now=now, reason=reason, values=gone) is None:
        return False
    again = {"not_before": 0.0}
    moves.transition_rows(conn, [(seq, State.FAILED)], Event.REQUEUE, now=now, reason=reason, values=again)
    return True


def breaker_opened(conn: Connection, *, deaths: Mapping[str, int], reason: str, now: float) -> None:
    """Remember why the processing is paused, and put back the videos that only these deaths have made poison.

    One death stays counted against each: if it is the video after all, the next one ends it, and not the lane again.
    """
    store_upkeep.set_setting(conn, BREAKER_SETTING, reason)
    for id_, count in deaths.items():
        row = conn.execute(
            sa.select(_queue.c.seq, _queue.c.crashes, _queue.c.failure, _queue.c.media_path).where(
                _queue.c.id == id_, _queue.c.state == State.FAILED
            )
        ).first()
        if row is None or row.crashes != count or mapping(row.failure).get("failure_class") != "poison":
            continue
        event = Event.REQUEUE if row.media_path is None else Event.REANALYZE
        again = {"not_before": 0.0, "crashes": 1}
        moves.transition_rows(conn, [(row.seq, State.FAILED)], event, now=now, reason=reason[:500], values=again)
