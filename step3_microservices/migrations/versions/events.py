"""Responses to recommendations: what was shown, clicked and dismissed."""

import sqlalchemy as sa
from alembic import op

revision = "events"
down_revision = "feedback"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("user_id", sa.String(64)),
        sa.Column("country", sa.String(2)),
        sa.Column("item_id", sa.String(64), nullable=False),
        sa.Column("slot", sa.String(16), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("arm", sa.String(32), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("list_id", sa.String(64), nullable=False),
    )
    op.create_index("events_by_day", "events", ["day"])
