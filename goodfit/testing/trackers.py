"""The contract of trackers: they mirror the store to where people look, never make training wait, and lose nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from goodfit.service.ports import Tracker
from goodfit.testing.lab import Lab

Start = Callable[[], Tracker]
Shown = Callable[[], Collection[int]]


class TrackerContract:
    """What every tracker must do: of the study `lab.name` in the store `lab.store`."""

    trouble = ".+"  # what it says while its target cannot be reached: a regular expression
    quick = False  # whether it may mirror a trial in no time

    @pytest.fixture
    def lab(self, tmp_path: Path) -> Iterator[Lab]:
        """A store in a SQLite file, `goodfit.db` in the test's folder, with one study that runs."""
        lab = Lab(tmp_path)
        yield lab
        lab.store.close()

    @pytest.fixture
    def start(self, lab: Lab) -> Start:
        """Starts the tracker under test; called again, another one with the same target."""
        raise NotImplementedError("override the fixture `start`: it returns a function that starts your tracker")

    @pytest.fixture
    def start_unreachable(self, lab: Lab) -> Start:
        """Starts one whose target cannot be reached."""
        raise NotImplementedError("override the fixture `start_unreachable`: it starts a tracker without a target")

    @pytest.fixture
    def shown(self) -> Shown:
        """Says of which trials, by number, the target has all."""
        raise NotImplementedError("override the fixture `shown`: it returns a function that reads the target")

    def test_whatever_the_store_has_is_mirrored_by_the_end(self, lab: Lab, start: Start, shown: Shown) -> None:
        tracker = start()
        lab.run(0, epochs=1)
        tracker.wake()
        for number in range(3):
            lab.finish(number)
            tracker.wake()
        lab.end()
        waits: list[int] = []
        assert tracker.close(60.0, waits.append) is True
        assert waits
        assert (tracker.behind(), tracker.trouble(), lab.behind()) == (0, None, 0)
        assert set(shown()) == {0, 1, 2}
        assert tracker.close(60.0) is True

    def test_while_the_target_is_away_nothing_waits_and_nothing_is_lost(
        self, lab: Lab, start: Start, start_unreachable: Start, shown: Shown
    ) -> None:
        tracker = start_unreachable()
        lab.finish(0)
        tracker.wake()
        assert tracker.close(60.0) is False
        assert re.search(self.trouble, tracker.trouble() or "")
        assert lab.behind() == 1
        assert start().close(60.0) is True
        assert set(shown()) == {0}

    def test_what_there_is_no_time_for_is_left_for_the_next(self, lab: Lab, start: Start, shown: Shown) -> None:
        lab.finish(0)
        whole = start().close(0.0)
        assert lab.behind() == 0 if whole and self.quick else whole is False
        assert start().close(60.0) is True
        assert lab.behind() == 0
        assert set(shown()) == {0}
