"""A study's own code: the files that it is made of, and where they lie on a machine that has none of them.

A study names code by a file (`tune.py:train`) or by a module (`nets.models:train`). What that code imports from beside
itself belongs to it: it travels where the code goes, and counts in its digest. Nothing is imported here to find out;
installed packages, Python's own modules and Goodfit's rooms are not the study's.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goodfit.trainers.files import replacing

OURS = "goodfit"  # no module beside a trainer takes its place
_LISTING = frozenset({"iter_modules", "walk_packages"})
_COMPUTED = _LISTING | {"import_module", "__import__", "run_path", "run_module"}


@dataclass(frozen=True, slots=True)
class Code:
    """The files of a study's own code.

    Attributes:
        root: the folder that they lie in where they come from; empty where that is no place of this machine.
        files: name, relative to the root -> content.
    """

    root: str
    files: Mapping[str, bytes]

    @property
    def digests(self) -> dict[str, str]:
        """A hash of each file."""
        return {name: hashlib.blake2b(content, digest_size=8).hexdigest() for name, content in self.files.items()}


@dataclass(slots=True)
class Found:
    """What was found to belong to some code.

    Attributes:
        files: in the order in which they were found.
        folders: where Python looks for what the study itself names.
        named: files beside it that are no modules, which it names and which therefore it may read.
        named_alike: files beside it whose names Python's own modules or installed packages have, which go first.
    """

    files: dict[Path, None] = field(default_factory=dict)
    folders: dict[Path, None] = field(default_factory=dict)
    named: dict[Path, None] = field(default_factory=dict)
    named_alike: dict[Path, None] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The folder that all files lie in."""
        return Path(os.path.commonpath([*self.folders, *(file.parent for file in self.files)]))

    @property
    def hidden(self) -> list[Path]:
        """Files beside it that no import gives, because an installed package or a module of Python's own goes first."""
        return [file for file in self.named_alike if file not in self.files]

    def code(self) -> Code:
        """With the files' contents; OSError where one cannot be read."""
        root = self.root
        return Code(str(root), {file.relative_to(root).as_posix(): file.read_bytes() for file in self.files})


def find_code(references: Iterable[str], folders: Sequence[str] = ()) -> Found:
    """The files of the code that a study names.

    Args:
        references: `/path/to/file.py:name`, or `module:name` of a module in one of the folders; others are left out.
        folders: where modules are found, after those beside a file.
    """
    found = Found()
    for reference in references:
        place, colon, _ = reference.rpartition(":")
        if ".py:" in reference:
            file = Path(os.path.abspath(place))  # noqa: PTH100 - a link keeps its name, beside its neighbours
            if file.is_file():
                found.folders[package_root(file)] = None
                _add(found, file, tuple(dict.fromkeys((file.parent, package_root(file), *map(Path, folders)))))
        elif colon:
            folder = _add_module(found, place, tuple(Path(folder) for folder in folders))
            if folder is not None:
                found.folders[folder] = None
    return found


def _add(found: Found, file: Path, folders: tuple[Path, ...]) -> None:
    if file in found.files:
        return
    found.files[file] = None
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return  # the import says what is wrong with it
    if _changes_path(tree):
        folders = tuple(dict.fromkeys((*folders, *_folders_added(file, tree))))
    for level, name in _imports(tree):
        if level and level <= len(file.parents):
            package = file.parents[level - 1]
            _add_packages(found, package, folders)
            _add_module(found, name, (package,), within=folders)
        elif not level:
            _add_module(found, name, folders)
    if _calls(tree, _COMPUTED):
        _add_neighbours(found, file, folders)
        _add_named_packages(found, tree, folders)
    for text in _texts(tree):
        _add_file(found, file.parent, text, folders)
        beside = _beside(file.parent, text)
        if beside is not None:
            found.named[beside] = None


def _add_packages(found: Found, package: Path, folders: tuple[Path, ...]) -> None:
    """The `__init__.py` of a package and of those that it lies in."""
    while (init := package / "__init__.py").is_file():
        _add(found, init, (*folders, package_root(init)))
        package = package.parent


def _add_module(
    found: Found, name: str, folders: tuple[Path, ...], *, within: tuple[Path, ...] | None = None
) -> Path | None:
    """A module with the packages that it lies in; the one of the folders that has it, None where it is not theirs.

    `within`: where it finds modules itself, if it is imported relatively.
    """
    relative = within is not None
    first, *_ = parts = name.split(".") if name else [""]
    if not relative and (first == OURS or _goes_first(first)):
        _note_named_alike(found, first, folders)
        return None
    for folder in folders:
        place = folder
        looks = (folder, *folders) if within is None else within
        for part in parts:
            if part and (file := place / f"{part}.py").is_file() and not (place / part / "__init__.py").is_file():
                _add(found, file, looks)
                break
            place = place / part
            if (init := place / "__init__.py").is_file():
                _add(found, init, looks)
            elif not place.is_dir():
                break
        if (folder / first).is_dir() or (folder / f"{first}.py").is_file():
            return folder
    return None


def _add_file(found: Found, folder: Path, text: str, folders: tuple[Path, ...]) -> None:
    """A Python file beside a module that a text in it names, such as `spec_from_file_location("a", "parts/a.py")`."""
    if not text.endswith(".py"):
        return
    with contextlib.suppress(OSError, ValueError):
        places = [folder / text, *(sub / text for sub in sorted(folder.iterdir()) if sub.is_dir())]
        for place in places:
            if place.is_file() and not Path(text).is_absolute():
                _add(found, Path(os.path.normpath(place)), folders)
                return


def _add_neighbours(found: Found, file: Path, folders: tuple[Path, ...]) -> None:
    """All modules beside a file that imports by names it makes up; of a package, with its subpackages."""
    package = (file.parent / "__init__.py").is_file()
    for beside in sorted(file.parent.rglob("*.py") if package else file.parent.glob("*.py")):
        _add(found, beside, folders)


def _add_named_packages(found: Found, tree: ast.Module, folders: tuple[Path, ...]) -> None:
    """All modules of the packages that a file names in texts such as `"nets." + name`, or imports to list them."""
    names = {first for text in _texts(tree) if (first := text.partition(".")[0]).isidentifier()}
    if _calls(tree, _LISTING):
        names |= {name.partition(".")[0] for level, name in _imports(tree) if not level}
    for name in sorted(names - {OURS}):
        package = next((folder / name for folder in folders if (folder / name).is_dir()), None)
        if package is not None and not _goes_first(name):
            for module in sorted(package.rglob("*.py")):
                _add(found, module, (*folders, package.parent))


def _note_named_alike(found: Found, name: str, folders: tuple[Path, ...]) -> None:
    """Note a file beside the code that is not what `import name` gives."""
    places = (folder / end for folder in folders for end in (f"{name}.py", f"{name}/__init__.py"))
    if name != OURS and (file := next((place for place in places if place.is_file()), None)) is not None:
        found.named_alike[file] = None


def package_root(file: Path) -> Path:
    """The folder that Python has to look in to find a file's package; of a file in no package, its own."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def module_folders(folder: Path) -> list[str]:
    """Where modules are found of code that was laid down in a folder: there, and where its files and packages lie."""
    files = sorted(folder.rglob("*.py"))
    return [str(place) for place in dict.fromkeys([folder, *map(package_root, files)])] if files else []


def imports_relatively(file: Path) -> bool:
    """Whether a file imports from the package that it lies in by `from . import ...`."""
    if not (file.parent / "__init__.py").is_file():
        return False
    try:
        return any(level for level, _ in _imports(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError, OSError, RecursionError):
        return False


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module that a file may import, wherever in it: its level, 0 for an absolute name, and its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""
            before = f"{node.module}." if node.module else ""
            yield from ((node.level, before + alias.name) for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and (name := _literal_import(node)) is not None:
            yield len(name) - len(name.lstrip(".")), name.lstrip(".")


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _literal_import(node: ast.Call) -> str | None:
    """The module of `importlib.import_module("shapes")`."""
    if _called(node) not in ("import_module", "__import__") or not node.args:
        return None
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _calls(tree: ast.Module, functions: frozenset[str]) -> bool:
    """Whether a file calls one of these functions, with another argument than the name of one module."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(_called(call) in functions and _literal_import(call) is None for call in calls)


def _changes_path(tree: ast.Module) -> bool:
    """Whether a file has Python look for modules in further folders."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "path")
    return any(isinstance(node.value, ast.Name) and node.value.id == "sys" for node in attributes)


def _folders_added(file: Path, tree: ast.Module) -> Iterator[Path]:
    """The folders that a file may add to sys.path: those that it lies in, and those that its texts name there."""
    above = file.parents[:3]
    yield from above
    for text in _texts(tree):
        for folder in above:
            with contextlib.suppress(OSError, ValueError):
                if (place := Path(os.path.normpath(folder / text))).is_dir():
                    yield place


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) <= 200:
            yield node.value


def _beside(folder: Path, text: str) -> Path | None:
    """The file beside a module that a text in it names."""
    try:
        path = folder / text
        is_data = path.suffix not in ("", ".py", ".yaml", ".yml") and path.is_file() and not Path(text).is_absolute()
    except (OSError, ValueError):
        return None
    return path if is_data else None


def _goes_first(name: str) -> bool:
    """Whether Python finds a module of this name before one beside a trainer."""
    return name in sys.stdlib_module_names or _installed(name)


@functools.lru_cache(maxsize=1024)
def _installed(name: str) -> bool:
    """Whether a top-level module is of an installed package, which goes before one beside a trainer."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return any(Path(place).is_relative_to(root) for place in places for root in _installed_roots())


@functools.cache
def _installed_roots() -> tuple[str, ...]:
    paths = [sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")]
    return tuple(dict.fromkeys([*paths, *site.getsitepackages(), site.getusersitepackages()]))


def placed(code: Code) -> Path:
    """Where the code lies on this machine: where it comes from, if it lies there just so; else in a copy.

    Beside a copy is what lies beside the original, where that is here but was written meanwhile.
    """
    if code.root and all(_has(Path(code.root, name), content) for name, content in code.files.items()):
        return Path(code.root)
    digest = hashlib.blake2b(repr((code.root, sorted(code.digests.items()))).encode(), digest_size=12).hexdigest()
    folder = _own_folder() / digest
    for name, content in code.files.items():
        file = folder / name
        if not _has(file, content):
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as copy:  # other workers may be writing it as well
                copy.write(content)
    if code.root:
        for place in {file.parent for file in map(Path, code.files)}:
            _link_beside(Path(code.root) / place, folder / place)
    return folder


def _has(file: Path, content: bytes) -> bool:
    try:
        return file.read_bytes() == content
    except OSError:
        return False


def _own_folder() -> Path:
    """A folder for copies of code that nobody else can write in."""
    folder = Path(tempfile.gettempdir()) / f"goodfit-code-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid == os.getuid() and not found.st_mode & 0o077 and not folder.is_symlink():
        return folder
    return Path(tempfile.mkdtemp(prefix="goodfit-code-"))


def _link_beside(original: Path, copy: Path) -> None:
    if not original.is_dir():
        return
    for item in original.iterdir():
        link = copy / item.name
        if not link.exists() and not link.is_symlink() and item.name != "__pycache__":
            link.symlink_to(item)


def moved(reference: str, root: str, place: str) -> str:
    """A reference to a file below `root` as it is below `place`; any other as it is."""
    return f"{place}{reference[len(root) :]}" if reference == root or reference.startswith(f"{root}/") else reference


def code_file(reference: str, files: Container[str]) -> str | None:
    """The file that `nets/models.py:train` or `nets.models:train` names among those of a study; None: none of them."""
    place, colon, _ = reference.rpartition(":")
    module = place.replace(".", "/")
    wanted = (place,) if place.endswith(".py") else (f"{module}.py", f"{module}/__init__.py")
    return next((name for name in wanted if name in files), None) if colon else None
