"""The tables as the code sees them now. How a database gets there is told by the migrations alone.

A column of `studies`, `trials` and `reports` is named as the field of its record. Indexes are made
by the migrations and not repeated here: a partial one would make SQLAlchemy import both dialects.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Table,
    Text,
    or_,
)

from goodfit.service.records import Failure, Role, StudyState, TrialState, Verdict
from goodfit.service.store.columns import Choice, Json, Line, Number

# Constraints have names, so that a later migration can change them on both databases.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
    }
)

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Line, nullable=False, unique=True),
    Column("spec", Json, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("created", Number, nullable=False),
    Column("state", Choice(StudyState), nullable=False),
    Column("message", Line),
    Column("started", Number),
    Column("ended", Number),
    Column("seconds", Number, nullable=False),
    Column("stop_asked", Boolean, nullable=False),
    Column("mlflow_experiment_id", Text),
    Column("mlflow_run_id", Text),
    Column("model_uri", Line),
    Column("champion", Integer),
    Column("test_opened", Number),
    Column("test_opened_by", Line),
    Column("queued", Number),
    Column("submitter", Line),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("waits_for", Line),
    Column("inputs", Json),
    Column("folder", Line),
    Column("test_openings", Integer, nullable=False, server_default="0"),
    Column("front_box", Json),
    Column("note", Line),
    Column("tags", Json),
    Column("figures", Json),
    Column("decided", Integer, nullable=False, server_default="0"),
    Column("registered", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,  # the id of a removed study must not come back: an old lease would fit it
)

trials = Table(
    "trials",
    metadata,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("params", Json, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("state", Choice(TrialState), nullable=False),
    Column("failure", Choice(Failure)),
    Column("label", Line, nullable=False),  # Trial.label: what is counted
    Column("message", Line),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, key="worker_deaths", nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("prune_at", Integer),
    Column("until", Integer),
    Column("value", Number),
    Column("best_epoch", Integer),
    Column("last_value", Number),
    Column("verdict", Choice(Verdict)),
    Column("gap", Number),
    Column("diagnosis", Json),
    Column("started", Number),
    Column("ended", Number),
    Column("mlflow_run_id", Text),
    Column("stop_at", Integer),
    Column("confirms", Integer),
    Column("test", Json),
    Column("share", Number, nullable=False, server_default="1"),
    Column("size", BigInteger),
    Column("code", Text),
    Column("data", Text),
    Column("began", Integer, nullable=False, server_default="1"),
    Column("proposed", Json),
    Column("schedule", Json),
    Column("measured", Json),
    Column("violation", Number),
    Column("notes", Json),
    Column("mirrored_epoch", Integer, nullable=False, server_default="0"),
    Column("mirrored_state", Text, nullable=False, server_default=""),  # a Trial.mark
    Column("mark", Text, nullable=False, server_default=""),  # Trial.mark: what the mirror has to reach
)

reports = Table(
    "reports",
    metadata,
    Column("study_id", Integer, primary_key=True),
    Column("trial", Integer, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("metrics", Json, nullable=False),
    Column("at", Number, nullable=False),
    Column("costs", Json),
    ForeignKeyConstraint(["study_id", "trial"], ["trials.study_id", "trials.number"], ondelete="CASCADE"),
    sqlite_with_rowid=False,  # curves lie in the order in which they are read
)

decisions = Table(
    "decisions",
    metadata,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("trial", Integer, nullable=False),
    Column("new", Boolean, nullable=False),
    Column("until", Integer),
    Column("workers", Integer, nullable=False),
    Column("seen", Json, nullable=False),  # a list of [trial, epoch, seconds, how]
    Column("why", Json, nullable=False),
)

# The specs of studies that were edited; version 1 is the one that the study was made with.
versions = Table(
    "versions",
    metadata,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("spec", Json, nullable=False),
    Column("changes", Json, nullable=False),  # a list of [key, before, after]
    Column("at", Number, nullable=False),
    Column("by", Line, nullable=False),
    Column("from_trial", Integer),
    Column("from_decision", Integer),
)

# Where the runs of studies came from; one that came from where the run before did has no row.
runs = Table(
    "study_runs",
    metadata,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Number, nullable=False),
    Column("facts", Json, nullable=False),
)

# The content of the code that studies were trained with, by its digest in a run.
sources = Table(
    "study_sources",
    metadata,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("content", Line, nullable=False),
)

# One row a study, from its first day; `owner` is empty while nobody holds it. Fences only grow.
leases = Table(
    "leases",
    metadata,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", Line),
    Column("fence", Integer, nullable=False),
    Column("until", Number, nullable=False),
)

# What a user's study brought along: a trainer of their own, by file name.
study_files = Table(
    "study_files",
    metadata,
    Column("study_id", ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Line, primary_key=True),
    Column("content", Line, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Line, primary_key=True),
    Column("name", Line, nullable=False),
    Column("role", Choice(Role), nullable=False),
    Column("created", Number, nullable=False),
    Column("created_by", Line, nullable=False),
    Column("expires", Number),
    Column("revoked", Number),
    Column("hash", Line, nullable=False, unique=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Number, nullable=False),
    Column("who", Line, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Line, nullable=False),
    Column("detail", Line, nullable=False),
    Column("study", Integer),
    Column("before", Json),
    Column("after", Json),
    Column("hash", Text),
)

MIRROR = ("mlflow_run_id", "mirrored_epoch", "mirrored_state")  # of trials: written by the tracker alone

# Trials whose state or curve is ahead of the mirror.
ahead = or_(trials.c.mirrored_epoch < trials.c.epochs, trials.c.mirrored_state != trials.c.mark)
