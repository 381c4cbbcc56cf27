"""Studies side by side, and when their values cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import cli
from goodfit.service.app.best import Best
from goodfit.service.queries.comparing import comparison
from goodfit.service.queries.source import Listed
from goodfit.service.records import Study, StudyState, Trial, TrialState, Verdict
from goodfit.testing.lab import Lab


def one(name: str, metric: str = "val/loss", digest: str = "d1", test: Any = None, **data: Any) -> Any:
    objective = {"metric": metric, "direction": "minimize"}
    spec = {"trainer": "mlp", "objective": objective, "data": {"source": "a.csv", **data}}
    study = Study(name, spec, "f", 1.0, started=10.0, state=StudyState.DONE, inputs={"data": {"digest": digest}})
    trials = [
        Trial(n, {"x": n}, 0, TrialState.COMPLETE, value=value, epochs=3, verdict=Verdict.GOOD_FIT, ended=11.0 + n)
        for n, value in enumerate((0.5, 0.7, 0.3))
    ]
    best = Best(2, 0.3, {"x": 2}, "good_fit", 0.1, 3, 3, test, None, None)
    return Listed(study, study.state), trials, best


def test_two_studies_of_one_metric_and_data_are_compared() -> None:
    found = comparison([one("a"), one("b", test={"mean": 0.4, "std": 0.1, "seeds": 4})])
    assert found["comparable"]
    first, second = found["studies"]
    assert first["curve"] == [
        {"trials": 1, "seconds": 1.0, "value": 0.5},
        {"trials": 3, "seconds": 3.0, "value": 0.3},
    ]
    assert (first["interval"]["low"], first["interval"]["high"]) == (0.3, 0.7)
    assert second["interval"]["high"] - second["interval"]["low"] == pytest.approx(2 * 3.18245 * 0.1 / 2, rel=1e-4)
    assert first["epochs"] == 9
    assert any("not confirmed on fresh seeds: a;" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (one("b", metric="val/accuracy"), "metrics differ: a has val/loss, b has val/accuracy"),
        (one("b", digest="d2"), "by its digest: a has d1, b has d2"),
        (one("b", source="b.csv"), "their data differ: a has a.csv, b has b.csv"),
    ],
)
def test_what_cannot_be_compared_is_said(other: Any, why: str) -> None:
    found = comparison([one("a"), other])
    assert not found["comparable"]
    assert why in found["reasons"][0]


def test_the_command_prints_json_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a<b", "other"):
        lab = Lab(tmp_path, name=name.replace("<", "-"), created=1.0 + len(name))
        lab.finish(0)
        lab.finish(1)
        lab.end()
        lab.store.close()
    home = ["--home", str(tmp_path)]
    page = tmp_path / "page.html"
    assert cli.run([*home, "compare", "a-b", "other", "-o", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["comparable"] is True
    assert page.read_text().count("<polyline") == 4
    assert cli.run([*home, "compare", "a-b", "other"]) == 0
    assert "best value" in capsys.readouterr().out
    assert cli.run([*home, "compare", "a-b", "a-b"]) == 2
    assert cli.run([*home, "compare", "a-b", "otter"]) == 2
    assert "did you mean other" in capsys.readouterr().err
    assert cli.run([*home, "compare", "a-b", "other", "-o", str(tmp_path / "no" / "page.html")]) == 2
