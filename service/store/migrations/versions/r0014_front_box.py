"""What the hypervolume of a study is a share of, kept when the study goes on after its end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; studies that ended before have theirs once they go on."""
    op.add_column("studies", sa.Column("front_box", sa.Text))
