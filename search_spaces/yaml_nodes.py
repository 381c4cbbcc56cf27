"""The text of a YAML file as nodes, without recursion and within limits.

libyaml splits the text (20 times as fast as a scanner in Python), and its events are read one by one, so that any
text has its answer in bounded time: what is too long, too deep or too much is refused when the limit is reached.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from goodfit.search_spaces.flaws import DocumentError, Flaw, KeyPath, dotted
from goodfit.search_spaces.scalars import shortened

MAX_NODES = 100_000  # values; aliases of aliases can make a small file explode
MAX_DEPTH = 64  # of lists and mappings within each other

# What JSON writes for a character past U+FFFF, and libyaml refuses; after an even number of backslashes.
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2}))")
_PARSER: Final[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class TooMuch(Exception):
    """A limit is passed; `flaw` says which."""

    def __init__(self, line: int, path: KeyPath, text: str) -> None:
        self.flaw = Flaw(line, shortened(dotted(path)), text)


@dataclass(slots=True, eq=False)
class Node:
    """A value of the text: a scalar's text, a list's nodes, or a mapping's keys and values in turns."""

    kind: str  # scalar, seq, map
    tag: str | None
    line: int
    plain: bool = False  # a scalar without quotes
    text: str = ""
    items: list[Node] = field(default_factory=list)


class _Composer:
    """Makes nodes of a text's events, without recursion: a deep text would end a recursive parser, and Python with it.

    yaml's own composer is recursive.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self.root: Node | None = None
        self._pairs = pairs
        self._open: list[Node] = []
        self._anchors: dict[str, Node] = {}
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

    def _put(self, node: Node, event: Any) -> None:
        self._count += 1
        if self._count > 2 * MAX_NODES:  # keys are nodes, too
            raise TooMuch(event.start_mark.line + 1, (), f"the file has more than {MAX_NODES} values")
        if self._open:
            self._open[-1].items.append(node)
        else:
            self.root = node

    def _enter(self, node: Node) -> None:
        self._open.append(node)
        if len(self._open) > MAX_DEPTH:
            raise TooMuch(0, (), f"is nested too deeply, in more than {MAX_DEPTH} lists and mappings")


def compose(text: str) -> Node | None:
    """The node that stands for a whole text; None where nothing is in it.

    Raises:
        DocumentError: it is not YAML.
        TooMuch: it passes a limit.
    """
    text, pairs = _without_pairs(text)
    parser = _PARSER(text)
    composer = _Composer(pairs)
    try:
        while (event := parser.get_event()) is not None:
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        raise DocumentError([_syntax_flaw(error, text)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError([Flaw(0, "", f"is not YAML: {str(error).splitlines()[0]}")]) from error
    finally:
        parser.dispose()
    return composer.root


def _error(event: Any, text: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=event.start_mark)


def _node(event: Any) -> Node:
    tag = None if event.tag == "!" else event.tag
    line = event.start_mark.line + 1
    if isinstance(event, yaml.ScalarEvent):
        plain = tag is None and bool(event.implicit[0])
        return Node("scalar", tag, line, plain, event.value)
    return Node("map" if isinstance(event, yaml.MappingStartEvent) else "seq", tag, line)


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


def _syntax_flaw(error: yaml.MarkedYAMLError, text: str) -> Flaw:
    merged = next((at for at, line in enumerate(text.splitlines(), 1) if line.startswith("<<<<<<< ")), None)
    if merged is not None:
        return Flaw(merged, "", "is not YAML: resolve the merge conflict that begins here")
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
