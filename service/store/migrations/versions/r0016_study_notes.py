"""What people note about their studies: a text, and tags."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns; studies from before have neither."""
    op.add_column("studies", sa.Column("note", sa.Text))
    op.add_column("studies", sa.Column("tags", sa.Text))
