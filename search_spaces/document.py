"""A YAML 1.2 file as plain values, with the line of every key and entry.

What the values mean is not known here. Every key is text, dates are text, and the words yes, no, on
and off, which YAML 1.1 read as true and false, come as BareWord when they stand without quotes, so
that whoever reads them can ask what was meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

KeyPath = tuple[str | int, ...]

MAX_NODES = 100_000  # aliases of aliases can make a small file explode
_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + kind for kind in ("null", "bool", "int", "float"))
_MERGE = _TAG + "merge"
_TEXTS = frozenset({_MERGE, *(_TAG + kind for kind in ("str", "timestamp", "value"))})
_COLLECTIONS = frozenset(_TAG + kind for kind in ("map", "seq"))


class BareWord(str):
    """yes, no, on or off without quotes: text in YAML 1.2, a boolean in YAML 1.1."""

    __slots__ = ()

    @property
    def boolean(self) -> str:
        """What YAML 1.1 read it as, as YAML 1.2 writes it."""
        return "true" if self.lower() in ("yes", "on") else "false"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong in a file; `line` counts from 1, 0 means the file as a whole."""

    line: int
    key: str  # dotted
    text: str


class DocumentError(ValueError):
    """The file cannot be read as YAML; `flaws` says why."""

    def __init__(self, flaws: list[Flaw]) -> None:
        self.flaws = flaws
        super().__init__("; ".join(f"line {flaw.line}: {flaw.text}" if flaw.line else flaw.text for flaw in flaws))


@dataclass(frozen=True)
class Document:
    """The values of a file and where they stand."""

    value: object
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int:
        """The line of a key or entry, or of the nearest one around it; 0: none is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def dotted(path: KeyPath) -> str:
    """A key path as messages write it: budget.trials."""
    return ".".join(str(part) for part in path)


def read_file(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        DocumentError: it is missing, unreadable, or not YAML; all duplicate keys are named at once.
    """
    try:
        return read_text(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        text = f"there is no such file{nearest_file(path)}"
    except IsADirectoryError:
        text = "is a folder, not a YAML file"
    except UnicodeDecodeError as error:
        text = f"is not UTF-8 text (byte {error.start})"
    except OSError as error:
        text = f"cannot be read: {error.strerror or error}"
    raise DocumentError([Flaw(0, "", text)])


def nearest_file(path: Path) -> str:
    """The end of a message about a file that is not there: the one beside it whose name is the most alike."""
    try:
        near = difflib.get_close_matches(path.name, [item.name for item in path.parent.iterdir()], n=1, cutoff=0.5)
    except OSError:  # the folder is not there either, or not to be looked into
        return ""
    return f"; did you mean {near[0]}?" if near else ""


def read_text(text: str) -> Document:
    """Read YAML from a text; see read_file."""
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        if root is None:
            return Document(None)
        builder = _Builder(yaml)
        value = builder.value(root, ())
    except MarkedYAMLError as error:
        raise DocumentError([_flaw(error)]) from error
    except (YAMLError, ValueError) as error:
        raise DocumentError([Flaw(0, "", f"is not YAML: {str(error).splitlines()[0]}")]) from error
    except RecursionError as error:
        raise DocumentError([Flaw(0, "", "is nested too deeply")]) from error
    if builder.flaws:
        raise DocumentError(builder.flaws)
    return Document(value, builder.lines)


class _Builder:
    """Makes plain values of YAML's nodes; notes lines and flaws by the way."""

    def __init__(self, yaml: YAML) -> None:
        self._yaml = yaml
        self._open: list[Node] = []
        self._count = 0
        self.lines: dict[KeyPath, int] = {}
        self.flaws: list[Flaw] = []

    def value(self, node: Node, path: KeyPath) -> object:
        self._count += 1
        if any(node is outer for outer in self._open):
            self._flaw(node, path, "refers to itself")
            return None
        if self._count > MAX_NODES:
            if self._count == MAX_NODES + 1:
                self._flaw(node, path, f"the file has more than {MAX_NODES} values")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if node.tag not in _COLLECTIONS:
            self._flaw(node, path, f"the tag {node.tag} means nothing here; leave it out")
            return None
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            return [self.value(item, here) for here, item in self._entries(node, path)]
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._flaw(key_node, path, "a key must be a word, not a list or a mapping")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key_node.tag == _MERGE:
                self._flaw(
                    key_node, path, "<< is a merge key of YAML 1.1; write the keys out, or alias the whole value"
                )
                continue
            if key in found:
                first = self.lines[here]
                self.flaws.append(Flaw(line, dotted(here), f"{key} is there twice, first on line {first}; keep one"))
                continue
            self.lines[here] = line
            found[key] = self.value(value_node, here)
        return found

    def _entries(self, node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Node]]:
        for index, item in enumerate(node.value):
            here = (*path, index)
            self.lines[here] = item.start_mark.line + 1
            yield here, item

    def _scalar(self, node: ScalarNode, path: KeyPath) -> object:
        text = str(node.value)
        if node.tag in _SCALARS:
            try:
                value: object = self._yaml.constructor.construct_object(node)
            except (ValueError, OverflowError):
                self._flaw(node, path, f"{text!r} is not what its tag says")
                return None
            return value
        if node.tag not in _TEXTS:
            self._flaw(node, path, f"the tag {node.tag} means nothing here; leave it out")
        if node.style is None and text.lower() in ("yes", "no", "on", "off"):
            return BareWord(text)
        return text

    def _flaw(self, node: Node, path: KeyPath, text: str) -> None:
        self.flaws.append(Flaw(node.start_mark.line + 1, dotted(path), text))


def _flaw(error: MarkedYAMLError) -> Flaw:
    mark = error.problem_mark or error.context_mark
    problem = " ".join((error.problem or error.context or "it cannot be parsed").split())
    if "'\\t'" in problem:
        problem += "; indent with spaces, not tabs"
    if "another document" in problem:
        problem += "; one study or space a file"
    if mark is None:
        return Flaw(0, "", f"is not YAML: {problem}")
    return Flaw(mark.line + 1, "", f"is not YAML: {problem} (column {mark.column + 1})")
