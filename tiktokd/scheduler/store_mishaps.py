"""Two things that befall a claimed video without an attempt having failed: a worker's death, a file that is gone.

Fenced by the claim's token like everything in `store_claims`; False means a stale token. Knows no policy.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.errors import Failure
from tiktokd.model import State
from tiktokd.scheduler import schema
from tiktokd.scheduler import store_transition as moves
from tiktokd.scheduler.states import Event

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
