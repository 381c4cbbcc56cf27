"""A study file in the making: what a converter found in another tool's file, and what does not carry over."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goodfit.search_spaces.flaws import dotted
from goodfit.search_spaces.parameters import same
from goodfit.search_spaces.parse import parse_space
from goodfit.service.objective import Constraint, Objective
from goodfit.trainers.readable import one_line

EPOCHS, TRIALS = 10, 50  # where a file does not say how long a trial trains, or when a search ends
MEMBERS, PARTS = 8, 5  # of a population; how often its members are compared
POPULATIONS = ("pbt", "pb2")
GRID = 5  # values of a range without steps in a grid
EPOCHS_NAMED = ("epochs", "num_epochs", "max_epochs", "n_epochs", "nb_epochs")  # hyperparameters that are their number

_PLAIN = re.compile(r"[A-Za-z_][\w./:+-]*")
_WORDS = {"yes", "no", "on", "off", "y", "n", "true", "false", "null"}
_SPLIT = re.compile(r"^(val|valid|validation|eval|dev|train|training)[/_\-. ]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lost:
    """Something of the other file that the study does not have, or has otherwise."""

    line: int  # of the other file; 0: of it as a whole
    key: str
    text: str

    def __str__(self) -> str:
        where = ": ".join(part for part in (f"line {self.line}" if self.line else "", self.key) if part)
        return f"{where}: {self.text}" if where else self.text


@dataclass(slots=True)
class Draft:
    """The study, section by section, in the order of a study file.

    Attributes:
        origin: what it comes from, for people.
        name: of the study.
        trainer: what is to be trained; the file's own program is none of Goodfit's.
        space: the searched parameters, as a study file has them.
        fixed: the others.
        sections: search, pruning, training, budget, resources, as far as the file says something of them.
        objectives: one, or several.
        constraints: bounds of metrics, as a study file has them.
        lost: what does not carry over.
        lines: where its parameters stand in the other file.
        names: of its parameters in the other file -> here.
        dots: whether nested parameters have dots: the trainer gets the mappings back.
        as_reported: whether the trainer reports the metric by the name that the file has.
    """

    origin: str
    name: str = "imported"
    trainer: str = "train.py:train"
    space: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    objectives: list[Objective] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    dots: bool = False
    as_reported: bool = False

    def put(self, section: str, **values: Any) -> None:
        """Write keys of a section."""
        self.sections.setdefault(section, {}).update(values)

    def lose(self, line: int, key: str, text: str) -> None:
        """Note what does not carry over."""
        self.lost.append(Lost(line, key, text))

    def called(self, name: str) -> None:
        """Name the study, in the letters that a study's name may have."""
        self.name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:60] or self.name

    def parameter(self, line: int, name: str, written: Any) -> None:
        """Search a parameter: a mapping with its type, or a list of choices; a single value is fixed."""
        if isinstance(written, list) and written:
            unique = [
                value for place, value in enumerate(written) if not any(same(value, one) for one in written[:place])
            ]
            written = unique if len(unique) > 1 else {"type": "fixed", "value": unique[0]}
        elif isinstance(written, dict) and "low" in written and written["low"] == written["high"]:
            written = {"type": "fixed", "value": written["low"]}
        elif not isinstance(written, dict):
            written = {"type": "fixed", "value": written}
        problems: list[Any] = []
        parse_space({"it": written}, problems)
        if problems:
            key, why = dotted(problems[0][0][1:]), problems[0][1]
            self.lose(line, name, f"is left out: {why if why.startswith(key) else f'{key} {why}'}")
            return
        own = self.own_name(line, name)
        self.lines[own], self.names[name] = line, own
        if isinstance(written, dict) and written["type"] == "fixed":
            self.fixed[own] = written["value"]
        else:
            self.space[own] = written

    def own_name(self, line: int, name: str) -> str:
        """The name of a parameter here: one that a trainer's config can have."""
        kept = r"[^\w.]+" if self.dots else r"\W+"
        own = re.sub(kept, "_", name, flags=re.ASCII).strip("_") or "parameter"
        own = f"_{own}" if own[0].isdigit() else f"{own}_" if keyword.iskeyword(own) else own
        taken = {*self.space, *self.fixed}
        own = next(one for one in (own, *(f"{own}_{count}" for count in range(2, 10_000))) if one not in taken)
        if own != name:
            self.lose(line, name, f"is called {own} here: names have letters, digits and _")
        return own

    def objective(self, line: int, key: str, metric: str, direction: str) -> None:
        """Optimize a metric."""
        self.objectives.append(Objective(self.metric(line, key, metric), direction))

    def constraint(self, line: int, key: str, written: str) -> None:
        """Hold a metric to a bound, METRIC <= NUMBER."""
        try:
            rule = Constraint.of(written)
        except ValueError as error:
            self.lose(line, key, f"is left out: {error}")
            return
        self.constraints.append(str(replace(rule, metric=self.metric(line, key, rule.metric))))

    def metric(self, line: int, key: str, metric: str) -> str:
        """The name of a metric here: of validation, unless it says training."""
        if self.as_reported:
            return metric.strip()
        split, name = "val", metric.strip()
        if (found := _SPLIT.match(name)) and not name[found.end() :][:1].isdigit():  # valid_1 is a data set of several
            split, name = ("train" if found[1].lower().startswith("train") else "val"), name[found.end() :]
        own = f"{split}/{re.sub(r'[^a-z0-9_]+', '_', name.lower()).strip('_') or 'loss'}"
        if own != metric:
            self.lose(line, key, f"{metric} is {own} here: have the trainer report it so")
        return own

    def finish(self) -> None:
        """Fill in what a study needs and the file does not say, and leave out what searches here do not do."""
        self._check_search()
        for name in EPOCHS_NAMED:
            self._take_epochs(name)
        if not self.space and self.fixed:
            self.lose(0, "space", "nothing is searched: all parameters are fixed")
            self.space = {name: {"type": "fixed", "value": value} for name, value in self.fixed.items()}
            self.fixed = {}
        training = self.sections.setdefault("training", {})
        if "epochs" not in training:
            training["epochs"] = EPOCHS
            self.lose(0, "training.epochs", f"the file does not say how long a trial trains; {EPOCHS} is a guess")
        if not self.objectives:
            self.objectives.append(Objective("val/loss", "minimize"))
            self.lose(0, "objective", "the file names no metric; val/loss is a guess")
        budget, search = self.sections.setdefault("budget", {}), self.sections.get("search", {})
        if search.get("method") in POPULATIONS:
            self._finish_population(search, training, budget)
        elif not budget.keys() & {"trials", "minutes", "epochs"} and search.get("method") != "grid":
            budget["trials"] = TRIALS
            self.lose(0, "budget.trials", f"the file sets no end to the search; {TRIALS} is a guess")

    def _does_not_fit(self, method: str) -> str | None:
        """Why a search method is not one for this space and these objectives; None where it is."""
        from goodfit.service.spec.search_methods import SEARCH_METHODS, unfit

        if len(self.objectives) > 1 and not SEARCH_METHODS[method].several:
            return f"{method} is for one objective"
        for name, problem in unfit(method, parse_space(self.space, [])):
            return f"{name} {problem.partition(': ')[0]}"
        return None

    def _finish_population(self, search: dict[str, Any], training: dict[str, Any], budget: dict[str, Any]) -> None:
        """Give a population its size and interval, and no budget that has no room for it."""
        if training["epochs"] < 2:
            training["epochs"] = EPOCHS
            self.lose(0, "training.epochs", f"members of a population train in parts; {EPOCHS} is a guess")
        guesses = {"population": MEMBERS, "interval": max(1, training["epochs"] // PARTS)}
        for key, guess in guesses.items():
            if key not in search:
                search[key] = guess
                self.lose(0, f"search.{key}", f"the file does not say it; {guess} is a guess")
        if search["population"] > budget.get("trials", search["population"]):
            why = "are fewer than the members of the population, each of which is one trial here; it needs no budget"
            self.lose(0, "budget.trials", f"{budget.pop('trials')} {why}")

    def _check_search(self) -> None:
        from goodfit.service.spec.search_methods import SEARCH_METHODS
        from goodfit.service.spec.sections import Search

        search = self.sections.get("search", {})
        method = search.get("method", "auto")
        if method not in SEARCH_METHODS:
            self.lose(0, "search.method", f"there is no method {method} here; the search is auto")
            search["method"] = "auto"
        for name in [name for name in search if name not in Search.model_fields]:
            del search[name]
        if (why := self._does_not_fit(search.get("method", "auto"))) is not None:
            self.lose(0, "search.method", f"{why}; the search is auto")
            search["method"] = "auto"
        if search.get("method") == "grid":
            for name in parse_space(self.space, []).ungridded():
                self.space[name]["points"] = GRID
                self.lose(0, name, f"a grid takes {GRID} values of its range")

    def has_epochs(self) -> bool:
        """Whether one of its parameters is the number of epochs."""
        return any(name in self.fixed or name in self.space for name in EPOCHS_NAMED)

    def _take_epochs(self, name: str) -> None:
        """A hyperparameter that is the number of epochs is `training.epochs` here: pruning counts them.

        Where the file's own function is the trainer, that reads it from its configuration as before.
        """
        found = self.fixed.get(name, self.space.get(name))
        most: Any = found
        if isinstance(found, Mapping):
            most = found.get("high")
        elif isinstance(found, list) and _numbers(found):
            most = max(found)
        training = self.sections.setdefault("training", {})
        if isinstance(most, bool) or not isinstance(most, (int, float)) or most < 1:
            return
        epochs = training.setdefault("epochs", int(most))
        if self.dots:
            return
        why = "is training.epochs here; a trainer has it as trial.epochs_total"
        if name in self.space:
            why = f"the number of epochs is not searched here, trials are stopped early: it is {epochs}"
        elif epochs != int(most):
            why += f", and the file says elsewhere that it is {epochs}"
        self.space.pop(name, None)
        self.fixed.pop(name, None)
        self.lost = [one for one in self.lost if not one.text.startswith(f"is called {name} here")]
        self.lose(self.lines.get(name, 0), name, why)

    def to_dict(self) -> dict[str, Any]:
        """The study as a study file has it."""
        objectives = [{"metric": one.metric, "direction": one.direction} for one in self.objectives]
        parts: dict[str, Any] = {
            "name": self.name,
            "trainer": self.trainer,
            "space": self.space,
            "fixed": self.fixed,
            "objective": objectives[0] if len(objectives) == 1 else objectives,
            "constraints": self.constraints,
            **{name: self.sections.get(name) for name in ("search", "pruning", "training", "budget", "resources")},
        }
        return {name: value for name, value in parts.items() if value}

    def to_json(self) -> dict[str, Any]:
        """As `goodfit import --json` gives it."""
        lost = [{"line": one.line or None, "key": one.key or None, "text": one.text} for one in self.lost]
        return {"origin": self.origin, "study": self.to_dict(), "lost": lost}

    def to_yaml(self) -> str:
        """The study file, with a comment for everything that does not carry over."""
        lines = [f"# Imported from {_one_line(self.origin)} by `goodfit import`; check it by `goodfit check`."]
        lines += ["#", "# What does not carry over, or is otherwise here:"] if self.lost else []
        lines += [f"#   {_one_line(str(one))}" for one in self.lost]
        for name, value in self.to_dict().items():
            if name == "space":
                lines += ["space:", *(f"  {key}: {flow(one)}" for key, one in value.items())]
            elif name == "search":
                lines += _block(name, value)
            else:
                lines.append(f"{name}: {flow(value)}")
        return "\n".join(lines) + "\n"


def _block(name: str, section: Mapping[str, Any]) -> list[str]:
    """A section with a line for each of its lists' entries: configurations are long."""
    lines = [f"{name}:"]
    for key, value in section.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines += [f"  {key}:", *(f"    - {flow(one)}" for one in value)]
        else:
            lines.append(f"  {key}: {flow(value)}")
    return lines


def flow(value: Any) -> str:
    """A value as YAML in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        plain = (
            _PLAIN.fullmatch(value) and value.lower() not in _WORDS and ": " not in value and not value.endswith(":")
        )
        return str(value) if plain else json.dumps(str(value))
    return json.dumps(value)


def _numbers(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and bool(value)
        and not isinstance(value, str)
        and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value)
    )


def _one_line(text: str) -> str:
    return one_line(" ".join(text.split()))
