"""A study's own modules: imported from its files, and what is missing in them told.

Modules beside a file are found while it is in use, and not those beside the file of another study.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
import re
import sys
import typing
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from goodfit.spelling import close
from goodfit.trainers.code import OURS, imports_relatively, package_root
from goodfit.trainers.errors import BadTrainer, UnknownTrainer
from goodfit.trainers.lines import users_line
from goodfit.trainers.own_searches import ScriptLoader

EXTRAS = {  # optional packages that an extra of ours brings, in versions that suit
    "lightning": "lightning",
    "transformers": "hugging-face",
    "accelerate": "hugging-face",
    "keras": "keras",
    "peft": "lora",
    "gymnasium": "rl",
    "stable_baselines3": "rl",
}
_written: dict[str, int] = {}  # module of a user's file -> when the file was written, as it was imported
_folders: list[str] = []  # of users' files: the one in use first
_elsewhere: list[str] = []  # whose packages these are, where they are not the user's own: "the server", "the workers"


def import_function(path: Path, name: str) -> Callable[..., Any]:
    """A function that a study names by `path.py:name`, for its data.

    Raises:
        UnknownTrainer: no such file or function; the nearest name is suggested.
        BadTrainer: the file fails on import, or the name is no function.
    """
    forget_changed(path)
    module = import_file(path)
    found = getattr(module, name, None)
    if found is None:
        public = [
            known for known, value in vars(module).items() if callable(value) and value.__module__ == module.__name__
        ]
        near = close(name, public)
        raise UnknownTrainer(f"{path} has no {name!r}{f'; did you mean {near}?' if near else ''}")
    if not callable(found):
        raise BadTrainer(f"{path}:{name} is {type(found).__name__}, not a function")
    return typing.cast("Callable[..., Any]", found)


def forget_changed(path: Path) -> None:
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


def import_file(path: Path) -> ModuleType:
    """The module of a user's file, imported if it is not yet; UnknownTrainer and BadTrainer as by import_function."""
    if not path.is_file():
        raise UnknownTrainer(f"no file {path} to take a trainer from")
    name = _module_name(path)
    _enter(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadTrainer(f"{path} is not a Python file")
    if type(spec.loader) is SourceFileLoader:
        spec.loader = ScriptLoader(name, str(path))
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
        raise BadTrainer(f"importing {path} failed: {described(error)}") from error
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
        if top == OURS or _folder(module, name) not in others:
            continue
        if any(Path(folder, f"{top}.py").is_file() or Path(folder, top).is_dir() for folder in folders):
            del sys.modules[name]
    _folders[:] = [*folders, *others]
    ours = [place for place in sys.path if place in _folders]
    missing = [folder for folder in folders if folder not in ours]
    order = iter(sorted([*ours, *missing], key=_folders.index))
    sys.path[:] = [next(order) if place in _folders else place for place in [*sys.path, *missing]]
    importlib.invalidate_caches()


def leave_source_tree() -> None:
    """Where Goodfit runs from its source, have nothing else of that folder found: a study's package may be `service`.

    For processes that import the code of studies on behalf of a service.
    """
    own = Path(__file__).parents[2]
    if (own / "pyproject.toml").is_file():
        sys.path[:] = [place for place in sys.path if place != str(own)]


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
    """Have a user's module imported anew when it is named again."""
    sys.modules.pop(module, None)
    _written.pop(module, None)


def not_installed(error: ModuleNotFoundError) -> str:
    """The package that an import did not find, and how to come by it; in its own words where it names none."""
    if not error.name:  # such as optuna.integration, whose parts are a package apart
        return f"a package that is not installed: {' '.join(str(error).split())}"
    package = (error.name or "").partition(".")[0]
    if package == OURS and "." in (error.name or ""):
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


def _of_merge(error: SyntaxError) -> str:
    """What to do about a conflict of a merge that git has left in a file."""
    return "; resolve the merge conflict that begins there" if (error.text or "").startswith("<<<<<<<") else ""


def described(error: BaseException) -> str:
    """An error in one line."""
    text = str(error).strip().splitlines()
    line = _of_merge(error) if isinstance(error, SyntaxError) else users_line(error)  # a SyntaxError says its line
    return (f"{type(error).__name__}: {text[0]}" if text else type(error).__name__) + line + not_sent(error)
