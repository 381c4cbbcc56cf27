"""A YAML 1.2 file as plain values, with the line of every key and entry.

What the values mean is not known here. Every key is text, dates are text, and the words yes, no, on
and off, which YAML 1.1 read as true and false, come as BareWord when they stand without quotes, so
that whoever reads them can ask what was meant. How a text is taken apart is in yaml_nodes.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from goodfit.search_spaces.flaws import MAX_FLAWS, MORE, DocumentError, Flaw, KeyPath, dotted
from goodfit.search_spaces.scalars import shortened
from goodfit.search_spaces.yaml_nodes import MAX_DEPTH, MAX_NODES, Node, TooMuch, compose
from goodfit.search_spaces.yaml_scalars import BareWord, plain_value
from goodfit.spelling import close

MAX_CHARACTERS = 1024 * 1024  # of a file
MAX_EXPANDED = 2 * MAX_CHARACTERS  # of all texts in it, where an alias counts as what it stands for
_MAX_DIRECTIVES = 100  # libyaml compares each with all others

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_TEXTS = frozenset({_MERGE, *(_TAG + kind for kind in ("str", "timestamp", "value"))})
_COLLECTIONS = frozenset(_TAG + kind for kind in ("map", "seq"))
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    _TAG + "null": (type(None),),
    _TAG + "bool": (bool,),
    _TAG + "int": (int,),
    _TAG + "float": (int, float),
}


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
        near = close(path.name, (item.name for item in path.parent.iterdir()))
    except OSError:  # the folder is not there either, or not to be looked into
        return ""
    return f"; did you mean {near}?" if near else ""


def read_text(text: str) -> Document:
    """Read YAML from a text; see read_file."""
    if len(text) > MAX_CHARACTERS:
        raise DocumentError([Flaw(0, "", f"has more than {MAX_CHARACTERS:,} characters; shorten it")])
    if len(re.findall(r"^%", text, re.MULTILINE)) > _MAX_DIRECTIVES:
        raise DocumentError([Flaw(0, "", f"has more than {_MAX_DIRECTIVES} directives (%...); leave them out")])
    builder = _Builder()
    try:
        root = compose(text)
        if root is None:
            return Document(None)
        value = builder.value(root, ())
    except TooMuch as error:
        raise DocumentError([*builder.flaws, error.flaw]) from error
    if builder.flaws:
        raise DocumentError(builder.flaws)
    return Document(value, builder.lines)


class _Builder:
    """Makes plain values of a text's nodes; notes lines and flaws by the way."""

    def __init__(self) -> None:
        self._open: list[Node] = []
        self._count = 0
        self._characters = 0
        self.lines: dict[KeyPath, int] = {}
        self.flaws: list[Flaw] = []

    def value(self, node: Node, path: KeyPath) -> object:
        self._count += 1
        if any(node is outer for outer in self._open):
            self._flaw(node, path, "refers to itself")
            return None
        if self._count > MAX_NODES:
            raise TooMuch(node.line, path, f"the file has more than {MAX_NODES} values")
        if node.kind == "scalar":
            return self._scalar(node, path)
        if node.tag is not None and node.tag not in _COLLECTIONS:
            self._flaw(node, path, f"the tag {node.tag} means nothing here; leave it out")
            return None
        if len(path) >= MAX_DEPTH:
            raise TooMuch(0, (), f"is nested too deeply, in more than {MAX_DEPTH} lists and mappings")
        self._open.append(node)
        try:
            if node.kind == "map":
                return self._mapping(node, path)
            return [self.value(item, here) for here, item in self._entries(node, path)]
        finally:
            self._open.pop()

    def _mapping(self, node: Node, path: KeyPath) -> dict[str, object]:
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

    def _entries(self, node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Node]]:
        for index, item in enumerate(node.items):
            here = (*path, index)
            self.lines[here] = item.line
            yield here, item

    def _scalar(self, node: Node, path: KeyPath) -> object:
        text, kinds = self._counted(node, path), _KINDS.get(node.tag or "")
        if not node.plain and kinds is None:
            if node.tag is not None and node.tag not in _TEXTS:
                self._flaw(node, path, f"the tag {node.tag} means nothing here; leave it out")
            return text
        try:
            value = plain_value(text)
        except ValueError:
            self._flaw(node, path, f"is a number of {len(text)} characters, which is too long")
            return None
        if kinds is not None:
            if not isinstance(value, kinds):
                self._flaw(node, path, f"{text!r} is not what its tag says")
            return float(value) if node.tag == _TAG + "float" and isinstance(value, int) else value
        return BareWord(text) if isinstance(value, str) and text.lower() in ("yes", "no", "on", "off") else value

    def _counted(self, node: Node, path: KeyPath) -> str:
        """A scalar's text, which counts each time it is there."""
        self._characters += len(node.text)
        if self._characters > MAX_EXPANDED:
            raise TooMuch(node.line, path, f"aliases make the file longer than {MAX_EXPANDED:,} characters")
        return node.text

    def _flaw(self, node: Node, path: KeyPath, text: str) -> None:
        if len(self.flaws) >= MAX_FLAWS:
            raise TooMuch(0, (), MORE)
        self.flaws.append(Flaw(node.line, shortened(dotted(path)), shortened(text)))
