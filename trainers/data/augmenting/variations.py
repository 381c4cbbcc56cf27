"""Which variations go with which data, and texts varied anew in each epoch. No torch here.

Texts are varied before they are tokenized, word by word: words lie between white space, and what is
between them stays as it is. Replacement, swap and deletion follow Wei and Zou, "EDA" (2019). Images
and series are varied batch by batch, in trainers/training/augmentation.py.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from goodfit.trainers.data.augmenting.paraphrases import Synonyms, paraphraser, read_synonyms
from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec
from goodfit.trainers.seeding import variation_seed

KEYS: Mapping[str, tuple[str, ...]] = {
    "image": ("rotate", "flip", "crop", "jitter", "cutout", "mixup"),
    "series": ("jitter", "scaling", "warp"),
    "text": ("synonyms", "replace", "delete", "swap", "translate"),
}
_WORD = re.compile(r"(\S+)(\s*)")
_CORE = re.compile(r"\W*(.*?)\W*", re.DOTALL)  # a word without the marks around it


def given_keys(spec: AugmentSpec) -> list[str]:
    """The keys that vary something."""
    return [field.name for field in dataclasses.fields(spec) if getattr(spec, field.name) != field.default]


def needs_rows(spec: AugmentSpec) -> bool:
    """Whether it takes the data themselves, and not only their kind, to tell if it fits them."""
    return not set(given_keys(spec)) <= {"rotate", "flip", "jitter", "mixup", "scaling"}


def check_kind(spec: AugmentSpec, kind: str, task: str, source: str) -> None:
    """DataProblem names the first key that does not go with such data."""
    fitting = KEYS.get(kind, ())
    for key in given_keys(spec):
        if key not in fitting:
            instead = f"; {kind} data take {', '.join(fitting)}" if fitting else f"; {kind} data are not varied"
            homes = " and ".join(name for name, keys in KEYS.items() if key in keys)
            raise DataProblem(
                f"{source}: augment.{key} varies {homes} data, and these are of kind {kind}{instead}: leave it out"
            )
    if spec.warp and task == "forecasting":
        raise DataProblem(
            f"{source}: augment.warp bends a window's time and not that of the values to forecast, which would no "
            "longer follow from it; leave it out, or take jitter or scaling"
        )
    if spec.replace and spec.synonyms is None:
        raise DataProblem("augment.replace puts words of a thesaurus in; give its file, `synonyms: FILE`, as well")


def check_fit(spec: AugmentSpec, kind: str, shape: Sequence[int], source: str) -> None:
    """DataProblem for a number that leaves nothing of an image or a window; `shape` is that of one row."""
    if kind == "image":
        side = min(shape[1:])
        for key, does in (("crop", "moves out of sight what it should show"), ("cutout", "blanks all of it")):
            if getattr(spec, key) >= side:
                raise DataProblem(
                    f"{source}: augment.{key}: {getattr(spec, key)} {does}: the images are "
                    f"{'x'.join(map(str, shape[1:]))} pixels; give {side - 1} or less"
                )
    if kind == "series" and spec.warp:
        part, steps = warped_steps(spec.warp, shape[0]), shape[0]
        if not 2 <= part < steps:
            few = "fewer than the 2 that can be stretched" if part < 2 else "which leaves none to make up for them"
            raise DataProblem(
                f"{source}: augment.warp: {spec.warp:g} is {part} of a window's {steps} steps, {few}; "
                f"give a share between {2 / steps:.2g} and {(steps - 1) / steps:.2g}"
                if steps > 2
                else f"{source}: augment.warp needs windows of 3 steps or more, not {steps}; leave it out"
            )


def warped_steps(share: float, steps: int) -> int:
    """How many steps of a window are stretched or squeezed."""
    return round(share * steps)


@dataclass(frozen=True)
class VariedTexts:
    """The training texts, and what each epoch makes of them.

    A text of which all words were to be deleted keeps one of them.
    """

    texts: Sequence[str]
    tokens: Tokenizer
    spec: AugmentSpec
    synonyms: Synonyms | None = None

    @classmethod
    def of(cls, texts: Sequence[str], tokens: Tokenizer, spec: AugmentSpec) -> VariedTexts:
        """Reads the thesaurus and tries the paraphraser on the first text; DataProblem says what is wrong."""
        synonyms = read_synonyms(Path(spec.synonyms)) if spec.synonyms is not None else None
        varied = cls(list(texts), tokens, spec, synonyms)
        if synonyms is not None and spec.replace and not varied._known_words():
            raise DataProblem(f"{spec.synonyms}: none of its words occurs in a training text; correct the thesaurus")
        if spec.translate is not None:
            paraphraser(spec.translate)(varied.texts[0], 1)
        return varied

    def ids(self, seed: int, epoch: int) -> np.ndarray:
        """The texts as a trial of this seed sees them in this epoch: int64 (rows, length)."""
        return self.tokens.encode(self.vary(seed, epoch))

    def vary(self, seed: int, epoch: int) -> list[str]:
        """The same, before they are tokenized."""
        random = np.random.default_rng(variation_seed(seed, epoch))
        return [self._varied(text, random) for text in self._sources(random)]

    def _sources(self, random: np.random.Generator) -> Sequence[str]:
        """Each text, or as probably its paraphrase."""
        if self.spec.translate is None:
            return self.texts
        reworded = paraphraser(self.spec.translate)
        said_anew = [reworded(text, row) for row, text in enumerate(self.texts, start=1)]
        taken = random.random(len(self.texts)) < 0.5
        return [new if take else old for old, new, take in zip(self.texts, said_anew, taken, strict=True)]

    def _varied(self, text: str, random: np.random.Generator) -> str:
        spec = self.spec
        found = _WORD.findall(text)
        if not found or not (spec.replace or spec.swap or spec.delete):
            return text
        words, gaps = [word for word, _ in found], [gap for _, gap in found]
        if spec.replace:
            words = self._replaced(words, random)
        if spec.swap:
            _swap(words, random.random(len(words)) < spec.swap)
        keep = random.random(len(words)) >= spec.delete
        if not keep.any():
            keep[random.integers(len(words))] = True
        return "".join(word + gap for word, gap, kept in zip(words, gaps, keep, strict=True) if kept).rstrip()

    def _replaced(self, words: Sequence[str], random: np.random.Generator) -> list[str]:
        chosen = random.random(len(words)) < self.spec.replace
        return [self._synonym(word, random) if there else word for word, there in zip(words, chosen, strict=True)]

    def _synonym(self, word: str, random: np.random.Generator) -> str:
        """One of a word's synonyms, with its capitals and the marks around it; itself where it has none."""
        core = _core(word)
        others = (self.synonyms or {}).get(core.casefold(), ())
        if not others:
            return word
        other = others[random.integers(len(others))]
        if core.isupper() and len(core) > 1:
            other = other.upper()
        elif core[:1].isupper():
            other = other[:1].upper() + other[1:]
        return word.replace(core, other, 1)

    def _known_words(self) -> bool:
        known = self.synonyms or {}
        return any(_core(word).casefold() in known for text in self.texts for word, _ in _WORD.findall(text))


def _core(word: str) -> str:
    found = _CORE.fullmatch(word)
    return found[1] if found else word


def _swap(words: list[str], chosen: np.ndarray) -> None:
    """Let the chosen words change places with the next, each word once at most."""
    place = 0
    while place + 1 < len(words):
        if chosen[place]:
            words[place], words[place + 1] = words[place + 1], words[place]
            place += 1
        place += 1
