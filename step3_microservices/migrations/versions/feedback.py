"""Label feedback: the table that step 3 began with, which databases of that time have already."""

import sqlalchemy as sa
from alembic import op

revision = "feedback"
down_revision = None


def upgrade() -> None:
    """Make the table where it is missing."""
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.String(64), primary_key=True),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("class_index", sa.Integer, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("predicted_label", sa.Text),
        sa.Column("probability", sa.Double),
        sa.Column("model_version", sa.Text),
        sa.Column("image_png", sa.LargeBinary),
        if_not_exists=True,
    )
