"""Trials that are trained again from the start; how often a study's test split was opened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; every curve from before begins with its trial's first attempt."""
    op.add_column("trials", sa.Column("began", sa.Integer, nullable=False, server_default="1"))
    op.add_column("studies", sa.Column("test_openings", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE studies SET test_openings = 1 WHERE test_opened IS NOT NULL")
