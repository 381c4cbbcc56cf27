"""What the engine asks of the outside: protocols only, each kept by a contract suite.

store.py      studies, trials, leases, the queue, the mirror; tokens and the audit log
search.py     the sampler, and search methods of installed packages
execution.py  the executor of trials, the runners of studies
tracker.py    the mirror in MLflow

An implementation lives in a module of its own and knows its library alone: store/ SQLAlchemy,
sampler/ Optuna, ray_executor/ Ray, tracker/ MLflow.
"""

from goodfit.service.ports.execution import ALONE, Claim, Executor, Runners, Sharing
from goodfit.service.ports.search import (
    NO_METRICS,
    Allocator,
    Exploit,
    Learning,
    Proposal,
    Sampler,
    Search,
    Tried,
)
from goodfit.service.ports.store import Access, Leases, Mirrored, Queue, Records, Store, Studies, Tally, Trials
from goodfit.service.ports.tracker import Tracker

__all__ = [
    "ALONE",
    "NO_METRICS",
    "Access",
    "Allocator",
    "Claim",
    "Executor",
    "Exploit",
    "Learning",
    "Leases",
    "Mirrored",
    "Proposal",
    "Queue",
    "Records",
    "Runners",
    "Sampler",
    "Search",
    "Sharing",
    "Store",
    "Studies",
    "Tally",
    "Tracker",
    "Trials",
    "Tried",
]
