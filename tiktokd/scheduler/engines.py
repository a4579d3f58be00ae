"""How a database file is opened: engines, pragmas, migrations, and clear refusals. Runs no statement of the queue."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tiktokd.errors import ConfigError
from tiktokd.scheduler import ledger, stored_json

SCHEMA_VERSION = "0002"
"""Newest migration; a test compares it with the files."""
READERS = 2
"""Connections that only read."""
READ_TIMEOUT_S = 10.0
BUSY_TIMEOUT_MS = 5000
"""Only a backup tool can hold the lock: nobody else of ours writes."""
_WRITER_PRAGMAS = (
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-32768",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
)
_READER_PRAGMAS = ("PRAGMA query_only=ON", "PRAGMA cache_size=-8192", f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def engines(url: str) -> tuple[Engine, Engine]:
    """Return the engine that writes (one connection) and the one that reads."""
    json: dict[str, Any] = {"json_serializer": stored_json.dump, "json_deserializer": stored_json.load}
    try:
        writer = sa.create_engine(url, pool_size=1, max_overflow=0, poolclass=sa.QueuePool, **json)
        reader = sa.create_engine(url, pool_size=READERS, pool_timeout=READ_TIMEOUT_S, poolclass=sa.QueuePool, **json)
    except ModuleNotFoundError as exc:
        kind = url.partition(":")[0]
        raise ConfigError(f"database.url: {kind} needs the package {exc.name}; pip install {exc.name}") from exc
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as exc:  # the URL may hold a password: it is not repeated
        raise ConfigError(f"database.url: {exc}; expected something like sqlite:////var/lib/tiktokd/q.db") from exc
    if writer.dialect.name == "sqlite":
        _set_up_sqlite(writer, _WRITER_PRAGMAS, "BEGIN IMMEDIATE")
        _set_up_sqlite(reader, _READER_PRAGMAS, "BEGIN")
    ledger.keep(writer)
    return writer, reader


def _set_up_sqlite(engine: Engine, pragmas: tuple[str, ...], begin: str) -> None:
    """Take transactions out of the driver's hands: it sends no BEGIN before SELECT and DDL."""

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma)

    def begun(conn: Connection) -> None:
        conn.exec_driver_sql(begin)

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)


def migrate(conn: Connection, url: str) -> None:
    """Bring the schema to `SCHEMA_VERSION`. Alembic takes 0.3 s to import: only where there is something to do."""
    with conn.begin():
        has_table = sa.inspect(conn).has_table("alembic_version")
        found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if has_table else None
    if found == SCHEMA_VERSION:
        return
    if found is not None and str(found) > SCHEMA_VERSION:
        raise ConfigError(
            f"the database {place(url)} has schema {found}, made by a newer tiktokd; this one knows up to "
            f"{SCHEMA_VERSION}: install the newer version again, or point database.url to another file"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with conn.begin():
        config.attributes["connection"] = conn
        command.upgrade(config, "head")


def place(url: str) -> str:
    """Return what to call the database in a message: its path, or its URL without the password."""
    parsed = sa.make_url(url)
    return str(parsed.database) if parsed.drivername.startswith("sqlite") else parsed.render_as_string()


def advice(url: str) -> str:
    """Return what the operator should look at."""
    parsed = sa.make_url(url)
    if not parsed.drivername.startswith("sqlite"):
        return "check database.url"
    return f"the directory {Path(str(parsed.database)).parent} must exist, be writable for this user and have room"
