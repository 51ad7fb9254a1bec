"""Alembic's entry: it runs on the connection that `Database.migrate` hands it."""

from alembic import context

from mlflow_evidence_plugin.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
