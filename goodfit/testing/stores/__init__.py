"""The contract of stores, on any database: studies, decisions, versions, runs, leases, the mirror, lists, the queue.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return functools.partial(open_my_store, tmp_path / "studies.db")

Of a store that has an Access beside it, AccessContract tests that, with one more fixture, `access`.
"""

from goodfit.testing.stores.access import AccessContract
from goodfit.testing.stores.decisions import DecisionsContract
from goodfit.testing.stores.leases import LeasesContract
from goodfit.testing.stores.mirror import MirrorContract
from goodfit.testing.stores.pages import PagesContract
from goodfit.testing.stores.releases import ReleasesContract
from goodfit.testing.stores.runs import RunsContract
from goodfit.testing.stores.studies import StudiesContract
from goodfit.testing.stores.versions import VersionsContract
from goodfit.testing.stores.waiting import QueueContract

__all__ = ["AccessContract", "StoreContract"]


class StoreContract(
    StudiesContract,
    DecisionsContract,
    VersionsContract,
    RunsContract,
    ReleasesContract,
    LeasesContract,
    MirrorContract,
    PagesContract,
    QueueContract,
):
    """What every store must do."""
