"""What Alembic runs: migrations over the connection that `database` hands in. Never opens one itself."""

from alembic import context

from tiktokd.scheduler.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
