"""Texts as rows of whole numbers: the tokenizers, fitted on training texts, kept as plain JSON values.

    word       lower-cased runs of letters and digits; every other mark by itself
    character  each character, as it is
    bpe        byte-pair encoding on characters: pieces of words, learned by joining the most
               frequent neighbours (Sennrich and others, 2016); upper and lower case differ

Id 0 fills up a row behind its text, id 1 stands for what training never saw. A text longer than a
row keeps its beginning.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

PADDING, UNKNOWN = 0, 1
SPECIAL = 2  # ids before the first of the vocabulary
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
_PIECE = re.compile(r" ?[^\W_]+| ?[^\w\s]+|_+|\s+")  # a space belongs to the word behind it, as in GPT-2
_REMEMBERED = 50_000  # words; bounds the memory, changes no result


@dataclass(frozen=True)
class Tokenizer:
    """What was fitted; encode is all that a model needs of it.

    Attributes:
        by: "word", "character" or "bpe".
        length: tokens in a row.
        vocabulary: the tokens in the order of their ids, from 2.
        merges: bpe alone: the pairs that are joined, first learned first.
        truncated: the share of training texts that are longer than a row.
    """

    by: str
    length: int
    vocabulary: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] = ()
    truncated: float = 0.0

    @classmethod
    def fit(cls, texts: Iterable[str], by: str, vocabulary: int, length: int) -> Tokenizer:
        """Fit on training texts.

        Args:
            texts: not empty.
            by: word, character or bpe.
            vocabulary: ids at most, the two special ones among them.
            length: tokens in a row.
        """
        texts = list(texts)
        room = vocabulary - SPECIAL
        if by == "bpe":
            tokens, merges = _learn_pieces(texts, room)
        else:
            counts = Counter(token for text in texts for token in _plain_tokens(text, by))
            tokens, merges = _most_frequent(counts, room), ()
        whole = cls(by, length, tokens, merges)
        split = whole._splitter()
        long = sum(len(split(text)) > length for text in texts)
        return cls(by, length, tokens, merges, long / len(texts))

    @property
    def size(self) -> int:
        """How many ids there are, the special ones among them."""
        return SPECIAL + len(self.vocabulary)

    def tokens(self, text: str) -> list[str]:
        """A text in tokens, known or not, none left out."""
        return self._splitter()(text)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """int64 (rows, length); a long text keeps its beginning."""
        rows = np.full((len(texts), self.length), PADDING, dtype=np.int64)
        split = self._splitter()
        for row, text in zip(rows, texts, strict=True):
            ids = [self._ids.get(token, UNKNOWN) for token in split(text)[: self.length]]
            row[: len(ids)] = ids
        return rows

    def ids(self, text: str) -> np.ndarray:
        """A whole text as int64 ids, however long; `decode` is the way back."""
        if self.by == "character":  # 20 times as fast as one by one: running text has millions
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
            known = np.full(1 + max([ord(token) for token in self.vocabulary], default=0), UNKNOWN, dtype=np.int64)
            known[[ord(token) for token in self.vocabulary]] = np.arange(SPECIAL, self.size)
            return np.where(codes < len(known), known[np.minimum(codes, len(known) - 1)], UNKNOWN)
        return np.array([self._ids.get(token, UNKNOWN) for token in self.tokens(text)], dtype=np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids of characters or byte pairs; what was unknown is U+FFFD, what fills up is nothing."""
        spelled = ("", "\ufffd", *self.vocabulary)
        return "".join(spelled[index] for index in ids)

    def characters(self) -> np.ndarray:
        """How many characters each id stands for; 1 for the unknown one, whose tokens are single characters."""
        return np.array([0, 1, *map(len, self.vocabulary)], dtype=np.int64)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tokenizer:
        """The inverse of dataclasses.asdict, by way of JSON."""
        merges = tuple((left, right) for left, right in values["merges"])
        return cls(**{**values, "vocabulary": tuple(values["vocabulary"]), "merges": merges})

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.vocabulary, start=SPECIAL)}

    def _splitter(self) -> Callable[[str], list[str]]:
        """Text -> tokens; for byte pairs it remembers the words that it has met, most of which come again."""
        if self.by != "bpe":
            return lambda text: _plain_tokens(text, self.by)
        rank = {pair: index for index, pair in enumerate(self.merges)}
        joined = lru_cache(_REMEMBERED)(lambda piece: _join(piece, rank))
        return lambda text: [token for piece in _PIECE.findall(text) for token in joined(piece)]


def _plain_tokens(text: str, by: str) -> list[str]:
    return _WORD.findall(text.lower()) if by == "word" else list(text)


def _most_frequent(counts: Mapping[str, int], room: int) -> tuple[str, ...]:
    """The most frequent tokens; equally frequent ones by their spelling, so that ids never vary."""
    return tuple(sorted(counts, key=lambda token: (-counts[token], token))[:room])


def _join(piece: str, rank: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    """A piece of text as byte-pair tokens: of all pairs that were learned, the first learned is joined first."""
    symbols = list(piece)
    while len(symbols) > 1:
        best = min(pairwise(symbols), key=lambda pair: rank.get(pair, len(rank)))
        if best not in rank:
            break
        symbols = _merged(symbols, best)
    return tuple(symbols)


def _merged(symbols: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The symbols with every occurrence of a pair joined, from the left."""
    joined, index = [], 0
    while index < len(symbols):
        if tuple(symbols[index : index + 2]) == pair:
            joined.append(pair[0] + pair[1])
            index += 2
        else:
            joined.append(symbols[index])
            index += 1
    return joined


def _learn_pieces(texts: Iterable[str], room: int) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """A byte-pair vocabulary: the characters, then what joining the most frequent pairs makes, while there is room."""
    pieces = Counter(piece for text in texts for piece in _PIECE.findall(text))
    characters: Counter[str] = Counter()
    for piece, count in pieces.items():
        for character in piece:
            characters[character] += count
    tokens = dict.fromkeys(_most_frequent(characters, room))
    pairs = _Pairs(pieces)
    merges: list[tuple[str, str]] = []
    while len(tokens) < room and (pair := pairs.join_most_frequent()):
        merges.append(pair)
        tokens.setdefault(pair[0] + pair[1])  # two pairs can make the same token: ab+c, a+bc
    return tuple(tokens), tuple(merges)


class _Pairs:
    """Neighbouring symbols in all pieces, counted; a join touches only the pieces that hold its pair."""

    def __init__(self, pieces: Mapping[str, int]) -> None:
        self._words = [(list(piece), count) for piece, count in sorted(pieces.items())]
        self._counts: Counter[tuple[str, str]] = Counter()
        self._where: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for index in range(len(self._words)):
            self._count(index, sign=1)
        self._heap = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._heap)

    def join_most_frequent(self) -> tuple[str, str] | None:
        """Join the pair that is there most often, the first by spelling of equals; None: none is there twice."""
        while self._heap:
            negative, pair = heapq.heappop(self._heap)
            if -negative != self._counts[pair]:  # an entry that later joins outdated
                continue
            if -negative < 2:
                return None
            self._join(pair)
            return pair
        return None

    def _join(self, pair: tuple[str, str]) -> None:
        changed: set[tuple[str, str]] = set()
        for index in sorted(self._where[pair]):
            changed |= self._count(index, sign=-1)
            symbols, count = self._words[index]
            self._words[index] = (_merged(symbols, pair), count)
            changed |= self._count(index, sign=1)
        for touched in changed:
            heapq.heappush(self._heap, (-self._counts[touched], touched))

    def _count(self, index: int, sign: int) -> set[tuple[str, str]]:
        """Add a piece's pairs to the counts, or take them away; returns these pairs."""
        symbols, count = self._words[index]
        found = set(pairwise(symbols))
        for pair in pairwise(symbols):
            self._counts[pair] += sign * count
        for pair in found:
            if sign > 0:
                self._where[pair].add(index)
            else:
                self._where[pair].discard(index)
        return found
