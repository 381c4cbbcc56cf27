"""Where each run of a study came from, the content of its own code, and what each epoch cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the tables and the column; of the runs and epochs from before nothing is known."""
    op.create_table(
        "study_runs",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DOUBLE_PRECISION, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_runs_studies", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", "number", name="pk_study_runs"),
    )
    op.create_table(
        "study_sources",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_sources_studies", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", "digest", name="pk_study_sources"),
    )
    op.add_column("reports", sa.Column("costs", sa.Text))
