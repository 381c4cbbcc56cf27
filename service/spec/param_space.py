"""The `param_space` of a user's Ray Tune script, found in its file without running it.

It is what the script gives to its `tune.Tuner(...)` (or `tune.run(..., config=...)`), or a mapping of the module that
has a domain of Ray Tune in it. The expression is evaluated where it stands, entry by entry: names are those of the
module and what the same function or `if __name__ == "__main__":` assigns above. Only Ray Tune's, NumPy's and Python's
own functions are called; what depends on anything else is known when the script runs, and is named.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from goodfit.search_spaces.ray_tune import Converted, converted, is_param_space
from goodfit.service.errors import did_you_mean
from goodfit.trainers.errors import BadTrainer, UnknownTrainer
from goodfit.trainers.importing import import_file

USUAL_NAMES = ("param_space", "search_space", "space", "config")
_CALLED = ("ray.tune", "numpy", "math", "random", "builtins")  # where functions come from that an expression may call
_STARTS = {"Tuner": ("param_space", 1), "run": ("config", None)}  # the call -> its keyword
_REQUESTS = "with_resources"


@dataclass
class Found:
    """A `param_space` as far as it could be evaluated.

    Attributes:
        values: by key, as Ray Tune has them.
        unknown: keys of what is known only when the script runs.
    """

    values: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def converted(self) -> Converted:
        """As parameters of ours; what is not known is left out."""
        found = converted(self.values)
        why = "it is known only when the script runs; give it under `fixed:`"
        found.left_out += [(name, why) for name in self.unknown]
        return found


def named_space(file: Path, name: str) -> Found:
    """The mapping that a study names by `space: file.py:name`.

    Raises:
        UnknownTrainer: there is no such file or name; the nearest name is suggested.
        BadTrainer: the file fails on import, or it is no mapping.
    """
    module = import_file(file)
    if not hasattr(module, name):
        known = [key for key, value in vars(module).items() if is_param_space(value)]
        hint = did_you_mean(name, known) if known else "and no mapping with a domain of Ray Tune in it"
        raise UnknownTrainer(f"{file} has no {name!r}; {hint}")
    value = getattr(module, name)
    if not isinstance(value, Mapping):
        raise BadTrainer(f"{file}:{name} is {type(value).__name__}, not a mapping such as {{'lr': tune.uniform(0, 1)}}")
    return Found(dict(value))


def own_space(module: ModuleType, trainer: str) -> Found | None:
    """The `param_space` that a script gives to this trainer; None where there is none to be found.

    Raises:
        BadTrainer: there are several, and nothing tells which of them is meant.
    """
    tree = _tree(module)
    calls = [call for call in _starts(tree) if call.space is not None] if tree is not None else []
    mine = [call for call in calls if trainer in call.trainers] or calls
    if mine:
        return mine[0].evaluated(module)
    known = {key: value for key, value in vars(module).items() if is_param_space(value)}
    usual = [name for name in USUAL_NAMES if name in known] or list(known)
    if len(usual) > 1 and usual[0] not in USUAL_NAMES:
        raise BadTrainer(f"{', '.join(usual)} may each be meant; write `space: FILE.py:{usual[0]}`, for example")
    return Found(dict(known[usual[0]])) if usual else None


def own_request(module: ModuleType, trainer: str) -> Any:
    """What a script requests of the cluster for this trainer where it starts its search; None: nothing that is known.

    That is the second argument of tune.with_resources, or `resources_per_trial` of tune.run.
    """
    tree = _tree(module)
    for call in _starts(tree) if tree is not None else ():
        if trainer in call.trainers and call.request is not None:
            try:
                return evaluated(call.request, _Names(module, call.assigned))
            except _NotKnown:
                return None
    return None


@dataclass
class _Start:
    """A call that starts a search: its space, the names in its first argument, and what was assigned above it."""

    space: ast.expr | None
    trainers: set[str]
    assigned: Mapping[str, ast.expr]
    request: ast.expr | None = None

    def evaluated(self, module: ModuleType) -> Found:
        found = Found()
        names = _Names(module, self.assigned)
        if self.space is not None:
            _evaluate(self.space, names, found.values, found.unknown, "")
        return found


def _tree(module: ModuleType) -> ast.Module | None:
    file = Path(str(getattr(module, "__file__", None) or ""))
    if file.suffix != ".py" or not file.is_file():
        return None
    return ast.parse(file.read_text(encoding="utf-8", errors="replace"))


def _starts(tree: ast.Module) -> Iterator[_Start]:
    """The calls that start a search, those of the module and of its `if` first."""
    yield from _in_scope(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _in_scope(node.body)


def _in_scope(body: list[ast.stmt]) -> Iterator[_Start]:
    nodes = [node for statement in body for node in _walk(statement)]
    assigned = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        keyword, place = _STARTS.get(called, (None, None))
        given = {item.arg: item.value for item in node.keywords}
        first = node.args[0] if node.args else given.get("trainable")
        if place is not None and len(node.args) > place:
            given.setdefault(keyword, node.args[place])
        if keyword is not None and first is not None:
            request = _request(first, assigned) or given.get("resources_per_trial")
            yield _Start(given.get(keyword), _names_in(first, assigned), assigned, request)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is in it, but no functions and classes: those are scopes of their own."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return
    yield node
    for inner in ast.iter_child_nodes(node):
        yield from _walk(inner)


def _request(node: ast.expr, assigned: Mapping[str, ast.expr]) -> ast.expr | None:
    """The resources that a trainable is wrapped with by tune.with_resources, also under a name that it was given."""
    if isinstance(node, ast.Name) and node.id in assigned:
        node = assigned[node.id]
    for call in ast.walk(node):
        name = getattr(getattr(call, "func", None), "attr", None) or getattr(getattr(call, "func", None), "id", None)
        if isinstance(call, ast.Call) and name == _REQUESTS:
            given = {item.arg: item.value for item in call.keywords}
            return call.args[1] if len(call.args) > 1 else given.get("resources")
    return None


def _names_in(node: ast.expr, assigned: Mapping[str, ast.expr]) -> set[str]:
    """The names in an expression, and in what its names were assigned."""
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    more = {
        inner.id
        for name in names
        if name in assigned
        for inner in ast.walk(assigned[name])
        if isinstance(inner, ast.Name)
    }
    return names | more


class _NotKnown(Exception):
    """A value that only the running script has."""


class _Later:
    """What is not known here. It is false: a script's switches, such as --smoke-test, are off."""

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> _Later:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class _Names(dict[str, Any]):
    """What names stand for: what was assigned in the same scope, then the module's, then Python's own."""

    def __init__(self, module: ModuleType, assigned: Mapping[str, ast.expr]) -> None:
        super().__init__()
        self._module, self._assigned = vars(module), assigned
        self._open: set[str] = set()

    def __missing__(self, name: str) -> Any:
        if name in self._assigned and name not in self._open:
            self._open.add(name)
            try:
                return evaluated(self._assigned[name], self)
            except _NotKnown:
                return _Later()
            finally:
                self._open.discard(name)
        return self._module.get(name, getattr(builtins, name, _Later()))


def _evaluate(node: ast.expr, names: _Names, values: dict[str, Any], unknown: list[str], above: str) -> None:
    """Evaluate a mapping entry by entry, so that one that is not known leaves the others."""
    while isinstance(node, ast.Name) and node.id in names._assigned:  # noqa: SLF001
        node = names._assigned[node.id]  # noqa: SLF001
    if not isinstance(node, ast.Dict):
        try:
            found = evaluated(node, names)
        except _NotKnown:
            found = None
        if isinstance(found, Mapping):
            values.update(found)
        else:
            unknown.append(above.rstrip(".") or "param_space")
        return
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        if key_node is None:  # **another
            _evaluate(value_node, names, values, unknown, above)
            continue
        try:
            key = str(evaluated(key_node, names))
        except _NotKnown:
            unknown.append(f"{above}{ast.unparse(key_node)}")
            continue
        try:
            if isinstance(value_node, ast.Dict):
                values[key] = {}
                _evaluate(value_node, names, values[key], unknown, f"{above}{key}.")
            else:
                values[key] = evaluated(value_node, names)
        except _NotKnown:
            unknown.append(f"{above}{key}")


def evaluated(node: ast.expr, names: _Names) -> Any:
    """The value of an expression; _NotKnown where it depends on what only the running script has."""
    for call in _walk(node):
        if isinstance(call, ast.Call) and not _may_call(call.func, names):
            raise _NotKnown
    try:
        value = eval(compile(ast.Expression(node), "<param_space>", "eval"), {}, names)  # noqa: S307 - of the user's file
    except Exception as error:
        raise _NotKnown from error
    if _is_later(value):
        raise _NotKnown
    return value


def _is_later(value: Any) -> bool:
    """Whether a value is not known, or has one in it that is not."""
    if isinstance(value, Mapping):
        return any(map(_is_later, value.values()))
    return isinstance(value, _Later) or (isinstance(value, (list, tuple)) and any(map(_is_later, value)))


def _may_call(function: ast.expr, names: _Names) -> bool:
    if not isinstance(function, (ast.Name, ast.Attribute)):
        return False
    try:
        found = eval(compile(ast.Expression(function), "<param_space>", "eval"), {}, names)  # noqa: S307
    except Exception:  # noqa: BLE001 - whatever it is, it is not known
        return False
    home = getattr(found, "__module__", None) or type(getattr(found, "__self__", None)).__module__
    return any(home == name or str(home).startswith(f"{name}.") for name in _CALLED)
