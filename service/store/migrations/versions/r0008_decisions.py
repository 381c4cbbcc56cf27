"""What was decided in a search, and up to which epoch a trial trains before the next decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table and the column; trials from before train to their end."""
    op.add_column("trials", sa.Column("until", sa.Integer))
    op.create_table(
        "decisions",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("trial", sa.Integer, nullable=False),
        sa.Column("new", sa.Boolean, nullable=False),
        sa.Column("until", sa.Integer),
        sa.Column("workers", sa.Integer, nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_decisions_studies", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", "index", name="pk_decisions"),
    )
