"""A Python file that defines a search, read and never run: its dictionaries, and what it calls with which arguments.

Constants, names that a module gives constants to, arithmetic and a few functions of mathematics are followed; anything
else is an Opaque, of which the line and the text are known.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from goodfit.search_spaces.document import MAX_CHARACTERS, Document
from goodfit.search_spaces.flaws import KeyPath, dotted
from goodfit.service.errors import InputError

MOST_NODES = 200_000
MOST_VALUES = 1_000_000  # as they are read; dictionaries that hold others twice, and these others, double in each line
LARGEST = 1e12  # of whole numbers that are computed, and of exponents
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_MATHS: Mapping[str, Callable[[float], float]] = {
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "int": int,
    "float": float,
}


@dataclass(frozen=True, slots=True)
class Opaque:
    """An expression that is not followed."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call: of which function, its last name alone, with what."""

    line: int
    name: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def get(self, place: int, *names: str) -> Any:
        """An argument by its place or one of its names; None where it is not given."""
        found = next((self.named[name] for name in names if name in self.named), None)
        return found if found is not None else self.arguments[place] if 0 <= place < len(self.arguments) else None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A function without arguments that draws a value by a call: `lambda: random.uniform(0, 1)`."""

    line: int
    value: Any


@dataclass(frozen=True, slots=True)
class Either:
    """What a script's switch decides, such as `5 if args.smoke_test else 100`: switches are off here.

    Attributes:
        text: of the whole expression.
        value: where the switch is off.
    """

    line: int
    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Table:
    """A dictionary, with the line of each key."""

    line: int
    values: Mapping[str, Any]
    lines: Mapping[str, int]


_CODE = (Opaque, Call, Drawn, Either)


@dataclass(slots=True)
class Literal:
    """A dictionary as a document, without what is code in it.

    Attributes:
        code: line, dotted key and text of what is code.
    """

    value: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    code: list[tuple[int, str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, table: Table) -> Literal:
        found = cls({})
        found.value = found._table(table, ())
        return found

    @property
    def document(self) -> Document:
        return Document(self.value, self.lines)

    def _table(self, table: Table, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in table.values.items():
            here, line = (*path, name), table.lines.get(name, table.line)
            self.lines[here] = line
            if isinstance(value, Table):
                values[name] = self._table(value, here)
            elif any(isinstance(one, _CODE) for one in (value if isinstance(value, list) else [value])):
                text = value.text if isinstance(value, (Opaque, Either)) else "with code in it"
                self.code.append((line, dotted(here), text))
            else:
                values[name] = value
        return values


class PythonFile:
    """The dictionaries and calls of a file.

    Attributes:
        name: of the file.
        defined: the functions and classes of its own, and what it imports by name.

    Args:
        text: of the file.
        name: its path or address.

    Raises:
        InputError: it is not Python, or too long.
    """

    def __init__(self, text: str, name: str) -> None:
        if len(text) > MAX_CHARACTERS:
            raise InputError(f"{name}: has more than {MAX_CHARACTERS:,} characters")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            raise InputError(f"{name}: {f'line {line}: ' if line else ''}is not Python: {error}") from error
        self._nodes = list(ast.walk(tree))
        if len(self._nodes) > MOST_NODES:
            raise InputError(f"{name}: is too long to be read")
        self.name = name
        self.defined = {one.name for one in tree.body if isinstance(one, (ast.FunctionDef, ast.ClassDef))}
        imports = [one for one in tree.body if isinstance(one, ast.ImportFrom)]
        self.defined |= {name.asname or name.name for one in imports for name in one.names}
        self._names: dict[str, ast.expr] = {}
        self._busy: set[str] = set()
        self._read = 0  # how many values, with those that names stand for
        for node in self._nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._names.setdefault(node.targets[0].id, node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                self._names.setdefault(node.target.id, node.value)

    def imports(self, package: str) -> bool:
        """Whether it imports something of a package."""
        for node in self._nodes:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == package for name in names):
                return True
        return False

    def tables(self) -> Iterator[Table]:
        """Its dictionaries, from the first line on."""
        found = sorted((one for one in self._nodes if isinstance(one, ast.Dict)), key=lambda one: one.lineno)
        for node in found:
            value = self._value(node)
            if isinstance(value, Table):
                yield value

    def calls(self) -> Iterator[Call]:
        """What it calls, from the first line on."""
        found = sorted((one for one in self._nodes if isinstance(one, ast.Call)), key=lambda one: one.lineno)
        for node in found:
            value = self._value(node)
            if isinstance(value, Call):
                yield value

    def _value(self, node: ast.expr) -> Any:
        self._read += 1
        if self._read > MOST_VALUES:
            raise InputError(
                f"{self.name}: line {node.lineno}: has more than {MOST_VALUES:,} values, with what names stand for; "
                "import a file with the search alone"
            )
        match node:
            case ast.Constant(value=value):
                return value
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self._value(item) for item in items]
            case ast.Dict():
                return self._table(node)
            case ast.Name(id=name):
                return self._named(node, name)
            case ast.UnaryOp() | ast.BinOp():
                return self._computed(node)
            case ast.Call():
                return self._call(node)
        return self._other(node)

    def _other(self, node: ast.expr) -> Any:
        match node:
            case ast.IfExp(orelse=otherwise):
                return Either(node.lineno, ast.unparse(node)[:80], self._value(otherwise))
            case ast.Attribute(value=ast.Name(id="math" | "np" | "numpy"), attr="pi" | "e" as name):
                return getattr(math, name)
            case ast.Lambda(args=ast.arguments(args=[]), body=ast.Call() as body):
                return Drawn(node.lineno, self._value(body))
        return Opaque(node.lineno, ast.unparse(node)[:80])

    def _table(self, node: ast.Dict) -> Any:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            name = self._value(key) if key is not None else None
            inner = self._value(item) if key is None else None
            if isinstance(inner, Table):  # {**others}
                values, lines = values | dict(inner.values), lines | dict(inner.lines)
            elif isinstance(name, str):
                values[name], lines[name] = self._value(item), item.lineno
            else:
                values[ast.unparse(key or item)[:80]] = Opaque(node.lineno, "a key that is no text")
        return Table(node.lineno, values, lines)

    def _named(self, node: ast.expr, name: str) -> Any:
        if name not in self._names or name in self._busy:
            return Opaque(node.lineno, name)
        self._busy.add(name)
        try:
            return self._value(self._names[name])
        finally:
            self._busy.discard(name)

    def _computed(self, node: ast.UnaryOp | ast.BinOp) -> Any:
        opaque = Opaque(node.lineno, ast.unparse(node)[:80])
        sides = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
        numbers = [self._value(side) for side in sides]
        if not all(isinstance(one, (int, float)) and abs(one) <= LARGEST for one in numbers):
            return opaque
        maker: Callable[..., Any] | None
        maker = _UNARY.get(type(node.op)) if isinstance(node, ast.UnaryOp) else _BINARY.get(type(node.op))
        if maker is None or (isinstance(node.op, ast.Pow) and abs(numbers[-1]) > 64):
            return opaque
        try:
            return maker(*numbers)
        except (ArithmeticError, ValueError):
            return opaque

    def _call(self, node: ast.Call) -> Any:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        arguments = tuple(self._argument(item) for item in node.args)
        if name in _MATHS and len(arguments) == 1 and isinstance(arguments[0], (int, float)):
            try:
                return _MATHS[name](arguments[0])
            except (ArithmeticError, ValueError):
                return Opaque(node.lineno, ast.unparse(node)[:80])
        if name == "dict" and not node.args:
            return Table(
                node.lineno,
                {one.arg: self._value(one.value) for one in node.keywords if one.arg},
                {one.arg: one.value.lineno for one in node.keywords if one.arg},
            )
        if not name:
            return Opaque(node.lineno, ast.unparse(node)[:80])
        named = {one.arg: self._argument(one.value) for one in node.keywords if one.arg}
        return Call(node.lineno, name, arguments, named)

    def _argument(self, node: ast.expr) -> Any:
        found = self._value(node)
        return found.value if isinstance(found, Either) else found
