"""What is known of a study's data from reading all of them: kept beside the study while its files are as they were.

Whether they are is seen by their sizes and times. Data of a function are looked at anew each time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from goodfit.service.app.quality import FOLDER, FORMAT, keep_facts, kept_facts

if TYPE_CHECKING:
    from goodfit.service.records import Study
    from goodfit.service.settings import Settings
    from goodfit.trainers.messages import DataSpec

KEPT = "data.json"
Make = Callable[[], Any]


class KeptData:
    """What a study has kept of its data.

    Args:
        settings: the home.
        study: whose data they are.
        data: where they are, and how they are split and prepared.
    """

    def __init__(self, settings: Settings, study: Study, data: DataSpec) -> None:
        self._place, self._data = settings.study_place(study) / FOLDER, data

    def report(self) -> dict[str, Any]:
        """The report, as `goodfit data --json` gives it; DataProblem where they cannot be read."""
        from goodfit.trainers.data import data_report

        return dict(self._kept("report", lambda: data_report(self._data)))

    def digest(self) -> str | None:
        """Their digest as they are now; None where they are not there."""
        from goodfit.trainers.data.fingerprint import fingerprint

        def make() -> str | None:
            found = fingerprint(self._data)
            return None if found is None else found.digest

        found: str | None = self._kept("digest", make)
        return found

    def files(self, make: Make) -> list[list[Any]]:
        """What `make` says of their files: plain JSON values."""
        return list(self._kept("files", make))

    def _kept(self, name: str, make: Make) -> Any:
        from goodfit.trainers.data.fingerprint import stated

        now = stated(self._data)
        kept = None if now is None else kept_facts(self._place, KEPT)
        if kept is None or kept.get("stated") != now:
            kept = {"format": FORMAT, "stated": now}
        if name not in kept:
            kept[name] = json.loads(json.dumps(make()))
            if now is not None and stated(self._data) == now:
                keep_facts(self._place, KEPT, kept)  # what cannot be kept, in a home that is only read, is made again
        return kept[name]
