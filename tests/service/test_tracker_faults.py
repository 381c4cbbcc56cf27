"""A crash at any call of the mirror, to MLflow or of its own confirmations: the end is always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.records import TrialState
from goodfit.service.tracker import Mirror
from goodfit.service.tracker.experiment import connect
from tests.tracking import Fuse, Lab, doubles, mirror_of, new_mlflow, seen


def _fused_mirror(lab: Lab, uri: str, folder: Path, fuse: Fuse) -> Mirror:
    mirror = mirror_of(lab, uri, folder, connect=lambda uri: fuse.wrap(connect(uri)))
    mirror._store = fuse.wrap(lab.store, lambda name: name.startswith("note_"))
    return mirror


def _play(folder: Path, fuse: Fuse, *, new_process: bool) -> dict[str, Any]:
    """A short study with one crash in it; whoever goes on is a new mirror, or the same one."""
    uri = new_mlflow(folder / "mlflow")
    lab = Lab(folder)
    mirror = _fused_mirror(lab, uri, folder / "art", fuse)

    def push(*, last: bool = False) -> None:
        nonlocal mirror
        problem = None
        for _ in range(2):
            try:
                mirror.sync()
                if last:
                    mirror.close_study()
            except TrackingError as error:
                problem = error
                mirror = _fused_mirror(lab, uri, folder / "art", Fuse()) if new_process else mirror
            else:
                return
        raise AssertionError("two failures for one fault") from problem

    lab.finish(0)
    lab.run(1, epochs=2)
    push()
    lab.finish(1, epochs=4)
    lab.finish(2, epochs=0, state=TrialState.FAILED, message="boom")
    lab.end()
    push(last=True)
    study = lab.study
    versions = connect(uri).search_model_versions("name = 'digits'")
    assert doubles(uri) == {}
    assert lab.behind() == 0
    assert (study.champion, study.model_uri, [int(item.version) for item in versions]) == (1, "models:/digits/1", [1])
    assert connect(uri).get_model_version_by_alias("digits", "champion").version == versions[0].version
    assert study.mlflow_run_id is not None
    assert len(connect(uri).get_run(study.mlflow_run_id).outputs.model_outputs) == 1
    lab.store.close()
    return seen(uri)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_before_or_after_any_call_changes_nothing_in_the_end(tmp_path: Path, after: bool) -> None:
    whole = Fuse()
    expected = _play(tmp_path / "whole", whole, new_process=True)
    assert {"create_experiment", "create_run", "log_batch", "set_terminated", "note_mirrored"} <= set(whole.calls)
    for at, name in enumerate(whole.calls):
        new_process = (at % 2 == 0) is after  # every call meets both, once before and once after it
        if new_process and not after and at:
            continue  # it finds what one finds that comes after the call before this one
        found = _play(tmp_path / str(at), Fuse(at, after=after), new_process=new_process)
        assert found == expected, f"call {at}, {name}"
