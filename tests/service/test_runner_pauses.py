"""A study whose trials pause and go on: what is decided of them, and what a watcher sees."""

from __future__ import annotations

from pathlib import Path

from goodfit.service.records import TrialState
from tests.running import Puppet
from tests.searching import auto_bench


def test_paused_trials_are_counted_and_do_not_run(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path)
    bench.runner(Puppet(bench.clock)).run()
    assert max(progress.paused for progress in bench.seen) > 1
    assert bench.seen[-1].paused == 0
    for progress in bench.seen:
        assert {trial.state for trial in progress.running} <= {TrialState.RUNNING}
    assert sorted(trial.number for progress in bench.seen for trial in progress.settled) == list(range(14))
