"""What code and which data a study's trials were trained with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; of studies and trials from before they are not known."""
    op.add_column("studies", sa.Column("inputs", sa.Text))
    op.add_column("trials", sa.Column("code", sa.Text))
    op.add_column("trials", sa.Column("data", sa.Text))
