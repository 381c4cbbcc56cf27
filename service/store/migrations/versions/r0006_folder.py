"""Which folder a study's files lie in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; until now it was the study's name."""
    op.add_column("studies", sa.Column("folder", sa.Text))
    op.execute("UPDATE studies SET folder = name")
