"""What every Store must stand, on each database, when several processes use it and one of them is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing

from goodfit.service.records import Report, StudyState, TrialState
from goodfit.service.store import open_store

OPEN_AND_ADD = """
import sys
from goodfit.service.records import Study
from goodfit.service.store import open_store
print("ready", flush=True)
sys.stdin.readline()
store = open_store(sys.argv[1])
store.add_study(Study(sys.argv[2], {}, "abc", 1.0))
store.close()
"""

DIE_INSIDE_A_BATCH = """
import os, signal, sys
from collections.abc import Mapping
from goodfit.service.records import Batch, Report, Study, StudyState, Trial, TrialState
from goodfit.service.store import open_store

class Deadly(Mapping):  # read by the store when the batch's trials are written already
    def __getitem__(self, key): raise KeyError(key)
    def __len__(self): return 1
    def __iter__(self): os.kill(os.getpid(), signal.SIGKILL)

store = open_store(sys.argv[1])
study = store.add_study(Study("digits", {}, "abc", 1.0))
lease = store.acquire(study.id, "victim", 0.0, 30.0, lambda owner: False)
before = Trial(0, {}, 1, TrialState.RUNNING, epochs=1)
store.apply(lease, Batch({0: before}, [Report(0, 1, {"m": 0.5}, 1.0)], study.to(StudyState.RUNNING)))
store.apply(lease, Batch({0: before.to(TrialState.COMPLETE)}, [Report(0, 2, {}, 1.0), Report(0, 3, Deadly(), 1.0)]))
"""


def test_several_processes_may_be_the_first_to_open(database_url: str) -> None:
    names = [f"study-{number}" for number in range(4)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_ADD, database_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert errors == [""] * len(names)
    with closing(open_store(database_url)) as store:
        assert sorted(study.name for study in store.studies()) == names


def test_a_process_killed_inside_a_batch_leaves_the_batch_before(database_url: str) -> None:
    victim = subprocess.run(
        [sys.executable, "-c", DIE_INSIDE_A_BATCH, database_url],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    with closing(open_store(database_url)) as store:
        study = store.study("digits")
        assert study.state == StudyState.RUNNING
        (trial,) = store.trials(study.id)
        assert (trial.state, trial.epochs) == (TrialState.RUNNING, 1)
        assert store.reports(study.id) == [Report(0, 1, {"m": 0.5}, 1.0)]
        lease = store.acquire(study.id, "heir", 1.0, 30.0, lambda owner: owner == "victim")
        assert lease.fence == 2
