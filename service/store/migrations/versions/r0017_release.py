"""What the audit log says before and after, its hashes, decisions about releases, and figures of studies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the columns; entries from before have no hash, and studies no decision: their champions stay."""
    op.add_column("studies", sa.Column("figures", sa.Text))
    op.add_column("studies", sa.Column("decided", sa.Integer, nullable=False, server_default="0"))
    op.add_column("studies", sa.Column("registered", sa.Integer, nullable=False, server_default="0"))
    op.add_column("audit", sa.Column("study", sa.Integer))
    op.add_column("audit", sa.Column("before", sa.Text))
    op.add_column("audit", sa.Column("after", sa.Text))
    op.add_column("audit", sa.Column("hash", sa.Text))
    op.create_index("audit_of_study", "audit", ["study", "id"])
