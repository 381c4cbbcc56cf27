"""What is odd about a study that is valid: said before it runs, and never a reason to refuse it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from goodfit.search_spaces.parameters import Choice
from goodfit.search_spaces.scalars import listed, shown
from goodfit.search_spaces.shuffle import Shuffle
from goodfit.service.app.directions import usual_direction
from goodfit.service.objective import MAXIMIZE

if TYPE_CHECKING:
    from goodfit.service.app.room import Room
    from goodfit.service.spec import StudySpec

FEW = 5  # complete trials: of fewer no winner can be told from luck
LOOKED_AT = 200  # points of a grid
PICKLED = "cloudpickle.loads("  # in the file of a function that a study was given in Python
# What stands in the file of a trainer whose trials can go on from a checkpoint, its own or one of ours.
KEEP_CHECKPOINTS = (
    "restore(",
    "checkpoint=",
    "save_checkpoint",
    "supervised",
    "goodfit.keras",
    "goodfit.lightning",
    "goodfit.hugging_face",
    "goodfit.scikit",
    "integrations",
)


def notes_of(spec: StudySpec, room: Room | None = None) -> list[str]:
    """Sentences for people, each with what to do.

    Args:
        spec: the study.
        room: where its trials would run; None: that does not matter.
    """
    return [
        *_carried_over(spec),
        *_direction(spec),
        *_several(spec),
        *_ends(spec),
        *_begins(spec),
        *_short(spec),
        *_grid(spec),
        *_complete(spec),
        *_never_paused(spec),
        *_never_released(spec),
        *_mixed(spec),
        *_hidden(spec),
        *(room.notes(spec) if room is not None else ()),
    ]


def hidden_modules(files: Iterable[str]) -> str:
    """What to say of modules beside a study's code that an import of their names does not give."""
    return (
        f"{', '.join(files)}: an import of this name gives Python's own module or the installed package, which go "
        "before files beside a trainer; give the file another name"
    )


def expected_complete(spec: StudySpec) -> int | None:
    """About how many trials asha or hyperband let train to their end; None where pruning has no rungs, or no end.

    The k-th trial at a rung goes on if it is among the best k / eta so far, or the best: for trials that come in any
    order with the chance max(1, k // eta) / k. Controls are never pruned.
    """
    trials = spec.planned_trials()
    if trials is None or spec.pruning.method not in ("asha", "hyperband"):
        return None
    free = math.floor(trials * spec.control)
    brackets = _brackets(spec)
    weights = sum(weight for weight, _ in brackets)
    return free + round(sum(_through((trials - free) * weight / weights, *rungs) for weight, rungs in brackets))


def _brackets(spec: StudySpec) -> list[tuple[float, tuple[int, int]]]:
    """Of each bracket its share of the trials, and its rungs: how many before the last epoch, and eta."""
    options, epochs = spec.pruning.options, spec.reports
    eta = int(options["reduction_factor"])
    if spec.pruning.method == "asha":
        least = options["min_resource"]
        first = max(epochs // 100, 1) if least == "auto" else int(least)
        return [(1.0, (_rungs(first * eta ** int(options["min_early_stopping_rate"]), epochs, eta), eta))]
    first = int(options["min_resource"])
    most = epochs if options["max_resource"] == "auto" else int(options["max_resource"])
    count = 1 + math.floor(math.log(max(most / first, 1), eta) + 1e-9)
    weights = [math.ceil(count * eta ** (count - 1 - index) / (count - index)) for index in range(count)]
    return [(weight, (_rungs(first * eta**index, epochs, eta), eta)) for index, weight in enumerate(weights)]


def _rungs(first: int, epochs: int, eta: int) -> int:
    count = 0
    while first < epochs:
        count, first = count + 1, first * eta
    return count


def _through(trials: float, rungs: int, eta: int) -> float:
    """How many of so many trials are expected past all rungs."""
    for _ in range(rungs):
        whole = math.floor(trials)
        passed = sum(max(1, place // eta) / place for place in range(1, min(whole, 10_000) + 1))
        passed += (whole - 10_000) / eta if whole > 10_000 else 0.0
        trials = passed if whole else trials
    return trials


def _hidden(spec: StudySpec) -> Iterator[str]:
    from goodfit.service.app.code import find_own_code

    lies_here = any(Path(place).is_absolute() for place in (spec.trainer, *spec.modules))
    if lies_here and (hidden := find_own_code(spec).hidden):
        yield hidden_modules(sorted(os.path.relpath(file) for file in hidden))


def _carried_over(spec: StudySpec) -> Iterator[str]:
    """What is otherwise than in the script that the space comes from; a grid tries each value of a grid_search."""
    for remark in spec.origin.remarks:
        if not ("grid_search" in remark and spec.search.method == "grid"):
            yield remark


def _direction(spec: StudySpec) -> Iterator[str]:
    for objective in (spec.objective, *spec.more_objectives):
        usual = usual_direction(objective.metric)
        if usual is not None and usual != objective.direction and not objective.intended:
            worst = "largest" if objective.direction == MAXIMIZE else "smallest"
            yield (
                f"{objective.metric} is usually {usual}d, and this study would {objective.direction} it: the {worst} "
                f"wins. Write `direction: {usual}`, or `objective: {{intended: true}}` if that is meant"
            )


def _several(spec: StudySpec) -> Iterator[str]:
    """What stands in for the methods that know one objective alone."""
    if not spec.more_objectives:
        return
    if spec.search.method == "auto":
        yield "with several objectives, auto search is Optuna's TPE; `search: {method: nsga2}` searches by evolution"
    if spec.pruning.method == "auto":
        yield (
            "with several objectives, auto pruning ends the worse half of the trials by non-dominated rank at an "
            "eighth, a quarter and a half of the epochs; `pruning: {method: none}` trains all to their end"
        )


def _ends(spec: StudySpec) -> Iterator[str]:
    different, budget = spec.different(), spec.budget.trials
    if (members := spec.search.population) is not None and budget is not None and members < budget:
        yield f"the population has {members} members, each a trial: no more of the {budget} trials are begun"
    if different is not None and budget is not None and different < budget:
        what = "the grid has" if spec.search.method == "grid" else "the space has"
        again = "" if spec.search.method == "grid" else "; `search: {repeats: true}` tries them again, with other seeds"
        yield f"{what} {different} configurations: the study ends after {different} of the {budget} trials{again}"


def _begins(spec: StudySpec) -> Iterator[str]:
    own, planned = len(spec.search.start_from), spec.planned_trials()
    if planned is not None and own > planned:
        yield f"search.start_from has {own} configurations: only the first {planned} are tried; raise budget.trials"


def _short(spec: StudySpec) -> Iterator[str]:
    unit, budget = "folds" if spec.folds else "epochs", spec.budget.epochs
    if budget is not None and budget < spec.reports:
        yield (
            f"budget.epochs is {budget}, and one training takes {spec.reports} {unit}: no trial can be trained to its "
            "end unless it stops early by itself, and a study without one fails. Raise budget.epochs"
        )


def _grid(spec: StudySpec) -> Iterator[str]:
    size, trials = spec.grid_size(), spec.planned_trials()
    if size is None or trials is None or trials >= size:
        return
    order = Shuffle(size, spec.search.seed)
    points = [spec.space.grid_point(order[index]) for index in range(min(trials, LOOKED_AT))]
    still = [item.name for item in spec.space.free if len({shown(point.get(item.name)) for point in points}) == 1]
    never = [name for name in still if spec.space[name].grid_length != 1]
    text = f"the grid has {approximately(size)} points: only {trials} are tried, drawn by the seed"
    if never and trials <= LOOKED_AT:
        text += f"; {listed(never)} never var{'ies' if len(never) == 1 else 'y'} among them"
    yield f"{text}. A random or bayesian search covers such a space better, or give `points`"


def _complete(spec: StudySpec) -> Iterator[str]:
    complete, trials = expected_complete(spec), spec.planned_trials()
    if complete is None or trials is None or spec.reports < 2:
        return
    wanted = max(FEW, spec.confirm.top if spec.confirm else 0)
    if complete < min(wanted, trials):
        confirmed = f", and confirm.top is {spec.confirm.top}" if spec.confirm and complete < spec.confirm.top else ""
        yield (
            f"{spec.pruning.method} lets about {max(1, complete)} of {trials} trials train to their end{confirmed}: "
            "too few to tell a winner from luck. Raise budget.trials or pruning.min_resource, or prune by median"
        )


def _never_paused(spec: StudySpec) -> Iterator[str]:
    """A trainer of the user's own that keeps no checkpoint, as far as its file tells."""
    file = Path(spec.trainer.rpartition(":")[0])
    if not spec.pauses or spec.reports < 2 or file.suffix != ".py" or not file.is_file():
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    if not any(word in text for word in KEEP_CHECKPOINTS):
        given = PICKLED in text
        if given and "def " not in text:
            return  # a function without its source, as from standard input
        never = "reports a checkpoint" if "ray" in text else "calls trial.restore(model, optimizer)"
        yield (
            f"{'the function' if given else file.name} never {never}: its trials cannot be paused and go on. They "
            "train to their end, or end for good where they are clearly behind"
        )


def _never_released(spec: StudySpec) -> Iterator[str]:
    """Gates that only a confirmation can meet, where none is asked for."""
    if spec.release is None or spec.confirm is not None:
        return
    from goodfit.service.spec.release import CONFIRMED

    needing = [str(gate) for gate in spec.release.require if gate.name == CONFIRMED or gate.name.startswith("test/")]
    if needing:
        yield (
            f"release.require has {listed(needing)}, and without `confirm:` nothing is confirmed or scored on the test "
            "split: no model is released. Write `confirm: {top: 3, seeds: 3}`"
        )


def _mixed(spec: StudySpec) -> Iterator[str]:
    for item in spec.space:
        if not isinstance(item, Choice):
            continue
        kinds = {isinstance(choice, bool) for choice in item.choices if choice is not None}
        if len(kinds) == 2:
            yield f"{item.name}: true or false stands beside other values and is a boolean; quote it to keep it as text"


def approximately(size: int) -> str:
    """A count for people: of a very large one its magnitude."""
    if size < 10**9:
        return f"{size:,}"
    return f"about 10^{(size.bit_length() - 1) * 0.30103:.0f}"


def counted(count: int, noun: str) -> str:
    """A count with its noun: 1 trial, 20 trials, about 10^16 trials."""
    return f"{approximately(count)} {noun}{'' if count == 1 else 's'}"
