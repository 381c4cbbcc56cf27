"""Confirmations: trials that train again, their test metrics, when the test split was opened; stops for overfitting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

AHEAD = sa.text("mirrored_epoch < epochs OR mirrored_state != mark")  # the condition of `ahead` in tables.py


def upgrade() -> None:
    """Add the columns; studies and trials from before have none of it."""
    op.add_column("studies", sa.Column("test_opened", sa.DOUBLE_PRECISION))
    op.add_column("studies", sa.Column("test_opened_by", sa.Text))
    op.add_column("trials", sa.Column("stop_at", sa.Integer))
    op.add_column("trials", sa.Column("confirms", sa.Integer))
    op.add_column("trials", sa.Column("test", sa.Text))
    op.add_column("trials", sa.Column("mark", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE trials SET mark = label || '/' || coalesce(verdict, '')")  # and so each is mirrored once more
    op.drop_index("trials_ahead", "trials")
    op.create_index("trials_ahead", "trials", ["study_id", "number"], sqlite_where=AHEAD, postgresql_where=AHEAD)
    op.drop_index("trials_counted", "trials")
    op.create_index("trials_counted", "trials", ["study_id", "label", "confirms"])
