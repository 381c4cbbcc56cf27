"""A study's cards: the hub's and Croissant's own readers take them, and they say what is missing."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.cards import card_files, cards_of
from goodfit.service.cards import DataFacts, data_card, group_rows, model_card
from goodfit.service.cards.facts import CardFacts, DataFile, Score, scores_of
from goodfit.service.errors import InputError
from goodfit.service.records import Batch, Study, StudyRun, StudyState, Trial, TrialState
from tests.serving import NOW, Place, filled, place, some_trials

ROWS = "age,sex,city,bought\n" + "".join(
    f"{20 + n % 50},{'mf'[n % 2]},{'WG'[n % 3 == 0]},{'yn'[n % 2]}\n" for n in range(60)
)
ODD = ["a: b\n---\nc", "| `x` |", "\x00\udcff<script>", "'\"", "é" * 300, "- [x](y)", "#", "..."]
# rdflib's, in mlcroissant
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
DATA = DataFacts("d.csv", False, "abcd1234", "y", {"validation": 0.2, "column": None})


def facts(**changes: Any) -> CardFacts:
    given: dict[str, Any] = {
        "name": "churn",
        "trainer": "mlp",
        "trial": 3,
        "metric": "val/accuracy",
        "direction": "maximize",
        "confirmed": True,
        "verdict": "good_fit",
        "gap": 0.01,
        "params": {"learning_rate": 0.1},
        "epochs": 9,
        "size": 1200,
        "scores": [Score("accuracy", "test", 0.9, 0.8, 1.0, 3), Score("accuracy", "validation", 0.95)],
        "groups": [],
        "sure": [],
        "limits": [],
        "data": DATA,
        "costs": {"seconds": 10.0, "trials": 4, "epochs": 36, "training_seconds": 2.0, "joules": 7200.0},
        "origin": {"git": None, "goodfit": "1", "python": "3", "seeds": {"search": 0, "training": None}},
        "release": {"status": None},
        "kind": "table",
        "task": "classification",
    }
    return CardFacts(**{**given, **changes})


def loaded(text: str, folder: Path) -> Any:
    """The card as the hub's own library reads it, offline."""
    from huggingface_hub import ModelCard

    (folder / "README.md").write_text(text, encoding="utf-8")
    return ModelCard.load(folder / "README.md")


def validated(card: Any, folder: Path) -> Any:
    """The data set as mlcroissant reads it; its errors are raised."""
    import mlcroissant

    logging.getLogger("absl").setLevel(logging.ERROR)
    file = folder / "croissant.json"
    file.write_text(card if isinstance(card, str) else json.dumps(card), encoding="utf-8")
    return mlcroissant.Dataset(jsonld=str(file))


def test_the_hub_reads_metrics_with_their_intervals(tmp_path: Path) -> None:
    card = loaded(model_card(facts()), tmp_path)
    test, validation = card.data.eval_results
    assert (test.metric_type, test.metric_value, test.dataset_split) == ("accuracy", 0.9, "test")
    assert test.metric_args == {"interval": [0.8, 1.0], "level": 0.95, "seeds": 3}
    assert (validation.dataset_split, validation.task_type) == ("validation", "tabular-classification")
    assert (card.data.library_name, card.data.pipeline_tag, card.data.datasets) == (
        "goodfit",
        "tabular-classification",
        ["d.csv"],
    )
    assert "2 Wh" in card.text
    assert card.text.count("To be written by the owner") == 6


@pytest.mark.parametrize(
    ("name", "values", "low", "high"),
    [
        ("accuracy", (0.99, 0.8), 0.0, 1.0),
        ("equalized_odds_difference/sex", (0.01, 0.4), 0.0, 1.0),
        ("calibration_gap", (0.01, 0.4), 0.0, None),
        ("accuracy", (99.0, 80.0), None, None),  # percent
        ("log_likelihood", (-0.1, 0.4), None, None),
    ],
)
def test_an_interval_of_few_seeds_says_nothing_impossible(
    name: str, values: tuple[float, float], low: float | None, high: float | None
) -> None:
    again = [Trial(1 + n, {}, n, TrialState.COMPLETE, confirms=0, test={name: value}) for n, value in enumerate(values)]
    (score,) = scores_of(Trial(0, {}, 0, TrialState.COMPLETE), again, {})
    assert score.low is not None
    assert score.high is not None
    half = 12.7062 * abs(values[0] - values[1]) / 2  # Student's t of one degree of freedom
    assert score.low == pytest.approx(score.value - half if low is None else low, rel=1e-4)
    assert score.high == pytest.approx(score.value + half if high is None else high, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confirmed": False}, "was not confirmed on fresh seeds, and has no score on a test split"),
        ({}, "what was trained did not lie in a git repository"),
        (
            {"origin": {"git": {"commit": "abc", "dirty": True}}},
            "commit `abc`, **with changes that were not committed**",
        ),
        ({"origin": {"git": {"commit": None, "problem": "git is not installed"}}}, "not known (git is not installed)"),
        ({"data": replace(DATA, problem="the data have changed")}, "**the data have changed**"),
        ({"data": None}, "The trainer brings its own data"),
        ({"verdict": "overfit"}, "its verdict is overfit, not good\\_fit"),
        ({"costs": {"seconds": 1e9, "trials": 1, "epochs": 1}}, "Energy: not measured"),
    ],
)
def test_what_is_missing_is_said(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in loaded(model_card(facts(**changes)), tmp_path).text


def test_groups_are_a_table(tmp_path: Path) -> None:
    rows = group_rows({"val/accuracy": 0.9, "val/tpr/sex:f": 0.5, "val/count/sex:f": 12.0, "test/tpr/sex:m": 0.25})
    rows.append({"split": "the test split", "group": "age:old", "rates": {"tpr": (0.5, 0.25, 0.75), "count": None}})
    text = loaded(model_card(facts(groups=rows)), tmp_path).text
    assert "| sex:f | val | 0.5 | 12 |" in text
    assert "| sex:m | test | 0.25 | - |" in text
    assert "| age:old | the test split | 0.5 (0.25 to 0.75) | - |" in text


@pytest.mark.parametrize("odd", ODD)
def test_odd_texts_break_no_card(odd: str, tmp_path: Path) -> None:
    data = replace(
        DATA,
        name=odd,
        target=odd,
        digest=odd,
        problem="",
        report={"rows": 1, "columns": [{"name": odd, "type": "text"}]},
    )
    data = replace(data, files=[DataFile(f"{odd}.csv", "0" * 64, 1)], columns_readable=True)
    score = Score(odd, "test", 0.5)
    given = facts(name="n", trainer=odd, params={odd: odd}, data=data, scores=[score], limits=[odd], metric=odd)
    card = loaded(model_card(given), tmp_path)
    assert card.data.eval_results[0].metric_value == 0.5
    found = data_card(given)
    assert found is not None
    assert len(validated(found, tmp_path).metadata.record_sets[0].fields) == (1 if odd else 0)


def test_images_in_folders_are_described_by_their_files(tmp_path: Path) -> None:
    files = [DataFile(f"{kind}/{n}.{end}", "0" * 64, 1) for kind in "ab" for n, end in enumerate(("png", "jpg", "txt"))]
    found = data_card(facts(data=replace(DATA, name="pets", folder=True, files=files, report={"rows": 4})))
    sets = validated(found, tmp_path).metadata.record_sets
    assert [[field.name for field in one.fields] for one in sets] == [["image", "label"]] * 2


def at_a_file(folder: Path) -> tuple[Place, Study, Path]:
    """A study that is done, of a CSV file, as its runner leaves it."""
    from goodfit.service.app.inputs import inputs_of
    from tests.serving import spec_of

    file = folder / "people.csv"
    file.write_text(ROWS)
    at = place(folder)
    spec = spec_of(data={"source": str(file), "target": "bought"})
    study = at.store.add_study(Study("digits", spec.to_dict(), spec.fingerprint(), NOW, inputs=inputs_of(spec, None)))
    trials, reports = some_trials()
    at.write(study, trials, reports, StudyState.DONE)
    lease = at.store.acquire(study.id, "a", NOW, 1.0, lambda _: True)
    facts = {
        "git": None,
        "goodfit": "1",
        "python": "3",
        "packages": {"torch": "2", "other": "1"},
        "seeds": {"search": 0},
    }
    at.store.apply(lease, Batch(runs=[StudyRun(1, NOW, facts)]))
    at.store.release(lease)
    return at, at.store.study("digits"), file


def test_the_cards_of_a_study_of_a_file(tmp_path: Path) -> None:
    at, study, file = at_a_file(tmp_path)
    found = cards_of(at.settings, at.store, study)
    assert card_files(at.settings, at.store, study) == {f"card/{name}": text for name, text in found["files"].items()}
    card = loaded(found["files"]["README.md"], tmp_path)
    assert [
        (one.metric_type, round(one.metric_value, 3)) for one in card.data.eval_results if one.dataset_split == "test"
    ] == [
        ("accuracy", 0.905),
        ("loss", 0.3),
    ]
    assert str(tmp_path) not in "".join(found["files"].values())
    assert "torch 2" in card.text
    assert "other 1" not in card.text
    dataset = validated(found["files"]["croissant.json"], tmp_path)
    rows = [{key.rpartition("/")[2]: value for key, value in row.items()} for row in dataset.records("rows")]
    assert rows[1] == {"age": 21.0, "sex": b"f", "city": b"W", "bought": b"n"}
    assert len(rows) == 60
    assert dataset.metadata.distribution[0].sha256 == __import__("hashlib").sha256(file.read_bytes()).hexdigest()


def test_a_card_reads_data_again_only_when_their_files_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, study, file = at_a_file(tmp_path)
    folder = at.settings.study_place(study).folder
    assert folder is not None
    cards_of(at.settings, at.store, study)
    assert not folder.exists(), "a study's folder is its runner's to make: where it is gone, its disk is"
    folder.mkdir(parents=True)
    first = cards_of(at.settings, at.store, study)
    with monkeypatch.context() as patch:
        for name in ("data_report", "fingerprint.fingerprint"):
            patch.setattr(f"goodfit.trainers.data.{name}", lambda *_: pytest.fail("the data are read again"))
        patch.setattr("goodfit.service.app.cards._sha256", lambda _: pytest.fail("the data are hashed again"))
        assert cards_of(at.settings, at.store, study) == first
    os.utime(file, (0, 0))  # as it was, written anew
    assert cards_of(at.settings, at.store, study) == first


def test_data_that_have_changed_or_gone_have_no_card(tmp_path: Path) -> None:
    at, study, file = at_a_file(tmp_path)
    file.write_text(ROWS + "1,m,W,y\n")
    found = cards_of(at.settings, at.store, study)
    assert list(found["files"]) == ["README.md"]
    assert "the data have changed since the study" in found["files"]["README.md"] + found["notes"][0]
    file.unlink()
    found = cards_of(at.settings, at.store, study)
    assert found["notes"][0] == "the data of the study are not here any more: people.csv; no data card is written"
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "croissant.json").write_text("{}")
    said = at.local()["digits"].card(folder)["notes"][-1]
    assert said == f"{folder / 'croissant.json'} is of an earlier card, and not of these data: take it away"


def test_a_score_of_the_test_split_is_named_so(tmp_path: Path) -> None:
    at = filled(tmp_path)
    card = cards_of(at.settings, at.store, at.store.study("digits"))["files"]["README.md"]
    assert "Confirmed: test/accuracy 0.905 ± 0.005 (standard error) on the test split." in card


def test_a_study_that_was_not_confirmed_has_a_card_that_says_so(tmp_path: Path) -> None:
    at = place(tmp_path)
    trials, reports = some_trials()
    searched = [one for one in trials if one.confirms is None]
    study = at.write(at.study(), searched, [one for one in reports if one.trial < 6], StudyState.DONE)
    found = cards_of(at.settings, at.store, study)
    card = loaded(found["files"]["README.md"], tmp_path)
    assert {one.dataset_split for one in card.data.eval_results} == {"validation"}
    assert "not confirmed, and the card says so" in " ".join(found["notes"])
    assert validated(found["files"]["croissant.json"], tmp_path).metadata.name == "digits"


def test_a_study_without_a_model_has_no_card(tmp_path: Path) -> None:
    at = place(tmp_path)
    study = at.write(at.study(), [], [], StudyState.DONE)
    with pytest.raises(InputError, match="study digits has no model to describe"):
        cards_of(at.settings, at.store, study)
    assert card_files(at.settings, at.store, study)["card/none.txt"].startswith("study digits has no model")
    assert card_files(at.settings, at.store, replace(study, state=StudyState.STOPPED)) == {}


def test_a_card_that_somebody_has_written_in_is_not_replaced(tmp_path: Path) -> None:
    study = filled(tmp_path).local()["digits"]
    folder = tmp_path / "card"
    study.card(folder)
    study.card(folder)  # the same again
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("[To be written by the owner of the model.]", "For triage."))
    with pytest.raises(InputError, match=r"README\.md: there already, with another text"):
        study.card(folder)
    study.card(folder, force=True)
    assert (folder / "README.md").read_text() == text
    with pytest.raises(InputError, match="cannot write to"):
        study.card(folder / "README.md")
