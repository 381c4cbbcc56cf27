"""The migrations and the tables say the same, on each database."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from goodfit.service.records import Batch, Study, Trial
from goodfit.service.store import open_store
from goodfit.service.store.migrations import config
from goodfit.service.store.opening import REVISIONS, VERSION_TABLE, open_database
from goodfit.service.store.tables import metadata


def is_told_by_tables(item: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    return kind != "index"  # indexes are the migrations' alone


def test_the_code_knows_every_migration_in_order() -> None:
    steps = [step.revision for step in ScriptDirectory.from_config(config()).walk_revisions()]
    assert tuple(reversed(steps)) == REVISIONS


def test_migrating_from_nothing_gives_the_tables_of_the_code(database_url: str) -> None:
    database = open_database(database_url)
    with database.engine.connect() as connection:
        exact = connection.dialect.name != "sqlite"  # which is compared to the letter by the next test
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "include_object": is_told_by_tables,
                "compare_type": exact,
                "compare_server_default": exact,
            },
        )
        assert compare_metadata(context, metadata) == []
    database.engine.dispose()


def definitions(file: str) -> dict[str, set[str]]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {name: _parts(sql) for name, sql in rows if name != VERSION_TABLE}


def _parts(sql: str) -> set[str]:
    """Head, columns, constraints and options; a column that was added later stands on no line of its own."""
    head, _, rest = sql.partition("(")
    inner, _, options = rest.rpartition(")")
    return {head.strip(), options.strip(), *(part.strip() for part in re.split(r",(?![^()]*\))", inner))}


def test_sqlite_shows_the_same_columns_and_constraints_to_the_letter(sqlite_url: str) -> None:
    made, migrated = (sqlite_url.replace("goodfit.db", f"{name}.db") for name in ("made", "migrated"))
    engine = create_engine(made)
    metadata.create_all(engine)
    engine.dispose()
    open_store(migrated).close()
    wanted = definitions(made.removeprefix("sqlite:///"))
    known = {
        "studies",
        "trials",
        "reports",
        "decisions",
        "versions",
        "study_runs",
        "study_sources",
        "leases",
        "study_files",
        "tokens",
        "audit",
    }
    assert set(wanted) == known
    assert definitions(migrated.removeprefix("sqlite:///")) == wanted


def test_what_the_mirror_lacks_is_found_by_its_index_alone(sqlite_url: str) -> None:
    with closing(open_store(sqlite_url)) as store:
        study = store.add_study(Study("digits", {}, "abc", 1.0))
        lease = store.acquire(study.id, "a", 0.0, 30.0, lambda owner: False)
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}))
    steps = plan(
        sqlite_url,
        "SELECT * FROM trials WHERE study_id = 1 AND (mirrored_epoch < epochs OR mirrored_state != mark)",
    )
    assert steps == ["SEARCH trials USING INDEX trials_ahead (study_id=?)"]


def test_trials_are_counted_without_reading_them(sqlite_url: str) -> None:
    open_store(sqlite_url).close()
    query = "SELECT study_id, label, count(*) FROM trials WHERE confirms IS NULL GROUP BY study_id, label"
    steps = plan(sqlite_url, query)
    assert steps == ["SCAN trials USING COVERING INDEX trials_counted"]


def plan(url: str, query: str) -> list[str]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
