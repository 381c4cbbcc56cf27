"""A YAML 1.2 file as plain values, with the line of every key and entry.

What the values mean is not known here. Every key is text, dates are text, and the words yes, no, on
and off, which YAML 1.1 read as true and false, come as BareWord when they stand without quotes, so
that whoever reads them can ask what was meant.

libyaml splits the text (20 times as fast as a scanner in Python), and its events are read one by one, so that any
text has its answer in bounded time: what is too long, too deep or too much is refused when the limit is reached.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from goodfit.search_spaces.scalars import shortened

KeyPath = tuple[str | int, ...]

MAX_CHARACTERS = 1024 * 1024  # of a file
MAX_EXPANDED = 2 * MAX_CHARACTERS  # of all texts in it, where an alias counts as what it stands for
MAX_NODES = 100_000  # values; aliases of aliases can make a small file explode
MAX_DEPTH = 64  # of lists and mappings within each other
MAX_FLAWS = 100  # are listed; whoever made more will find the others after these
MORE = f"more than {MAX_FLAWS} things are wrong; the first {MAX_FLAWS} are listed"
MAX_DIGITS = 400  # of a number: more are no float
_MAX_DIRECTIVES = 100  # libyaml compares each with all others

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_TEXTS = frozenset({_MERGE, *(_TAG + kind for kind in ("str", "timestamp", "value"))})
_COLLECTIONS = frozenset(_TAG + kind for kind in ("map", "seq"))

# The core schema of YAML 1.2, and digits may be grouped: 1_000.
_WORDS: Final[Mapping[str, object]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?")
# What JSON writes for a character past U+FFFF, and libyaml refuses; after an even number of backslashes.
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2}))")
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    _TAG + "null": (type(None),),
    _TAG + "bool": (bool,),
    _TAG + "int": (int,),
    _TAG + "float": (int, float),
}
_PARSER: Final[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


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


class TooManyProblems(Exception):
    """So much is wrong that the rest is not looked for."""


class Problems(list[tuple[KeyPath, str]]):
    """What is wrong: (path of the key, text). TooManyProblems ends the reading where there are more than MAX_FLAWS."""

    def append(self, problem: tuple[KeyPath, str]) -> None:
        if len(self) >= MAX_FLAWS:
            raise TooManyProblems
        super().append(problem)


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
        with path.open(encoding="utf-8-sig") as file:
            return read_text(file.read(MAX_CHARACTERS + 1))
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
    if len(text) > MAX_CHARACTERS:
        raise DocumentError([Flaw(0, "", f"has more than {MAX_CHARACTERS:,} characters; shorten it")])
    if len(re.findall(r"^%", text, re.MULTILINE)) > _MAX_DIRECTIVES:
        raise DocumentError([Flaw(0, "", f"has more than {_MAX_DIRECTIVES} directives (%...); leave them out")])
    builder = _Builder()
    text, pairs = _without_pairs(text)
    try:
        root = _compose(text, pairs)
        if root is None:
            return Document(None)
        value = builder.value(root, ())
    except yaml.MarkedYAMLError as error:
        raise DocumentError([_flaw(error, text)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError([Flaw(0, "", f"is not YAML: {str(error).splitlines()[0]}")]) from error
    except _TooMuch as error:
        raise DocumentError([*builder.flaws, error.flaw]) from error
    if builder.flaws:
        raise DocumentError(builder.flaws)
    return Document(value, builder.lines)


def _without_pairs(text: str) -> tuple[str, dict[str, str]]:
    """A text whose pairs of surrogates are one escape each, and what was written for each of these.

    JSON is YAML, and writes an emoji as two escapes. Where a text has long escapes of its own, or writes one pair in
    two ways, it is left as it is: outside of double quotes they could not be told apart.
    """
    pairs: dict[str, str] = {}
    written = {found[2] for found in _PAIR.finditer(text)}
    if "\\U" in text or len({pair.lower() for pair in written}) < len(written):
        return text, pairs

    def joined(found: re.Match[str]) -> str:
        code = 0x10000 + ((int(found[3], 16) - 0xD800) << 10) + int(found[4], 16) - 0xDC00
        escape = f"\\U{code:08X}"
        pairs.setdefault(escape, found[2])
        return found[1] + escape

    return _PAIR.sub(joined, text), pairs


class _TooMuch(Exception):
    def __init__(self, line: int, path: KeyPath, text: str) -> None:
        self.flaw = Flaw(line, shortened(dotted(path)), text)


@dataclass(slots=True, eq=False)
class _Node:
    """A value of the text: a scalar's text, a list's nodes, or a mapping's keys and values in turns."""

    kind: str  # scalar, seq, map
    tag: str | None
    line: int
    plain: bool = False  # a scalar without quotes
    text: str = ""
    items: list[_Node] = field(default_factory=list)


class _Composer:
    """Makes nodes of a text's events, without recursion: a deep text would end a recursive parser, and Python with it.

    yaml's own composer is recursive.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self.root: _Node | None = None
        self._pairs = pairs
        self._open: list[_Node] = []
        self._anchors: dict[str, _Node] = {}
        self._count = 0

    def take(self, event: Any) -> None:
        match event:
            case yaml.CollectionEndEvent():
                self._open.pop()
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    raise _error(event, f"found undefined alias {event.anchor[:100]!r}")
                self._put(self._anchors[event.anchor], event)
            case yaml.NodeEvent():
                node = _node(event)
                if self._pairs and isinstance(event, yaml.ScalarEvent) and event.style != '"':  # where escapes are none
                    node.text = re.sub(r"\\U[0-9A-F]{8}", lambda found: self._pairs[found[0]], node.text)
                if event.anchor:
                    self._anchors[event.anchor] = node
                self._put(node, event)
                if isinstance(event, yaml.CollectionStartEvent):
                    self._enter(node)
            case yaml.DocumentStartEvent() if self.root is not None:
                raise _error(event, "but found another document")

    def _put(self, node: _Node, event: Any) -> None:
        self._count += 1
        if self._count > 2 * MAX_NODES:  # keys are nodes, too
            raise _TooMuch(event.start_mark.line + 1, (), f"the file has more than {MAX_NODES} values")
        if self._open:
            self._open[-1].items.append(node)
        else:
            self.root = node

    def _enter(self, node: _Node) -> None:
        self._open.append(node)
        if len(self._open) > MAX_DEPTH:
            raise _TooMuch(0, (), f"is nested too deeply, in more than {MAX_DEPTH} lists and mappings")


def _compose(text: str, pairs: Mapping[str, str]) -> _Node | None:
    parser = _PARSER(text)
    composer = _Composer(pairs)
    try:
        while (event := parser.get_event()) is not None:
            composer.take(event)
    finally:
        parser.dispose()
    return composer.root


def _error(event: Any, text: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=event.start_mark)


def _node(event: Any) -> _Node:
    tag = None if event.tag == "!" else event.tag
    line = event.start_mark.line + 1
    if isinstance(event, yaml.ScalarEvent):
        plain = tag is None and bool(event.implicit[0])
        return _Node("scalar", tag, line, plain, event.value)
    return _Node("map" if isinstance(event, yaml.MappingStartEvent) else "seq", tag, line)


class _Builder:
    """Makes plain values of a text's nodes; notes lines and flaws by the way."""

    def __init__(self) -> None:
        self._open: list[_Node] = []
        self._count = 0
        self._characters = 0
        self.lines: dict[KeyPath, int] = {}
        self.flaws: list[Flaw] = []

    def value(self, node: _Node, path: KeyPath) -> object:
        self._count += 1
        if any(node is outer for outer in self._open):
            self._flaw(node, path, "refers to itself")
            return None
        if self._count > MAX_NODES:
            raise _TooMuch(node.line, path, f"the file has more than {MAX_NODES} values")
        if node.kind == "scalar":
            return self._scalar(node, path)
        if node.tag is not None and node.tag not in _COLLECTIONS:
            self._flaw(node, path, f"the tag {node.tag} means nothing here; leave it out")
            return None
        if len(path) >= MAX_DEPTH:
            raise _TooMuch(0, (), f"is nested too deeply, in more than {MAX_DEPTH} lists and mappings")
        self._open.append(node)
        try:
            if node.kind == "map":
                return self._mapping(node, path)
            return [self.value(item, here) for here, item in self._entries(node, path)]
        finally:
            self._open.pop()

    def _mapping(self, node: _Node, path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in zip(node.items[::2], node.items[1::2], strict=True):
            if key_node.kind != "scalar":
                self._flaw(key_node, path, "a key must be a word, not a list or a mapping")
                continue
            key = self._counted(key_node, path)
            here = (*path, key)
            if key_node.tag == _MERGE or (key_node.plain and key == "<<"):
                self._flaw(
                    key_node, path, "<< is a merge key of YAML 1.1; write the keys out, or alias the whole value"
                )
                continue
            if key in found:
                first = self.lines[here]
                self._flaw(key_node, here, f"{key} is there twice, first on line {first}; keep one")
                continue
            self.lines[here] = key_node.line
            found[key] = self.value(value_node, here)
        return found

    def _entries(self, node: _Node, path: KeyPath) -> Iterator[tuple[KeyPath, _Node]]:
        for index, item in enumerate(node.items):
            here = (*path, index)
            self.lines[here] = item.line
            yield here, item

    def _scalar(self, node: _Node, path: KeyPath) -> object:
        text, kinds = self._counted(node, path), _KINDS.get(node.tag or "")
        if not node.plain and kinds is None:
            if node.tag is not None and node.tag not in _TEXTS:
                self._flaw(node, path, f"the tag {node.tag} means nothing here; leave it out")
            return text
        try:
            value = _plain(text)
        except ValueError:
            self._flaw(node, path, f"is a number of {len(text)} characters, which is too long")
            return None
        if kinds is not None:
            if not isinstance(value, kinds):
                self._flaw(node, path, f"{text!r} is not what its tag says")
            return float(value) if node.tag == _TAG + "float" and isinstance(value, int) else value
        return BareWord(text) if isinstance(value, str) and text.lower() in ("yes", "no", "on", "off") else value

    def _counted(self, node: _Node, path: KeyPath) -> str:
        """A scalar's text, which counts each time it is there."""
        self._characters += len(node.text)
        if self._characters > MAX_EXPANDED:
            raise _TooMuch(node.line, path, f"aliases make the file longer than {MAX_EXPANDED:,} characters")
        return node.text

    def _flaw(self, node: _Node, path: KeyPath, text: str) -> None:
        if len(self.flaws) >= MAX_FLAWS:
            raise _TooMuch(0, (), MORE)
        self.flaws.append(Flaw(node.line, shortened(dotted(path)), shortened(text)))


def _plain(text: str) -> object:
    """What a text without quotes is; ValueError for a number that is too long to be one."""
    if text in _WORDS:
        return _WORDS[text]
    if not text[0].isascii() or not (text[0].isdigit() or text[0] in "+-."):
        return text
    is_int = _INT.fullmatch(text)
    if not is_int and not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError
    digits = text.replace("_", "")
    if not is_int:
        return float(digits)
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits.lstrip("+-")[:2], 10)
    return int(digits, base)


def _flaw(error: yaml.MarkedYAMLError, text: str) -> Flaw:
    mark = error.problem_mark or error.context_mark
    problem = " ".join((error.problem or error.context or "it cannot be parsed").split())
    problem = problem.replace("did not find expected", "expected").replace("in this context", "here")
    if mark is None:
        return Flaw(0, "", f"is not YAML: {problem}")
    if "tab character" in problem or _character(text, mark) == "\t":
        problem += "; indent with spaces, not tabs"
    if "another document" in problem:
        problem += "; one study or space a file"
    return Flaw(mark.line + 1, "", f"is not YAML: {problem} (column {mark.column + 1})")


def _character(text: str, mark: yaml.Mark) -> str:
    lines = text.split("\n", mark.line + 1)
    return lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
