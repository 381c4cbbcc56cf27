"""What trainers note about their trials."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the column; trials from before have no notes."""
    op.add_column("trials", sa.Column("notes", sa.Text))
