"""What Alembic runs to migrate; `analytics_database.py` hands it a connection whose transaction holds the lock."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
