"""How many parameters a trial's model has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; of trials from before it is not known."""
    op.add_column("trials", sa.Column("size", sa.BigInteger))
