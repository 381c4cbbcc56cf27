"""The specs of studies that were edited, each with the trial and the decision from which on it holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the table; studies from before have one spec."""
    op.create_table(
        "versions",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("at", sa.DOUBLE_PRECISION, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("from_trial", sa.Integer),
        sa.Column("from_decision", sa.Integer),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_versions_studies", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", "number", name="pk_versions"),
    )
