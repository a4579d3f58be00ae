"""Short ways to real rows for tests of the queue: a fresh SQLite file, videos, claims, failures.

`TIKTOKD_TEST_POSTGRES` (a SQLAlchemy URL of an empty database) runs the same tests there as well.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tiktokd.errors import Failure
from tiktokd.model import Claim, Envelope, Metadata
from tiktokd.scheduler import schema, store
from tiktokd.scheduler.database import Database

POSTGRES = os.environ.get("TIKTOKD_TEST_POSTGRES", "")
NOW = 1_800_000_000.0
TRANSIENT = Failure(failure_class="transient", stage="download", message="connection reset")


class Queue:
    """A database with the store's functions called in their own transaction each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.db = Database.open(url)

    def __getattr__(self, name: str) -> Any:
        """`queue.add(…)` is `store.add(conn, …)` on the writer."""
        function = getattr(store, name)
        return lambda *args, **kwargs: self.db.write_blocking(function, *args, **kwargs)

    def put(self, *ids: str, now: float = NOW, **fields: Any) -> list[store.Added]:
        """Queue videos by id."""
        items = [store.NewVideo(id=id_, url=f"https://www.tiktok.com/@_/video/{id_}", **fields) for id_ in ids]
        return self.add(items, now=now)

    def put_files(self, *ids: str, now: float = NOW, **fields: Any) -> list[store.Added]:
        """Queue files that are here already."""
        return self.put(*ids, now=now, media_path="/videos/own.mp4", downloaded=True, **fields)

    def download(self, now: float = NOW) -> Claim:
        """Claim the next download, which must be there."""
        claim = self.claim_download(worker="download-0", incarnation="one", now=now)
        assert claim is not None
        return claim

    def process(self, now: float = NOW) -> Claim:
        """Claim the next processing, which must be there."""
        claim = self.claim_processing(worker="cpu-0", incarnation="one", now=now)
        assert claim is not None
        return claim

    def has_downloaded(self, claim: Claim, now: float = NOW, title: str | None = None) -> bool:
        """Report a download."""
        path = f"/spool/{claim.id}.mp4"
        return self.downloaded(
            claim.token, media_path=path, sha256="0" * 64, size_bytes=10, metadata=Metadata(title=title), now=now
        )

    def has_completed(self, claim: Claim, now: float = NOW, **outputs: str) -> bool:
        """Report results: analyzer name to a text that tells runs apart."""
        envelopes = {name: envelope(name, text) for name, text in outputs.items()}
        return self.complete(claim.token, outputs=envelopes, signals={}, facts=None, timings={"decode": 1.0}, now=now)

    def state(self, id_: str) -> str:
        """Where a video stands."""
        record = self.get(id_)
        return "gone" if record is None else str(record.video.state)

    def empty(self) -> None:
        """Remove every row (PostgreSQL keeps its database between tests)."""

        def clear(conn: sa.Connection) -> None:
            for table in schema.metadata.sorted_tables:
                if table is not schema.counters:
                    conn.execute(sa.delete(table))
            conn.execute(sa.update(schema.counters).values(videos=0))

        self.db.write_blocking(clear)


def envelope(name: str, text: str) -> Envelope:
    """One result."""
    return Envelope(analyzer=name, version="1", status="ok", tier="full", summary={"text": text})


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queue]:
    """An empty queue, per database."""
    queue = Queue(POSTGRES if request.param == "postgresql" else f"sqlite:///{tmp_path / 'tiktokd.db'}")
    if request.param == "postgresql":
        queue.empty()
    yield queue
    queue.db.close()
