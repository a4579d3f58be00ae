"""Alembic migrations, run from code when the daemon opens its database. Knows no configuration file."""
