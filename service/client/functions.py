"""A function that a study is given in Python, as a file that workers and the command line take a trainer from.

A function of a module is named by its file. One of a notebook, of the program itself or from within another function
is written down as it is, with what it refers to: a Python file with the source, for people and for tracebacks, and the
pickled form (cloudpickle), which is what runs.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import functools
import hashlib
import inspect
import io
import json
import linecache
import pickletools
import re
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.service.errors import TrainerError
from goodfit.trainers.files import replacing
from goodfit.trainers.registry import Trainer

MOST_BYTES = 256 * 2**20  # pickled
NAME = "train"  # of the function in its file
_IDENTITY = re.compile(r"^# identity: ([0-9a-f]+)$", re.MULTILINE)
_TRACKING = re.compile(rb"[0-9a-f]{32}")  # cloudpickle's mark of a class, another one in each process
_KERNEL = re.compile(r".*/ipykernel_\d+/")  # before the name of a cell, which is a hash of its text
_LINE = 100  # characters of the pickled form in each line
_DEEPEST = 4  # functions within functions that are looked through for what cannot be pickled


@dataclass(frozen=True, slots=True)
class Written:
    """A function as the text of a Python file.

    Attributes:
        name: of the function.
        text: of the file.
        identity: the same for the same function, whenever and in whichever process it was defined.
    """

    name: str
    text: str
    identity: str

    def is_in(self, file: Path) -> bool:
        """Whether the file has this function."""
        try:
            found = _IDENTITY.search(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return False
        return found is not None and found[1] == self.identity

    def write(self, file: Path) -> str:
        """Have the file hold it, and name it as a study file does."""
        if not self.is_in(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as part:
                part.write(self.text.encode())
        return f"{file}:{NAME}"


def name_of(train: object) -> str:
    """What a trainer that is given in Python is called."""
    if isinstance(train, Trainer):
        return train.name
    if isinstance(train, str):
        return train.rpartition(":")[2]
    if isinstance(train, functools.partial):
        return name_of(train.func)
    name = str(getattr(train, "__name__", type(train).__name__))
    return name if name.isidentifier() else NAME  # "<lambda>"


def reference_of(train: object) -> str | None:
    """How a study file names a trainer that lies in a module; None for one that no file has."""
    found = train.train if isinstance(train, Trainer) else train
    module, name = sys.modules.get(str(getattr(found, "__module__", ""))), str(getattr(found, "__qualname__", ""))
    file = getattr(module, "__file__", None)
    if module is None or module.__name__ == "__main__" or file is None or getattr(module, name, None) is not train:
        return None
    if any(Path(file).is_relative_to(sysconfig.get_path(place)) for place in ("purelib", "platlib", "stdlib")):
        return f"{module.__name__}:{name}"
    return f"{file}:{name}" if file.endswith(".py") else None


def written_down(train: object, *, gpus: bool = False) -> Written:
    """A function with what it refers to.

    Args:
        train: the function, or a trainer.
        gpus: whether trials have any.

    Raises:
        TrainerError: it refers to something that cannot be pickled, is too large, or needs a GPU; says what.
    """
    name = name_of(train)
    if not callable(train):
        raise TrainerError(f"{described(train)} is no trainer: give a function train(trial), or a trainer's name")
    try:
        pickled, files, on_gpu = _pickled(train)
    except Exception as error:  # whatever the user's objects raise
        raise TrainerError(f"{name} cannot be sent to workers: {_culprit(train) or error}") from error
    if on_gpu and not gpus:
        raise TrainerError(
            f"{name} takes{_of_gpu(train)} a tensor on a GPU with it, and its trials have none: move it to the CPU "
            '(.cpu()), or give resources={"gpus": 1}'
        )
    if len(pickled) > MOST_BYTES:
        raise TrainerError(
            f"{name} takes {len(pickled) / 2**20:,.0f} MiB with it{_largest(train)}, and at most "
            f"{MOST_BYTES / 2**20:.0f} MiB are sent to workers: load it within the function, or give it as `data=`"
        )
    identity = hashlib.blake2b(_TRACKING.sub(b"", pickled), digest_size=12).hexdigest()
    return Written(name, _text(name, pickled, files, identity), identity)


def described(value: object) -> str:
    """A value by its type, for messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _pickled(value: object) -> tuple[bytes, set[str], bool]:
    """By cloudpickle, with nothing of this process in it; the files of its code; whether it has tensors on a GPU."""
    import cloudpickle

    from goodfit.trainers import pickling

    files: set[str] = set()
    torch, on_gpu = sys.modules.get("torch"), False
    reduce_code = cloudpickle.Pickler.dispatch_table[types.CodeType]

    def without_process(code: types.CodeType) -> Any:
        files.add(code.co_filename)
        return reduce_code(code.replace(co_filename=_KERNEL.sub("", code.co_filename)))

    class Pickler(pickling.Pickler):
        dispatch_table = collections.ChainMap({types.CodeType: without_process}, cloudpickle.Pickler.dispatch_table)

        def reducer_override(self, obj: Any) -> Any:
            nonlocal on_gpu
            on_gpu |= torch is not None and isinstance(obj, torch.Tensor) and obj.is_cuda
            return super().reducer_override(obj)

    stream = io.BytesIO()
    with _modules_without_files_sent():
        Pickler(stream, protocol=5).dump(value)
    return stream.getvalue(), files, on_gpu


@contextlib.contextmanager
def _modules_without_files_sent() -> Iterator[None]:
    """Have what modules define that were made by hand (types.ModuleType) travel as it is: no worker can import it."""
    import cloudpickle

    given = cloudpickle.list_registry_pickle_by_value()
    made = [
        module
        for name, module in list(sys.modules.items())
        if type(module) is types.ModuleType
        and module.__spec__ is None
        and getattr(module, "__file__", None) is None
        and module.__name__ == name not in ("__main__", *given)
    ]
    for module in made:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in made:
            cloudpickle.unregister_pickle_by_value(module)


def _text(name: str, pickled: bytes, files: set[str], identity: str) -> str:
    """The Python file."""
    coded = base64.b64encode(pickled).decode()
    lines = (f'    "{coded[place : place + _LINE]}"\n' for place in range(0, len(coded), _LINE))
    sources = (
        f"    {json.dumps(_KERNEL.sub('', file))}: [\n"
        + "".join(f"        {json.dumps(line)},\n" for line in linecache.getlines(file))
        + "    ],\n"
        for file in sorted(files)
    )
    imports = "".join(f"import {module}  # noqa: F401 - what is pickled refers to it\n" for module in _modules(pickled))
    return (
        f'"""The function {name}, as it was in Python when a study was run with it. Written by goodfit.run."""\n\n'
        f"# identity: {identity}\n\n"
        f"import base64\nimport linecache\nimport os\nimport sys\n\nimport cloudpickle\n{imports}\n"
        f"if sys.version_info[:2] != {sys.version_info[:2]}:\n"
        f'    raise ImportError("{name} is of Python {sys.version_info[0]}.{sys.version_info[1]}: use that version")\n'
        f"SOURCES = {{\n{''.join(sources)}}}\n"
        "for _file, _lines in SOURCES.items():\n"
        "    if not os.path.isfile(_file):  # else tracebacks read it themselves\n"
        "        linecache.cache[_file] = (sum(map(len, _lines)), None, _lines, _file)\n\n"
        f"{NAME} = cloudpickle.loads(base64.b64decode(\n{''.join(lines)}))\n"
    )


def _modules(pickled: bytes) -> list[str]:
    """The modules of the user's own that it refers to: they travel with the file that imports them."""
    texts = (argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str))
    names = {text for text in texts if text in sys.modules and text != "__main__"}
    return sorted(name for name in names if _is_own(sys.modules[name]))


def _is_own(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None or module.__name__.partition(".")[0] in ("goodfit", *sys.stdlib_module_names):
        return False
    roots = {sysconfig.get_path(place) for place in ("purelib", "platlib", "stdlib", "platstdlib")}
    return not any(Path(file).is_relative_to(root) for root in roots)


def _culprit(train: object) -> str:
    """What of that which a function refers to cannot be pickled; empty where it cannot be told."""
    for name, value in _referred(train):
        try:
            _pickled(value)
        except Exception as error:  # noqa: BLE001 - whatever the user's objects raise
            return (
                f"it uses {name}, a {described(value)}, which cannot be pickled ({error}); make it within the function"
            )
    return ""


def _of_gpu(train: object) -> str:
    """Which of that which a function refers to has a tensor on a GPU."""
    for name, value in _referred(train):
        with contextlib.suppress(Exception):
            if _pickled(value)[2]:
                return f" {name},"
    return ""


def _largest(train: object) -> str:
    """The largest of that which a function refers to, in words."""
    sizes: dict[str, int] = {}
    for name, value in _referred(train):
        with contextlib.suppress(Exception):
            sizes[name] = len(_pickled(value)[0])
    if not sizes:
        return ""
    name = max(sizes, key=lambda one: sizes[one])
    return f", {sizes[name] / 2**20:,.0f} MiB of it {name}"


def _referred(found: Any, depth: int = 0) -> Iterator[tuple[str, object]]:
    """The names that a function has from outside of itself, with their values; those of functions in it first."""
    if isinstance(found, Trainer):
        found = found.train
    if isinstance(found, functools.partial):
        yield from ((f"the argument {name}", value) for name, value in found.keywords.items())
        yield from ((f"argument {place}", value) for place, value in enumerate(found.args))
        found = found.func
    if inspect.ismethod(found):
        yield "self", found.__self__
        found = found.__func__
    if isinstance(found, type):
        for item in vars(found).values():
            yield from _referred(item, depth)
    elif not isinstance(found, types.FunctionType) and depth == 0 and callable(found):  # an object with __call__
        yield from ((f"its attribute {name}", value) for name, value in getattr(found, "__dict__", {}).items())
        found = type(found).__call__
    if not isinstance(found, types.FunctionType) or depth > _DEEPEST:
        return
    for name, value in {**_closed_over(found), **_globals(found), **_default_values(found)}.items():
        if isinstance(value, types.FunctionType | type) and value.__module__ == found.__module__:
            yield from _referred(value, depth + 1)
        else:
            yield name, value


def _closed_over(function: types.FunctionType) -> Mapping[str, object]:
    cells: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not filled yet
            cells[name] = cell.cell_contents
    return cells


def _globals(function: types.FunctionType) -> Mapping[str, object]:
    names = [name for code in _codes(function.__code__) for name in code.co_names]
    return {name: function.__globals__[name] for name in names if name in function.__globals__}


def _default_values(function: types.FunctionType) -> Mapping[str, object]:
    """Of its parameters."""
    parameters = inspect.signature(function).parameters.values()
    return {f"the default of {one.name}": one.default for one in parameters if one.default is not one.empty}


def _codes(code: types.CodeType) -> Sequence[types.CodeType]:
    inner = [one for constant in code.co_consts if isinstance(constant, types.CodeType) for one in _codes(constant)]
    return [code, *inner]


Train = str | Trainer | Callable[..., Any]
