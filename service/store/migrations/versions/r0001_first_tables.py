"""Studies, trials, reports, leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.DOUBLE_PRECISION
# The condition of `ahead` in tables.py as it was then: the index holds the trials that the mirror lacks, and no others.
AHEAD = sa.text("mirrored_epoch < epochs OR mirrored_state != label")


def upgrade() -> None:
    """Create everything."""
    _studies()
    _trials()
    op.create_table(
        "reports",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("trial", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("study_id", "trial", "epoch", name="pk_reports"),
        sa.ForeignKeyConstraint(
            ["study_id", "trial"], ["trials.study_id", "trials.number"], name="fk_reports_trials", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "leases",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("study_id", name="pk_leases"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_leases_studies", ondelete="CASCADE"),
    )


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created", NUMBER, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("started", NUMBER),
        sa.Column("ended", NUMBER),
        sa.Column("seconds", NUMBER, nullable=False),
        sa.Column("stop_asked", sa.Boolean, nullable=False),
        sa.Column("mlflow_experiment_id", sa.Text),
        sa.Column("mlflow_run_id", sa.Text),
        sa.Column("model_uri", sa.Text),
        sa.Column("champion", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("name", name="uq_studies_name"),
        sqlite_autoincrement=True,
    )


def _trials() -> None:
    op.create_table(
        "trials",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("epochs", sa.Integer, nullable=False),
        sa.Column("prune_at", sa.Integer),
        sa.Column("value", NUMBER),
        sa.Column("best_epoch", sa.Integer),
        sa.Column("last_value", NUMBER),
        sa.Column("verdict", sa.Text),
        sa.Column("gap", NUMBER),
        sa.Column("diagnosis", sa.Text),
        sa.Column("started", NUMBER),
        sa.Column("ended", NUMBER),
        sa.Column("mlflow_run_id", sa.Text),
        sa.Column("mirrored_epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("mirrored_state", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("study_id", "number", name="pk_trials"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_trials_studies", ondelete="CASCADE"),
    )
    op.create_index("trials_ahead", "trials", ["study_id", "number"], sqlite_where=AHEAD, postgresql_where=AHEAD)
    op.create_index("trials_counted", "trials", ["study_id", "label"])
