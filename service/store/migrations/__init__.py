"""How a database gets from any older version to the present one: Alembic's steps, one file each.

A new step is a file in versions/ whose id is appended to `REVISIONS` in opening.py. It spells out
its columns in plain types and imports nothing of the present code, which will change under it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

if TYPE_CHECKING:
    from sqlalchemy import Connection


def config() -> Config:
    """Where Alembic finds the steps."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return settings


def upgrade(connection: Connection, version_table: str, to: str = "head") -> None:
    """Run the missing steps inside the transaction that `connection` is in."""
    settings = config()
    settings.attributes.update(connection=connection, version_table=version_table)
    command.upgrade(settings, to)
