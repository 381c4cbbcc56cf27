"""Studies side by side, and when their values cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
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
        {"trials": 1, "epochs": 3, "seconds": 1.0, "value": 0.5},
        {"trials": 3, "epochs": 9, "seconds": 3.0, "value": 0.3},
    ]
    assert (first["interval"]["low"], first["interval"]["high"]) == (0.3, 0.7)
    assert second["interval"]["high"] - second["interval"]["low"] == pytest.approx(2 * 3.18245 * 0.1 / 2, rel=1e-4)
    assert first["epochs"] == 9
    assert found["leader"] in ("a", "b")
    assert "cannot be distinguished" in found["answer"][0]
    assert any("not confirmed on fresh seeds: a;" in note for note in found["notes"])


def test_the_lead_of_a_confirmed_study_has_an_interval_by_its_seeds() -> None:
    found = comparison(
        [
            one("a", test={"mean": 0.5, "std": 0.02, "seeds": 3}),
            one("b", test={"mean": 0.4, "std": 0.01, "seeds": 3}),
        ]
    )
    assert found["leader"] == "b"
    assert found["answer"] == [
        "b is better than a: 0.4 against 0.5, 0.1 better (95% interval 0.05845 to 0.1416), "
        "by the means of 3 and 3 fresh seeds; the interval by Welch's t."
    ]


def test_what_differs_between_configurations_and_study_files_is_listed() -> None:
    first, second = one("a", split={"seed": 0}), one("b", split={"seed": 1})
    second[0].study.spec["space"] = [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}]
    found = comparison([first, (second[0], second[1], replace(second[2], params={"x": 1, "y": "relu"}))])
    assert found["params"] == [{"key": "x", "values": [2, 1]}, {"key": "y", "values": [None, "relu"]}]
    assert found["settings"] == [
        {"key": "data.split.seed", "values": [0, 1]},
        {"key": "space.x", "values": [None, "type: float, low: 0.0, high: 1.0"]},
    ]


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
    assert "cannot be distinguished" in page.read_text()
    assert cli.run([*home, "compare", "a-b", "other"]) == 0
    assert "best value" in capsys.readouterr().out
    assert cli.run([*home, "compare", "a-b", "a-b"]) == 2
    assert cli.run([*home, "compare", "a-b", "otter"]) == 2
    assert "did you mean other" in capsys.readouterr().err
    assert cli.run([*home, "compare", "a-b", "other", "-o", str(tmp_path / "no" / "page.html")]) == 2
