"""The trainer registry: what a trainer declares, and how a study's `trainer:` finds one.

A trainer is named by its registry name, by `module:name`, or by `path.py:name`. Installed
packages add theirs with the entry-point group `goodfit.trainers`. Built-in trainers are imported
when asked for; importing this module imports no torch.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import sys
import textwrap
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from goodfit.spelling import close
from goodfit.trainers import importing
from goodfit.trainers.errors import BadTrainer, UnknownTrainer
from goodfit.trainers.importing import described, import_file, not_installed
from goodfit.trainers.recognition import Api, Foreign, api_of
from goodfit.trainers.trial import Trial

Train = Callable[[Trial], Any]
BUILT_IN = {
    "mlp": "goodfit.trainers.builtin.mlp:mlp",
    "cnn": "goodfit.trainers.builtin.cnn:cnn",
    "rl": "goodfit.trainers.builtin.rl.trainer:rl",
    "rnn": "goodfit.trainers.builtin.rnn:rnn",
    "transformer": "goodfit.trainers.builtin.transformer:transformer",
    "gan": "goodfit.trainers.builtin.gan.trainer:gan",
    "diffusion": "goodfit.trainers.builtin.diffusion.trainer:diffusion",
    "language-model": "goodfit.trainers.builtin.language_model.trainer:language_model",
    "seq2seq": "goodfit.trainers.builtin.seq2seq.trainer:seq2seq",
}
ENTRY_POINTS = "goodfit.trainers"


@dataclass(frozen=True)
class Trainer:
    """A trainer and what it declares about itself.

    Attributes:
        name: as users write it in a study file.
        train: the function that trains one model, given its Trial.
        config: a frozen dataclass of its hyperparameters; the defaults are a known good
            configuration. None: any parameter goes, as a mapping.
        shapes: the hyperparameters that shape the architecture.
        kinds: the kinds of data it takes ("table", "image"); empty: it brings its own.
        metrics: task ("classification", "regression") -> the metrics it reports for it, without
            the split: {"classification": ("loss", "accuracy")}. None: known at the first report.
        build: config and data facts (None where the study names no data) -> the model, where it can be
            rebuilt from its best checkpoint.
        needs: the optional packages that it imports when it trains.
        prepares: what a study's `data.prepare` may ask of it, because it cannot be done to the data
            beforehand: "balance" (class weights or balanced draws), "embedding" (text columns as codes),
            "augment" (training rows varied in each epoch), "weights" (`data.train.weights`: what each row
            counts for), "groups" (metrics by group, and what training does about differences).
        api: whose trial it takes: ours, or that of another library whose code runs here as it is.
        packs: whether its trials can share a worker and train together: it hands over its epochs, and changes no
            settings of the process. Some kinds of data: on those alone.
        module: where a study names it, which need not be where the function was written.
    """

    name: str
    train: Train
    config: type[Any] | None = None
    shapes: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    metrics: Mapping[str, Sequence[str]] | None = None
    build: Callable[..., Any] | None = None
    needs: tuple[str, ...] = ()
    prepares: frozenset[str] = frozenset()
    packs: bool | frozenset[str] = False
    api: Api = Api.GOODFIT
    module: str = ""

    def __call__(self, trial: Trial) -> Any:
        """Train; what the function returns."""
        if absent := self.missing():
            raise UnknownTrainer(absent)  # the same for each trial of the study
        return self.train(trial)

    def packs_on(self, kind: str | None) -> bool:
        """Whether its trials can share a worker on such data."""
        return self.packs if isinstance(self.packs, bool) else kind in self.packs

    @property
    def keeps_object(self) -> bool:
        """Whether its model is kept as the object that it is, for nothing says how to build it again."""
        return self.build is None and self.api is Api.GOODFIT

    def missing(self) -> str | None:
        """The first package that it needs and that is not installed, with the command that installs it."""
        for package in self.needs:
            if importlib.util.find_spec(package) is None:
                return f"trainer {self.name} needs {not_installed(ModuleNotFoundError(name=package))}"
        return None

    def never_resumes(self) -> bool:
        """Whether its source shows that it goes on from no checkpoint; false where that cannot be seen from it."""
        code = getattr(self.train, "__code__", None)  # not what a decorator says that it wraps
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(code))) if code is not None else ast.Module([], [])
        except (OSError, TypeError, SyntaxError, ValueError):
            return False
        function = tree.body[0] if tree.body else None
        if not isinstance(function, ast.FunctionDef) or not function.args.args or function.args.vararg:
            return False
        name = function.args.args[0].arg
        uses = {id(node) for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name}
        read = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and id(node.value) in uses]
        return len(uses) == len(read) and all(node.attr != "restore" for node in read)

    @property
    def home(self) -> str:
        """The module that it belongs to; of a wrapped or imported function that of the study, not the wrapper's."""
        return self.module or self.train.__module__

    @property
    def doc(self) -> str:
        """The first paragraph of its docstring."""
        text = (self.train.__doc__ or "").strip()
        return " ".join(text.split("\n\n")[0].split())

    def defaults(self) -> dict[str, Any]:
        """The defaults of its config dataclass; empty where it has none."""
        if self.config is None:
            return {}
        return {
            field.name: field.default
            for field in dataclasses.fields(self.config)
            if field.default is not dataclasses.MISSING
        }

    def types(self) -> dict[str, Any]:
        """The hyperparameters and their types; empty where any parameter goes."""
        return dict(typing.get_type_hints(self.config)) if self.config else {}

    def configure(self, params: Mapping[str, Any]) -> Any:
        """The config object of one trial; BadTrainer names a parameter that it does not take."""
        from goodfit.trainers.trial import Config

        if self.config is None:
            return Config(params)
        unknown = sorted(set(params) - {field.name for field in dataclasses.fields(self.config)})
        if unknown:
            raise BadTrainer(f"trainer {self.name} has no hyperparameter {unknown[0]}")
        absent = [
            field.name for field in dataclasses.fields(self.config) if _needed(field) and field.name not in params
        ]
        if absent:
            raise BadTrainer(f"trainer {self.name} needs the hyperparameter {absent[0]}; put it into space or fixed")
        return self.config(**params)


def _needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.init and field.default is missing and field.default_factory is missing


_registered: dict[str, Trainer] = {}


def register(
    name: str,
    *,
    config: type[Any] | None = None,
    shapes: Sequence[str] = (),
    kinds: Sequence[str] = (),
    metrics: Mapping[str, Sequence[str]] | None = None,
    build: Callable[..., Any] | None = None,
    needs: Sequence[str] = (),
    prepares: Sequence[str] = (),
    packs: bool | Sequence[str] = False,
) -> Callable[[Train], Trainer]:
    """Declare a function as the trainer `name`; see Trainer for the arguments.

    Example:
        @register("my-net")
        def train(trial): ...
    """

    def declare(train: Train) -> Trainer:
        trainer = Trainer(
            name,
            train,
            config=config,
            shapes=frozenset(shapes),
            kinds=frozenset(kinds),
            metrics=metrics,
            build=build,
            needs=tuple(needs),
            prepares=frozenset(prepares),
            packs=_packs(name, packs, kinds),
        )
        _registered[name] = trainer
        return trainer

    return declare


def _packs(name: str, packs: bool | Sequence[str], kinds: Sequence[str]) -> bool | frozenset[str]:
    if isinstance(packs, bool):
        return packs
    wanted = frozenset([packs] if isinstance(packs, str) else packs)
    if unknown := sorted(wanted - frozenset(kinds)):
        raise BadTrainer(f"packs of trainer {name}: {', '.join(unknown)} is none of its kinds ({', '.join(kinds)})")
    return wanted


def names() -> list[str]:
    """Every name that a study may give now: built-in, registered, and from installed packages."""
    installed = [point.name for point in entry_points(group=ENTRY_POINTS)]
    return sorted({*BUILT_IN, *_registered, *installed})


def resolve(reference: str) -> Trainer:
    """The trainer that a study's `trainer:` names.

    Args:
        reference: a registry name, `module:name`, or `/path/to/file.py:name`.

    Raises:
        UnknownTrainer: no such name, module, file or attribute; the nearest name is suggested.
        BadTrainer: the module fails on import, or the name is no trainer.
    """
    if ".py:" in reference:
        path, _, attribute = reference.rpartition(":")
        return _as_trainer(reference, attribute, import_file(Path(path)))
    if ":" in reference:
        return _from_module(reference)
    if reference in BUILT_IN:
        return _from_module(BUILT_IN[reference])
    if reference in _registered:
        return _registered[reference]
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == reference:
            return _from_module(f"{point.module}:{point.attr}")
    if reference.endswith(".py"):
        raise UnknownTrainer(
            f"trainer {reference!r} names no function of the file; write {reference}:train, for example"
        )
    near = close(reference, names())
    hint = f"did you mean {near}? " if near else ""
    raise UnknownTrainer(
        f"no trainer {reference!r}; {hint}choose from: {', '.join(names())}, or give module:name or path.py:name"
    )


def _from_module(reference: str) -> Trainer:
    module, _, attribute = reference.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module == missing or module.startswith(missing + "."):
            raise UnknownTrainer(f"no module {module!r} for trainer {reference!r}") from error
        raise BadTrainer(f"trainer {reference!r} needs {not_installed(error)}") from error
    except (Exception, SystemExit) as error:
        raise BadTrainer(f"importing {module} for trainer {reference!r} failed: {described(error)}") from error
    return _as_trainer(reference, attribute, found)


def forget(module: str) -> None:
    """Have a user's module imported anew when it is named again, with the trainers that it registers."""
    importing.forget(module)
    for name, trainer in list(_registered.items()):
        if trainer.home == module:
            del _registered[name]


def _as_trainer(reference: str, attribute: str, module: ModuleType) -> Trainer:
    found = getattr(module, attribute, None)
    if found is None:
        for trainer in _registered.values():
            if trainer.name == attribute and trainer.home == module.__name__:
                return trainer
        public = [name for name, value in vars(module).items() if isinstance(value, Trainer)]
        public += [
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ]
        near = close(attribute, public)
        hint = f"; did you mean {near}?" if near else ""
        raise UnknownTrainer(f"{reference.rpartition(':')[0]} has no {attribute!r}{hint}")
    if isinstance(found, Trainer):
        return found
    if not callable(found):
        raise BadTrainer(f"{reference} is {type(found).__name__}, not a function train(trial)")
    _check_given(reference)
    api = api_of(found, module)
    _check_callable(reference, found, api)
    train = found if api is Api.GOODFIT else Foreign(found, api)
    return Trainer(attribute, train, api=api, module=module.__name__)


def _check_given(reference: str) -> None:
    """BadTrainer where a script gives its trainable something that Ray cannot send: then Ray would not start.

    It is looked at before Ray starts: Ray keeps what `tune.with_parameters` got, of any script, and sends it then.
    """
    if "ray.tune" in sys.modules:
        importlib.import_module("goodfit.trainers.integrations.ray_given").check_given(reference)


def _check_callable(reference: str, train: Callable[..., Any], api: Api) -> None:
    """BadTrainer where train(trial) could not be called, or would do nothing."""
    if api is Api.RAY_CLASS:
        _check_setup(reference, train)
        return
    if api is Api.OPTUNA and isinstance(train, type):
        _check_class(reference, train)
        return
    kinds = {
        "async": inspect.iscoroutinefunction(train),
        "a generator": inspect.isgeneratorfunction(train) and api is not Api.RAY_FUNCTION,
    }
    for kind, is_kind in kinds.items():
        if is_kind:
            raise BadTrainer(f"{reference} is {kind}, and would not run: make it a plain function train(trial)")
    try:
        taken = inspect.signature(train)
    except ValueError:  # of a builtin
        return
    try:
        taken.bind(None)
    except TypeError as error:
        if api is Api.RAY_FUNCTION:
            raise _lacks_parameters(reference, taken) from error
        if api is Api.OPTUNA:
            how = "functools.partial({}, ...)"
            raise _takes_more(reference, f"takes {taken}, and is called with a trial alone", how) from error
        raise BadTrainer(
            f"{reference} takes {taken}; a trainer is called as train(trial), with one argument"
        ) from error


def _check_setup(reference: str, kind: Any) -> None:
    """BadTrainer where the setup of a Trainable takes more than its configuration."""
    taken = inspect.signature(kind.setup)
    try:
        taken.bind(None, {})
    except TypeError as error:
        raise _lacks_parameters(reference, taken) from error


def _check_class(reference: str, kind: type[Any]) -> None:
    """BadTrainer where a class of Optuna objectives has none that is made without arguments."""
    taken = inspect.signature(kind)
    try:
        taken.bind()
    except TypeError as error:
        how = "{}(...)"
        raise _takes_more(reference, f"is a class that takes {taken}, so name an object of it", how) from error


def _takes_more(reference: str, what: str, how: str) -> BadTrainer:
    """What to say of an objective that needs more than a trial.

    Args:
        reference: the objective.
        what: it takes.
        how: it is given that; {} is its name.
    """
    place, _, name = reference.rpartition(":")
    return BadTrainer(
        f"{reference} {what}: give it a name in its module, outside of functions and `if __name__`, "
        f"NAME = {how.format(name)}, and write `trainer: {place}:NAME`"
    )


def _lacks_parameters(reference: str, taken: inspect.Signature) -> BadTrainer:
    place, _, name = reference.rpartition(":")
    return BadTrainer(
        f"{reference} takes {taken}, and gets its configuration alone; give it the others in its module, outside of "
        f"functions and `if __name__`: NAME = tune.with_parameters({name}, ...), and write `trainer: {place}:NAME`"
    )
