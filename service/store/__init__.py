"""The one truth: studies, trials, curves and leases in a database. Only this room knows SQLAlchemy.

sql.py               the Store
leases.py            who may write a study | mirror_lock.py  one mirror a study
queries.py           pages and counts | access.py  tokens and the audit log
tables.py, columns.py, rows.py    what lies where | opening.py, migrations/  how it gets there
database_errors.py   a database's errors in words | retries.py  outlasting them
"""

from goodfit.service.store.opening import upgrade_database
from goodfit.service.store.retries import PatientStore, open_store
from goodfit.service.store.sql import LOCAL, SqlStore

__all__ = ["LOCAL", "PatientStore", "SqlStore", "open_store", "upgrade_database"]
