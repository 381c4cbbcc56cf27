"""Values that are proposed for parameters which a trial's trainer may ask for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; trials from before had all their parameters when they began."""
    op.add_column("trials", sa.Column("proposed", sa.Text))
