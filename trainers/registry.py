"""The trainer registry: what a trainer declares, and how a study's `trainer:` finds one.

A trainer is named by its registry name, by `module:name`, or by `path.py:name`. Installed
packages add theirs with the entry-point group `goodfit.trainers`. Built-in trainers are imported
when asked for; importing this module imports no torch.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from trainers.code import OURS, imports_relatively, package_root
from trainers.errors import BadTrainer, UnknownTrainer
from trainers.lines import users_line
from trainers.trial import Trial

Train = Callable[[Trial], None]
BUILT_IN = {
    "mlp": "trainers.mlp:mlp",
    "cnn": "trainers.cnn:cnn",
    "rl": "trainers.rl:rl",
    "rnn": "trainers.rnn:rnn",
    "transformer": "trainers.transformer:transformer",
    "gan": "trainers.gan:gan",
    "diffusion": "trainers.diffusion:diffusion",
    "language-model": "trainers.language_model:language_model",
    "seq2seq": "trainers.seq2seq:seq2seq",
}
ENTRY_POINTS = "goodfit.trainers"
EXTRAS = {  # optional packages that an extra of ours brings, in versions that suit
    "lightning": "lightning",
    "transformers": "hugging-face",
    "accelerate": "hugging-face",
    "gymnasium": "rl",
    "stable_baselines3": "rl",
}


@dataclass(frozen=True)
class Trainer:
    """A trainer and what it declares about itself.

    Attributes:
        name: as users write it in a study file.
        train: the function that trains one model, given its Trial.
        config: a frozen dataclass of its hyperparameters; the defaults are a known good
            configuration. None: any parameter goes, as a mapping.
        shapes: the hyperparameters that shape the architecture; they cannot differ in a pack.
        kinds: the kinds of data it takes ("table", "image"); empty: it brings its own.
        metrics: task ("classification", "regression") -> the metrics it reports for it, without
            the split: {"classification": ("loss", "accuracy")}. None: known at the first report.
        build: config and data facts (None where the study names no data) -> the model, where it can be
            rebuilt from its best checkpoint.
        needs: the optional packages that it imports when it trains.
        prepares: what a study's `data.prepare` may ask of it, because it cannot be done to the data
            beforehand: "balance" (class weights or balanced draws), "embedding" (text columns as codes),
            "augment" (training rows varied in each epoch).
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

    def __call__(self, trial: Trial) -> None:
        if absent := self.missing():
            raise UnknownTrainer(absent)  # the same for each trial of the study
        self.train(trial)

    def missing(self) -> str | None:
        """The first package that it needs and that is not installed, with the command that installs it."""
        for package in self.needs:
            if importlib.util.find_spec(package) is None:
                return f"trainer {self.name} needs {not_installed(ModuleNotFoundError(name=package))}"
        return None

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
        from trainers.trial import Config

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
_written: dict[str, int] = {}  # module of a user's file -> when the file was written, as it was imported
_folders: list[str] = []  # of users' files: the one in use first
_elsewhere: list[str] = []  # whose packages these are, where they are not the user's own: "the server", "the workers"


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
        )
        _registered[name] = trainer
        return trainer

    return declare


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
        return _as_trainer(reference, attribute, _import_file(Path(path)))
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
    near = difflib.get_close_matches(reference, names(), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
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
        raise BadTrainer(f"importing {module} for trainer {reference!r} failed: {_told(error)}") from error
    return _as_trainer(reference, attribute, found)


def import_function(path: Path, name: str) -> Callable[..., Any]:
    """A function that a study names by `path.py:name`, for its data.

    Raises:
        UnknownTrainer: no such file or function; the nearest name is suggested.
        BadTrainer: the file fails on import, or the name is no function.
    """
    _forget_changed(path)
    module = _import_file(path)
    found = getattr(module, name, None)
    if found is None:
        public = [
            known for known, value in vars(module).items() if callable(value) and value.__module__ == module.__name__
        ]
        near = difflib.get_close_matches(name, public, n=1, cutoff=0.4)
        raise UnknownTrainer(f"{path} has no {name!r}{f'; did you mean {near[0]}?' if near else ''}")
    if not callable(found):
        raise BadTrainer(f"{path}:{name} is {type(found).__name__}, not a function")
    return typing.cast("Callable[..., Any]", found)


def _forget_changed(path: Path) -> None:
    """Have a user's file imported anew, if it was written since it was imported."""
    name = _module_name(path)
    if name in sys.modules and path.is_file() and path.stat().st_mtime_ns != _written[name]:
        del sys.modules[name]
        _module_name.cache_clear()


@functools.lru_cache(maxsize=256)
def _module_name(path: Path) -> str:
    """The name that a user's file is imported by; within its package where it imports from there."""
    stem = re.sub(r"\W", "_", path.stem)  # a dot would make a package of it
    name = f"goodfit_trainer_{stem}_{hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    if not imports_relatively(path):
        return name
    return ".".join([*path.parent.relative_to(package_root(path)).parts, name])


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UnknownTrainer(f"no file {path} to take a trainer from")
    name = _module_name(path)
    _enter(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadTrainer(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    written = path.stat().st_mtime_ns
    try:
        if "." in name:
            importlib.import_module(name.rpartition(".")[0])
        sys.modules[name] = module
        _written[name] = written
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        sys.modules.pop(name, None)
        raise BadTrainer(f"{path} needs {not_installed(error)}") from error
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise BadTrainer(f"importing {path} failed: {_told(error)}") from error
    return module


def _enter(path: Path) -> None:
    """Have modules beside a user's file found: there, and not beside the file of another study."""
    use_folders(list(dict.fromkeys([str(path.parent), str(package_root(path))])))


def use_folders(folders: Sequence[str]) -> None:
    """Have modules found in these folders before those of other studies."""
    if _folders[: len(folders)] == list(folders):
        return
    others = [other for other in _folders if other not in folders]
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if top in OURS or _folder(module, name) not in others:
            continue
        if any(Path(folder, f"{top}.py").is_file() or Path(folder, top).is_dir() for folder in folders):
            del sys.modules[name]
    _folders[:] = [*folders, *others]
    ours = [place for place in sys.path if place in _folders]
    missing = [folder for folder in folders if folder not in ours]
    order = iter(sorted([*ours, *missing], key=_folders.index))
    sys.path[:] = [next(order) if place in _folders else place for place in [*sys.path, *missing]]
    importlib.invalidate_caches()


def _folder(module: ModuleType, name: str) -> str | None:
    """The folder that a module was found in by its name; None where it was not found so."""
    file = str(getattr(module, "__file__", None) or "")
    inner = os.sep + name.replace(".", os.sep)
    for end in (f"{inner}.py", f"{inner}{os.sep}__init__.py"):
        if file.endswith(end):
            return file.removesuffix(end)
    return None


def use_packages_of(whose: str) -> None:
    """Say in messages whose packages these are, where they are not those of the user's own machine."""
    _elsewhere[:] = [whose]


def is_of_file(module: str) -> bool:
    """Whether a module is a user's file that was imported by its path."""
    return module in _written


def forget(module: str) -> None:
    """Have a user's module imported anew when it is named again, with the trainers that it registers."""
    sys.modules.pop(module, None)
    _written.pop(module, None)
    for name, trainer in list(_registered.items()):
        if trainer.train.__module__ == module:
            del _registered[name]


def _as_trainer(reference: str, attribute: str, module: ModuleType) -> Trainer:
    found = getattr(module, attribute, None)
    if found is None:
        for trainer in _registered.values():
            if trainer.name == attribute and trainer.train.__module__ == module.__name__:
                return trainer
        public = [name for name, value in vars(module).items() if isinstance(value, Trainer)]
        public += [
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ]
        near = difflib.get_close_matches(attribute, public, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownTrainer(f"{reference.rpartition(':')[0]} has no {attribute!r}{hint}")
    if isinstance(found, Trainer):
        return found
    if not callable(found):
        raise BadTrainer(f"{reference} is {type(found).__name__}, not a function train(trial)")
    _check_callable(reference, found)
    return Trainer(attribute, found)


def _check_callable(reference: str, train: Callable[..., Any]) -> None:
    """BadTrainer where train(trial) could not be called, or would do nothing."""
    kinds = {"async": inspect.iscoroutinefunction(train), "a generator": inspect.isgeneratorfunction(train)}
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
        raise BadTrainer(
            f"{reference} takes {taken}; a trainer is called as train(trial), with one argument"
        ) from error


def not_installed(error: ModuleNotFoundError) -> str:
    """The package that an import did not find, and how to come by it."""
    package = (error.name or "").partition(".")[0]
    if package in OURS and "." in (error.name or ""):
        return f"the module {error.name}; the name {package} is Goodfit's own: rename the user's {package}"
    if "." in (error.name or "") and (place := _place_of(package)) is not None:
        return f"the module {error.name}, which is not in the package {package} ({place})"
    if _elsewhere:
        return (
            f"the package {package}, which {_elsewhere[0]} lack, and no module of that name came with the study; "
            "name it under `requirements:`, or have it installed there"
        )
    wanted = f"'goodfit[{EXTRAS[package]}]'" if package in EXTRAS else package
    own = "" if package in EXTRAS else f"; if {package} is a module of your own, put it beside the file that imports it"
    return f"the package {package}, which is not installed: pip install {wanted}{own}"


def _place_of(package: str) -> str | None:
    """The folder of a package that can be imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    return next(iter(spec.submodule_search_locations or ()), None) if spec is not None else None


def not_sent(error: BaseException) -> str:
    """What to say of a file that is missing on another machine than its user's; nothing of another error."""
    if not _elsewhere or not isinstance(error, FileNotFoundError):
        return ""
    return (
        f"; {_elsewhere[0]} have the modules that the study's code imports, and no other files that lie beside it: "
        "put data where `data:` can name them, and constants into a module"
    )


def _told(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    line = "" if isinstance(error, SyntaxError) else users_line(error)  # a SyntaxError says it itself
    return (f"{type(error).__name__}: {text[0]}" if text else type(error).__name__) + line + not_sent(error)
