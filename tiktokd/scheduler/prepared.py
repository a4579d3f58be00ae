"""Statements compiled once per database and then run past SQLAlchemy's work per execution. Knows no table.

Measured: 21 µs for an UPDATE by primary key through `Connection.execute` with its cache warm, 9 µs this way, 2 µs in
the driver itself. A claim and its finish are a dozen statements, and one thread runs them all. Values are bound as their
types say (JSON, enums); rows that come back are the driver's own, so this is for statements that return little.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult, Dialect

Convert = Callable[[Any], Any] | None


class Prepared:
    """One INSERT, UPDATE, DELETE or SELECT with named parameters."""

    __slots__ = ("_compiled", "statement")

    def __init__(self, statement: sa.Executable) -> None:
        self.statement = statement
        """The portable form, for the test that compiles it for every database."""
        self._compiled: WeakKeyDictionary[Dialect, _Compiled] = WeakKeyDictionary()

    def run(self, conn: Connection, params: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute once. Only parameters named by the statement are taken; a missing one is a KeyError."""
        compiled = self._for(conn.dialect)
        return conn.exec_driver_sql(compiled.sql, compiled.bind(params))

    def run_many(self, conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once per row of parameters."""
        compiled = self._for(conn.dialect)
        bound: list[Any] = [compiled.bind(row) for row in rows]
        if bound:
            conn.exec_driver_sql(compiled.sql, bound)

    def _for(self, dialect: Dialect) -> "_Compiled":
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = _Compiled(self.statement, dialect)
        return found


class _Compiled:
    """SQL text, and per parameter its name, its fixed value if it has one, and its conversion."""

    __slots__ = ("names", "slots", "sql")

    def __init__(self, statement: sa.Executable, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self.names: list[str] | None = None if compiled.positional else list(compiled.binds)
        order: list[str] = compiled.positiontup if compiled.positional else list(compiled.binds)
        self.slots: list[tuple[str, bool, Any, Convert]] = []
        for name in order:
            bind = compiled.binds[name]
            convert: Convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            fixed = not bind.required
            value = bind.effective_value if fixed else None
            self.slots.append((bind.key, fixed, convert(value) if convert and fixed else value, convert))

    def bind(self, params: Mapping[str, Any]) -> Any:
        """Return the driver's parameters: a tuple, or a dict where the driver names them."""
        values = [
            value if fixed else (params[key] if convert is None else convert(params[key]))
            for key, fixed, value, convert in self.slots
        ]
        return tuple(values) if self.names is None else dict(zip(self.names, values, strict=True))
