"""Where a run of a study comes from: what is kept of it, and when."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from goodfit.service.app import provenance
from goodfit.service.app.provenance import facts_of, gpus, note_run
from goodfit.service.records import Study, StudyRun, Trial, run_of
from goodfit.service.spec import from_mapping
from goodfit.service.store import open_store
from goodfit.trainers.code import Code

SPEC = from_mapping(
    {
        "name": "s",
        "trainer": "mlp",
        "data": {"source": "digits"},
        "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.1}},
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "training": {"epochs": 2},
        "search": {"method": "random", "seed": 3},
        "budget": {"trials": 2},
    },
    Path(),
)
STUDY = Study("s", {}, "f", 1.0, inputs={"data": {"digest": "d1"}})


def test_a_run_is_kept_once_and_again_when_something_is_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "packages", lambda: {"torch": "1"})
    store = open_store(f"sqlite:///{tmp_path / 'goodfit.db'}")
    study = store.add_study(STUDY)
    lease = store.acquire(study.id, "a:1:1", 0.0, 30.0, lambda _: True)
    code = Code(str(tmp_path), {"tune.py": b"x = 1\n", "odd.py": b"# \xff\n"})
    first = note_run(store, lease, study, SPEC, code, 5.0)
    assert note_run(store, lease, study, SPEC, code, 6.0) == first
    edited = note_run(store, lease, study, SPEC, Code(str(tmp_path), {"tune.py": b"x = 2\n"}), 7.0)
    assert store.runs(study.id) == [first, edited]
    assert [run.at for run in store.runs(study.id)] == [5.0, 7.0]
    kept = store.sources(study.id)
    assert kept[first.facts["code"]["files"]["tune.py"]] == "x = 1\n"
    assert kept[edited.facts["code"]["files"]["tune.py"]] == "x = 2\n"
    store.close()


def test_facts_say_what_was_trained_on_which_machine(tmp_path: Path) -> None:
    found = facts_of(SPEC, STUDY, None)
    assert (found["source"], found["git"], found["code"]) == ("mlp", None, None)
    assert (found["data"], found["seeds"]) == ({"digest": "d1"}, {"search": 3, "training": None})
    assert found["packages"]["torch"]
    assert found["machine"]["cpus"] >= 1
    assert {"host", "platform", "processor", "memory_mib", "gpus"} < set(found["machine"])


def test_code_that_is_too_large_is_kept_by_its_digests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "CODE_BYTES", 3)
    code: Any = Code("/x", {"tune.py": b"x = 1\n"})
    assert provenance._sources(code) == {}
    assert facts_of(SPEC, STUDY, code)["code"]["files"]


def test_gpus_come_from_torch_where_it_is_loaded_else_from_the_driver(tmp_path: Path) -> None:
    cuda = SimpleNamespace(device_count=lambda: 1, get_device_name=lambda _: "H200")
    assert gpus(tmp_path, {"torch": SimpleNamespace(cuda=cuda)}) == ["H200"]
    assert gpus(tmp_path / "none", {}) == []
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA H200\nIRQ: 1\n")
    assert gpus(tmp_path, {}) == ["NVIDIA H200"]


@pytest.mark.parametrize(("started", "number"), [(None, 1), (1.0, 1), (5.0, 1), (9.0, 1), (10.0, 2), (99.0, 2)])
def test_a_trial_belongs_to_the_run_that_started_it(started: float | None, number: int) -> None:
    runs = [StudyRun(1, 5.0, {}), StudyRun(2, 10.0, {})]
    found = run_of(runs, Trial(0, {}, 1, started=started))
    assert found is not None
    assert found.number == number


def test_a_study_from_before_has_no_runs() -> None:
    assert run_of([], Trial(0, {}, 1, started=3.0)) is None
