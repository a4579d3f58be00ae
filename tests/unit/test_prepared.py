"""Statements handed straight to the driver give what SQLAlchemy would have given."""

import sqlalchemy as sa

from tiktokd.scheduler import stored_json
from tiktokd.scheduler.prepared import Prepared

_table = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("weight", sa.Double),
    sa.Column("kept", sa.Boolean),
    sa.Column("data", sa.JSON(none_as_null=True)),
)
INSERT = Prepared(sa.insert(_table).values({c.name: sa.bindparam(c.name) for c in _table.c}))
HEAVIER = Prepared(sa.update(_table).where(_table.c.id == sa.bindparam("of")).values(weight=_table.c.weight + 1))
SET = Prepared(sa.update(_table).where(_table.c.id == sa.bindparam("of")).values(weight=sa.bindparam("new")))
LATEST = Prepared(sa.select(_table).order_by(_table.c.id.desc()).limit(sa.bindparam("most", type_=sa.Integer)))
FIND = Prepared(sa.select(_table).where(_table.c.id == sa.bindparam("of")))


def opened():
    engine = sa.create_engine("sqlite://", json_serializer=stored_json.dump, json_deserializer=stored_json.load)
    connection = engine.connect()
    _table.metadata.create_all(connection)
    return connection


def test_values_of_every_type_come_back_as_they_went_in():
    conn = opened()
    rows = [
        {"id": 1, "weight": 1.5, "kept": True, "data": {"a": [1, None]}},
        {"id": 2, "weight": 2, "kept": False, "data": None},
        {"id": 3, "weight": None, "kept": None, "data": []},
    ]
    INSERT.run_many(conn, rows)
    assert [FIND.first(conn, {"of": row["id"]})._asdict() for row in rows] == rows
    assert [dict(row) for row in conn.execute(sa.select(_table).order_by(_table.c.id)).mappings()] == rows


def test_more_than_the_statement_names_may_be_given_and_changes_are_counted():
    conn = opened()
    INSERT.run(conn, {"id": 1, "weight": 1.0, "kept": True, "data": None})
    assert HEAVIER.run(conn, {"of": 1, "new": 9.0}) == 1
    assert FIND.first(conn, {"of": 1, "new": 9.0}).weight == 2.0
    assert SET.run(conn, {"of": 1, "new": 9.0, "id": 5}) == 1
    assert FIND.first(conn, {"of": 1}).weight == 9.0
    assert (SET.run(conn, {"of": 7, "new": 1.0}), FIND.first(conn, {"of": 7})) == (0, None)


def test_every_row_comes_and_a_limit_may_be_given():
    conn = opened()
    INSERT.run_many(conn, [{"id": n, "weight": 1.0, "kept": False, "data": {"n": n}} for n in range(5)])
    assert [row.data for row in LATEST.every(conn, {"most": 2})] == [{"n": 4}, {"n": 3}]
    assert list(LATEST.every(conn, {"most": 0})) == []


def test_one_statement_serves_several_databases_in_turn():
    first, second = opened(), opened()
    for turn, conn in enumerate((first, second, first, second)):
        INSERT.run(conn, {"id": turn, "weight": float(turn), "kept": True, "data": {"turn": turn}})
    for conn, turns in ((first, {0, 2}), (second, {1, 3})):
        assert {turn for turn in range(4) if FIND.first(conn, {"of": turn})} == turns
