"""The contract of kinds of data: the same splits for the same study, a sealed test split, refusals, reports."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest

from goodfit.trainers.data import Data, Facts, Kind, Split, data_report, load, load_sealed, load_test, look_closely
from goodfit.trainers.data.fingerprint import fingerprint
from goodfit.trainers.data.kinds.registry import kind_named, kind_of
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec, DataSpec, GroupSpec, TokenSpec

KEYS = {  # of a report, whatever the kind
    "source", "kind", "task", "rows", "columns", "splits", "target", "duplicates", "giveaways", "problem", "notes",
}  # fmt: skip
VALUES: Mapping[str, Any] = {  # by the type of a field: one that a study does not have of itself
    "str": "x", "str | None": "x", "int | None": 3, "bool": True, "bool | None": False, "tuple[str, ...]": ("x",),
    "tuple[str, ...] | None": ("x",), "TokenSpec": TokenSpec(length=9), "AugmentSpec": AugmentSpec(delete=0.1),
    "GroupSpec": GroupSpec(by=("x",)),
}  # fmt: skip
ELSEWHERE = {"kind", "options", "fold", "validation_seed"}  # choose the kind, or are set by a worker


@dataclass(frozen=True)
class DataKindCase:
    """Data of the kind, and data that it has to refuse: choose small ones.

    Attributes:
        spec: data that can be trained on, with rows to test on.
        bad: data of the same kind in which something is wrong, one spec a mistake.
    """

    spec: DataSpec
    bad: Sequence[DataSpec] = ()


class DataKindContract:
    """What every kind of data must do."""

    @pytest.fixture
    def case(self) -> DataKindCase:
        """The data under test."""
        raise NotImplementedError("override the fixture `case`: it returns a DataKindCase of your kind of data")

    @pytest.fixture
    def kind(self, case: DataKindCase) -> Kind[Any]:
        """The kind that the data are found to be of."""
        return kind_of(case.spec)

    @pytest.fixture
    def data(self, case: DataKindCase) -> Data:
        """Training and validation, and the facts about them."""
        return load(case.spec)

    def test_the_same_study_gets_the_same_rows(self, case: DataKindCase, data: Data) -> None:
        """Every worker loads the data for itself, and a resumed study loads them anew."""
        again, kept = load(case.spec), load(replace(case.spec, keep=True))
        assert again.facts == kept.facts == data.facts
        for other in (again, kept):
            assert_same(other.train, data.train)
            assert_same(other.validation, data.validation)
        assert_same(load_test(case.spec), load_test(case.spec))
        assert fingerprint(case.spec) == fingerprint(case.spec) is not None

    def test_the_splits_hold_what_the_facts_say(self, case: DataKindCase, data: Data) -> None:
        facts, test = data.facts, load_test(case.spec)
        for name, split in (("train", data.train), ("validation", data.validation), ("test", test)):
            x = np.asarray(split.x)
            assert len(split) == len(x) == facts.rows[name] > 0
            assert x.shape[1:] == facts.input_shape
            assert x.dtype in (np.float32, np.int64)
            assert np.isfinite(x).all()
            if facts.classes:
                assert split.y.dtype == np.int64
                assert set(split.y.tolist()) <= set(range(len(facts.classes)))
        if facts.classes:
            assert set(data.train.y.tolist()) == set(range(len(facts.classes)))

    def test_the_test_rows_change_nothing_in_training(self, case: DataKindCase, data: Data) -> None:
        """They take the place of the validation rows, once a study is over."""
        sealed = load_sealed(case.spec)
        assert_same(sealed.train, data.train)
        assert_same(sealed.validation, load_test(case.spec))
        assert sealed.facts == data.facts

    def test_no_rows_are_kept_for_testing_where_the_study_wants_none(self, case: DataKindCase) -> None:
        assert load(replace(case.spec, test=0.0)).facts.rows["test"] == 0
        with pytest.raises(DataProblem, match="no rows were kept for testing"):
            load_test(replace(case.spec, test=0.0))

    def test_a_validation_split_of_its_own_leaves_the_test_rows_alone(self, case: DataKindCase) -> None:
        """With `split: {reshuffle: true}` each trial has one, and all are scored on the same test rows.

        A kind that is not split at random refuses it by its name.
        """
        drawn = [replace(case.spec, reshuffle=True, validation_seed=seed) for seed in (1, 2)]
        try:
            one, other = map(load_sealed, drawn)
        except DataProblem as error:
            assert "split.reshuffle" in str(error)  # noqa: PT017 - most kinds take it
            return
        assert len(one.validation) == len(other.validation)
        if one.classes:  # numbers and tokens are in units of the training rows
            assert np.array_equal(one.validation.y, other.validation.y)

    def test_the_facts_come_back_from_json(self, data: Data) -> None:
        """They lie beside each model; what predicts has nothing else."""
        assert Facts.from_dict(json.loads(json.dumps(data.facts.to_dict()))) == data.facts

    def test_a_model_takes_raw_rows(self, data: Data) -> None:
        facts = Facts.from_dict(json.loads(json.dumps(data.facts.to_dict())))
        kind = kind_named(facts.kind)  # of images in arrays, which are read as tables are, another one
        rows = np.asarray(kind.inputs(kind.example(facts), facts))
        train = np.asarray(data.train.x)
        assert len(rows) > 0
        assert rows.shape[1:] == (data.train.x.shape[1] + len(facts.cardinalities), *facts.input_shape[1:])
        assert rows.dtype == train.dtype
        assert np.isfinite(rows).all()
        assert kind.has_no_rows(kind.example(facts)) is False

    def test_the_report_says_the_same_as_the_data(self, case: DataKindCase, data: Data) -> None:
        report = json.loads(json.dumps(data_report(case.spec)))
        assert set(report) >= KEYS
        assert (report["kind"], report["task"], report["problem"]) == (data.kind, data.task, None)
        assert report["splits"] == {name: count for name, count in data.facts.rows.items() if name != "dropped"}
        assert all(isinstance(note, str) for note in report["notes"])
        assert all(isinstance(note, str) for note in look_closely(case.spec)[1])

    def test_a_key_of_another_kind_is_refused_by_its_name(self, case: DataKindCase, kind: Kind[Any]) -> None:
        """A key that would be passed over in silence is one that a user thinks is in force."""
        for name, spec in strange(case.spec, kind):
            with pytest.raises(DataProblem, match=name.removeprefix("split_")):
                load(spec)

    def test_what_is_wrong_with_the_data_is_a_data_problem(self, case: DataKindCase) -> None:
        """In a sentence, not a traceback; the report shows it, or raises it where the data cannot be read."""
        if not case.bad:
            pytest.skip("the case names no bad data")
        for spec in case.bad:
            with pytest.raises(DataProblem) as caught:
                load(spec)
            try:
                problem = data_report(spec)["problem"]
            except DataProblem as error:
                problem = str(error)
            assert problem == str(caught.value)


def strange(spec: DataSpec, kind: Kind[Any]) -> Iterator[tuple[str, DataSpec]]:
    """Each key that does not go with a kind, and data that have it; those that make it another kind are left out."""
    mine = {one.name for one in fields(kind.spec_type)}
    for one in fields(DataSpec):
        if one.name in mine | ELSEWHERE:
            continue
        changed = replace(spec, **{one.name: VALUES[str(one.type)]})
        with contextlib.suppress(DataProblem):
            if kind_of(changed) is not kind:
                continue
        yield one.name, changed


def assert_same(one: Split, other: Split) -> None:
    """Splits that hold the same rows in the same order."""
    assert np.array_equal(np.asarray(one.x), np.asarray(other.x))
    assert np.array_equal(one.y, other.y)
    assert (one.codes is None) is (other.codes is None)
    if one.codes is not None and other.codes is not None:
        assert np.array_equal(one.codes, other.codes)
