"""pydantic's errors as plain sentences, each with the path of its key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from goodfit.search_spaces.flaws import KeyPath, dotted
from goodfit.search_spaces.values import described
from goodfit.service.errors import did_you_mean
from goodfit.service.spec.data import Augment, Data, Prepare, Split, Tokens
from goodfit.service.spec.fairness import Fairness
from goodfit.service.spec.fields import NUMBER, out_of_bounds
from goodfit.service.spec.pruning import METHODS, WRAPPED
from goodfit.service.spec.release import Release
from goodfit.service.spec.sections import LATER, Budget, Confirm, Objective, Resources, Search, Training
from goodfit.service.spec.study_file import StudyFile
from goodfit.spelling import close

TOP = tuple(StudyFile.model_fields)
SECTIONS: dict[KeyPath, type[BaseModel]] = {
    ("data",): Data,
    ("data", "split"): Split,
    ("data", "prepare"): Prepare,
    ("data", "tokens"): Tokens,
    ("data", "augment"): Augment,
    ("fairness",): Fairness,
    ("objective",): Objective,
    ("search",): Search,
    ("training",): Training,
    ("confirm",): Confirm,
    ("release",): Release,
    ("budget",): Budget,
    ("resources",): Resources,
}
_EXAMPLES: dict[KeyPath, str] = {
    ("objective", "metric"): "write the metric, such as val/loss",
    ("objective", "direction"): "write minimize (a loss, an error) or maximize (an accuracy, a score)",
    ("training", "epochs"): "write how many epochs a trial may train",
    ("release", "require"): "write the gates, such as [confirmed, good_fit]",
    ("data", "source"): "write a data set's name or a file's path",
    ("fairness", "by"): "write the columns whose groups are compared, such as [sex, age]",
}

_METRICS = (
    *("loss", "accuracy", "balanced_accuracy", "auroc", "f1", "precision", "recall"),
    *("rmse", "mse", "mae", "r2", "perplexity", "reward"),
)
_START = "search.start_from: [{name: value, ...}] holds the configurations that are tried first"
_OTHER_NAMES = dict.fromkeys(
    (
        "enqueue", "enqueue_trial", "enqueue_trials", "initial", "initial_points", "initial_trials", "initial_configs",
        "initial_configurations", "points_to_evaluate", "seed_trials", "start", "start_with", "x0",
    ),
    _START,
)  # fmt: skip


# pydantic's errors of numbers beyond a bound, and where each has the bound.
_BOUNDS = {"greater_than_equal": "ge", "greater_than": "gt", "less_than": "lt", "less_than_equal": "le"}


def sentences(error: ValidationError, values: object, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Each error's key path and text.

    Args:
        error: what pydantic raised.
        values: what it was given.
        prefix: where in the study file that stands.
    """
    for item in error.errors(include_url=False):
        path = _without_tags((*prefix, *item["loc"]))
        yield path, _sentence(item, path, values, prefix)


def unknown_key(path: KeyPath, known: Iterable[str]) -> str:
    """What to say about a key that its section does not have."""
    *section, key = (str(part) for part in path)
    later = LATER.get((*section, key))
    if later:
        return f"{later} is not supported yet; leave {key} out"
    homes = [dotted(home) for home, model in SECTIONS.items() if key in model.model_fields and list(home) != section]
    if key in _OTHER_NAMES:
        return f"unknown key; {_OTHER_NAMES[key]}"
    if section and key in TOP:
        return f"unknown key; {key} goes at the top level"
    if homes:
        return f"unknown key; {key} goes in {' or '.join(f'`{home}:`' for home in homes)}"
    return f"unknown key; {did_you_mean(key, known)}"


def _sentence(item: Any, path: KeyPath, values: object, prefix: KeyPath) -> str:
    kind, given = item["type"], item["input"]
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if (bound := _BOUNDS.get(kind)) is not None:
        return out_of_bounds(given, **{bound: item["ctx"][bound]})
    if kind == "missing":
        example = _EXAMPLES.get(_without_places(path))
        meant = _meant_metric(given) if path[-1] == "direction" else ""
        return f"is missing; {example}{meant}" if example else "is missing"
    if kind == "extra_forbidden":
        return unknown_key(path, _known_keys(path[:-1], values, prefix))
    if kind == "union_tag_not_found":
        return f"its method is missing; write method: and one of {', '.join(METHODS)}"
    if kind == "union_tag_invalid":
        tag = item["ctx"]["tag"]
        if path[-1] == "wrapped" and tag in METHODS:
            return f"{tag} cannot be wrapped; choose from: {', '.join(WRAPPED)}"
        return f"there is no pruning method {tag!r}; {did_you_mean(tag, WRAPPED if path[-1] == 'wrapped' else METHODS)}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        known = _known_keys(path, values, prefix)
        return f"is {described(given)}, not a section with keys: {', '.join(known)}"
    return f"is {described(given)}: {str(item['msg'])[:1].lower()}{str(item['msg'])[1:]}"


def _meant_metric(objective: object) -> str:
    """Which metric may be meant by a name that is much like it: in Python these need no direction."""
    split, _, name = str(objective.get("metric") if isinstance(objective, Mapping) else "").rpartition("/")
    near = close(name, _METRICS, 0.7)
    return f"; did you mean the metric {split or 'val'}/{near}?" if near is not None and near != name else ""


def _known_keys(section: KeyPath, values: object, prefix: KeyPath) -> list[str]:
    if not section:
        return list(TOP)
    if (named := _without_places(section)) in SECTIONS:
        return list(SECTIONS[named].model_fields)
    inner = _at(values, section[len(prefix) :])
    method = inner.get("method") if isinstance(inner, Mapping) else None
    return list(METHODS[method].model_fields) if method in METHODS else ["method"]


def _without_tags(loc: KeyPath) -> KeyPath:
    """The key path in an error's location: pydantic puts the method after `pruning` and `wrapped`, and more tags."""
    path: list[str | int] = []
    tagged = False
    for part in loc:
        if not tagged and part != NUMBER:
            path.append(part)
        tagged = not tagged and part in ("pruning", "wrapped")
    return tuple(path)


def _without_places(path: KeyPath) -> KeyPath:
    """The key path of a section in a list, as of the section alone."""
    return tuple(part for part in path if not isinstance(part, int))


def _at(values: object, path: KeyPath) -> object:
    for part in path:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
