"""The service: its queue, tokens, the audit log, files that travel with a study; the share that a trial takes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.DOUBLE_PRECISION


def upgrade() -> None:
    """Add the columns and tables; studies from before are not the service's."""
    op.add_column("studies", sa.Column("queued", NUMBER))
    op.add_column("studies", sa.Column("submitter", sa.Text))
    op.add_column("studies", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("studies", sa.Column("waits_for", sa.Text))
    op.add_column("trials", sa.Column("share", NUMBER, nullable=False, server_default="1"))
    op.create_index("studies_listed", "studies", ["created", "id"])
    op.create_index("trials_ranked", "trials", ["study_id", "state", "value", "number"])
    op.drop_index("trials_counted", "trials")
    op.create_index("trials_counted", "trials", ["study_id", "label", "confirms", "verdict"])
    again = sa.text("confirms IS NOT NULL")
    op.create_index("trials_confirming", "trials", ["study_id", "confirms"], sqlite_where=again, postgresql_where=again)
    op.create_table(
        "study_files",
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("study_id", "name", name="pk_study_files"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_files_studies", ondelete="CASCADE"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created", NUMBER, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires", NUMBER),
        sa.Column("revoked", NUMBER),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("audit_subject", "audit", ["subject", "id"])
