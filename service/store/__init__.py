"""The one truth: studies, trials, curves and leases in a database. Only this room knows SQLAlchemy."""

from service.store.sql import SqlStore, open_store

__all__ = ["SqlStore", "open_store"]
