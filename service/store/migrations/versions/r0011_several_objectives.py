"""What a trial is judged by besides the objective: further objectives, constraints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns; the studies from before have one objective and no constraints."""
    op.add_column("trials", sa.Column("measured", sa.Text))
    op.add_column("trials", sa.Column("violation", sa.DOUBLE_PRECISION))
