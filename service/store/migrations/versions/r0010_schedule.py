"""What a trial's model was trained with, where its parameters changed while it was trained."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; trials from before kept their parameters."""
    op.add_column("trials", sa.Column("schedule", sa.Text))
