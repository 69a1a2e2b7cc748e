"""Which experiment dealt the arm of an event, and with which share in control: of older events nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "experiments"
down_revision = "events"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("events", sa.Column("experiment", sa.String(64)))
    op.add_column("events", sa.Column("control_share", sa.Double))
