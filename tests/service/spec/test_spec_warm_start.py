"""What an earlier study brings to another space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Space
from goodfit.search_spaces.values import BadValue
from goodfit.service.spec.study import StudySpec
from goodfit.service.spec.warm_start import MOST_KEPT, Source, brought, first_of, whole
from tests.service.spec.studies import MINIMAL, spec_of

RATE = Float("learning_rate", 1e-4, 1e-1, log=True)
OLD = [{"learning_rate": 10**-power, "depth": depth} for power in (3, 2, 4) for depth in (2, 1)]


def source(trials: Sequence[Mapping[str, Any]] = OLD, searched: Sequence[str] = ("learning_rate", "depth")) -> Source:
    return Source.ranked(trials, frozenset(searched))


def taken(space: Space, defaults: Mapping[str, Any] | None = None, of: Source | None = None) -> list[tuple[int, Any]]:
    start = brought("old", of or source(), space, defaults or {})
    return [(one.rank, one.params) for one in start.trials]


def test_a_narrowed_range_filters_and_a_widened_one_keeps() -> None:
    narrow = Space((Float("learning_rate", 5e-4, 5e-3, log=True), Int("depth", 1, 4)))
    assert taken(narrow) == [(1, OLD[0]), (2, OLD[1])]
    assert len(taken(Space((Float("learning_rate", 1e-6, 1.0, log=True), Int("depth", 0, 9))))) == len(OLD)


def test_what_is_fixed_now_filters_and_is_left_out() -> None:
    space = Space((Fixed("depth", 1), RATE))
    assert taken(space) == [(rank, {"learning_rate": OLD[rank - 1]["learning_rate"]}) for rank in (2, 4, 6)]


def test_what_was_fixed_there_does_not_filter_what_is_fixed_here() -> None:
    there = source([{"learning_rate": 0.01, "batch_size": 64}], ["learning_rate"])
    assert taken(Space((Fixed("batch_size", 128), RATE)), of=there) == [(1, {"learning_rate": 0.01})]
    assert taken(Space((Choice("batch_size", (64, 128)), RATE)), of=there) == [
        (1, {"batch_size": 64, "learning_rate": 0.01})
    ]


def test_a_new_parameter_takes_the_default_where_it_lies_in_the_space() -> None:
    space = Space((RATE, Float("dropout", 0.0, 0.5), Int("width", 8, 64)))
    (first, *_) = taken(space, {"dropout": 0.1, "width": 512})
    assert first == (1, {"learning_rate": 1e-3, "dropout": 0.1})


def test_a_parameter_that_does_not_exist_beside_these_values_is_left_out() -> None:
    space = Space((Choice("optimizer", ("adam", "sgd")), Float("momentum", 0.5, 0.9, when={"optimizer": "sgd"})))
    there = source([{"optimizer": "adam", "momentum": 0.8}, {"optimizer": "sgd", "momentum": 0.8}], ["optimizer"])
    assert taken(space, of=there) == [(1, {"optimizer": "adam"}), (2, {"optimizer": "sgd", "momentum": 0.8})]


@pytest.mark.parametrize(
    ("trials", "space", "text"),
    [
        ([], Space((RATE,)), "old has no trial with a value"),
        (OLD, Space((Float("dropout", 0.0, 0.5),)), "it searched depth, learning_rate, this one searches dropout"),
        (OLD, Space((Fixed("depth", 1), Float("dropout", 0.0, 0.5))), "no searched parameter in common"),
        (
            OLD,
            Space((Float("learning_rate", 0.2, 0.9),)),
            "none of the 6 trials of old lies in this space: learning_rate is 0.0001 to 0.01 there, and 0.2 to 0.9",
        ),
        (OLD, Space((Choice("depth", ("deep", "flat")), RATE)), "depth is 1 to 2 there, and one of deep, flat here"),
    ],
)
def test_what_brings_nothing_is_refused_and_says_why(trials: list[dict[str, Any]], space: Space, text: str) -> None:
    with pytest.raises(BadValue, match=text):
        brought("old", source(trials), space, {})


def test_of_many_trials_the_best_are_kept_and_some_of_the_others() -> None:
    many = source([{"learning_rate": 1e-4 * (1 + index)} for index in range(900)], ["learning_rate"])
    ranks = [rank for rank, _ in taken(Space((RATE,)), of=many)]
    assert len(ranks) == MOST_KEPT == len(whole("old", many).trials)
    assert ranks[:50] == list(range(1, 51))
    assert ranks[-1] > 850


def test_the_first_configurations_are_the_best_that_differ_of_each_source_in_turns() -> None:
    space = Space((Float("x", 0.0, 1.0),))
    one = brought("one", source([{"x": 0.5}, {"x": 0.51}, {"x": 0.9}, {"x": 0.1}], ["x"]), space, {})
    other = brought("other", source([{"x": 0.505}, {"x": 0.2}], ["x"]), space, {})
    assert first_of([one, other], space) == [{"x": 0.5}, {"x": 0.2}, {"x": 0.9}]
    assert first_of([], space) == []


def test_what_is_brought_is_kept_with_the_study_and_does_not_make_it_another(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, MINIMAL, "search.warm_start=old")
    start = brought("old", source([{"learning_rate": 0.01}], ["learning_rate"]), spec.space, {})
    kept = StudySpec.from_dict(spec.with_search(warm_start=(start,)).to_dict())
    assert kept.search.warm_start == (start,)
    assert kept.is_same(spec.to_dict())
    assert not spec.is_same(spec.with_search(warm_start=()).to_dict())


def test_a_study_without_earlier_ones_has_the_fingerprint_that_it_always_had(tmp_path: Path) -> None:
    values = spec_of(tmp_path).to_dict()
    before = {**values, "search": {key: value for key, value in values["search"].items() if key != "warm_start"}}
    assert StudySpec.from_dict(before).fingerprint() == StudySpec.from_dict(values).fingerprint()


def test_a_study_file_stands_for_its_study_and_a_storage_has_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("name: digits-old\n")
    (tmp_path / "trials.db").touch()
    spec = spec_of(tmp_path, f"{MINIMAL}search: {{warm_start: [old.yaml, 'optuna+sqlite:///trials.db#mine']}}\n")
    places = [start.study for start in spec.search.warm_start]
    assert places == ["digits-old", f"optuna+sqlite:///{tmp_path}/trials.db#mine"]
