"""The corpus: prints of finished videos, and how their posts did. Frozen like every migration."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make both tables, empty: videos that were finished before are found once they are requeued."""
    op.create_table(
        "corpus_prints",
        sa.Column("revision", _KEY, autoincrement=True, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("cluster", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("exact", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_corpus_prints")),
        sa.UniqueConstraint("seq", "kind", name=op.f("uq_corpus_prints_seq_kind")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_corpus_prints_cluster", "corpus_prints", ["kind", "cluster"], unique=False)
    op.create_index("ix_corpus_prints_kind", "corpus_prints", ["kind", "revision", "seq"], unique=False)
    op.create_table(
        "corpus_posts",
        sa.Column("seq", _KEY, autoincrement=False, nullable=False),
        sa.Column("creator", sa.String(length=128), nullable=True),
        sa.Column("views", sa.BigInteger(), nullable=True),
        sa.Column("views_per_day", sa.Double(), nullable=True),
        sa.Column("features", _JSON, nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_corpus_posts")),
    )
    op.create_index("ix_corpus_posts_creator", "corpus_posts", ["creator", "seq", "views"], unique=False)
    op.create_index(op.f("ix_corpus_posts_views_per_day"), "corpus_posts", ["views_per_day"], unique=False)
