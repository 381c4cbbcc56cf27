"""Any text of a megabyte has its answer in bounded time: texts that made a reader slow, each at its full size."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goodfit.search_spaces.document import MAX_CHARACTERS
from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read, read_foreign

SECONDS = 2.0  # of this thread's own time
RATIO = 20  # to an ordinary long text read in the same moment: what 2 s are on a machine that is slow or busy
SIZE = 1_000_000
STUDY = """\
name: a
trainer: {trainer}
objective: {{metric: val/loss, direction: minimize}}
training: {{epochs: 5}}
budget: {{trials: 4}}
"""
OWN = STUDY.format(trainer="net.py:train")
MLP = STUDY.format(trainer="mlp") + "data: {source: iris}\n"
GRID = "search: {method: grid}\n"


def many(line: Callable[[int], str], count: int) -> str:
    return "".join(map(line, range(count)))


def choices(values: Callable[[int], str], count: int = 90_000) -> str:
    return f"[{', '.join(map(values, range(count)))}]"


FLAGS = many(lambda i: f"  a{i}: [x, y]\n", 950) + many(
    lambda i: f"  b{i}: {{type: choice, choices: [1, 2], when: {{a{i}: x}}}}\n", 950
)
TEXTS = {
    "brackets": "[" * SIZE,
    "indents": many(lambda i: " " * i + "a:\n", 1400),
    "directives": "#\n" + many(lambda i: f"%TAG !a{i}! x\n", 60_000),
    "documents": "---\n" * (SIZE // 4),
    "aliases": "a0: &a0 [1, 1]\n" + many(lambda i: f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n", 25_000),
    "aliases of a text": "a: &a " + "x" * (SIZE // 2) + "\nb: [" + "*a, " * 100_000 + "]",
    "requirements": MLP + f"space: {{width: [1, 2]}}\nrequirements: {choices(lambda i: f'p{i}>=1', 60_000)}",
    "resources": MLP + "space: {width: [1, 2]}\nresources: {custom: {" + many(lambda i: f"k{i}: 1, ", 45_000) + "}}",
    "pairs of surrogates": MLP + 'space: {width: ["' + "\\ud83d\\ude00" * 80_000 + '"]}',
    "a long key": "? " + "x" * SIZE + "\n: 1",
    "a long number": OWN + "space: {a: 0x" + "f" * (SIZE - 200) + "}",
    "a long path": OWN + "space: " + "a/" * (SIZE // 2 - 200),
    "a long name": OWN.replace("name: a", "name: '" + "ä!" * 400_000 + "'"),
    "keys that nobody knows": OWN + "space: {a: [1, 2]}\n" + many(lambda i: f"budgett{i}: 1\n", 49_000),
    "keys that are there twice": many(lambda i: f"a{i // 2}: 1\n", 49_000),
    "choices": OWN + f"space: {{a: {choices(lambda i: f'v{i}')}}}",
    "choices that are lists": OWN + f"space: {{a: {choices(lambda i: f'[{i}, {i}]', 30_000)}}}",
    "choices for a trainer": MLP + f"space: {{width: {choices(lambda i: str(i + 1))}}}",
    "choices twice": OWN + f"space: {{a: {choices(lambda _: 'v')}}}",
    "conditions that never hold": OWN
    + f"space:\n  a: {choices(lambda i: f'v{i}', 40_000)}\n"
    + many(lambda i: f"  c{i}: {{type: int, low: 1, high: 2, when: {{a: w{i}}}}}\n", 1900),
    "conditions on numbers": OWN
    + f"space:\n  a: {choices(str, 40_000)}\n"
    + many(lambda i: f"  c{i}: {{type: int, low: 1, high: 2, when: {{a: {{low: {i}}}}}}}\n", 1900),
    "conditions to count": OWN + "space:\n" + FLAGS,
    "conditions of a grid": OWN + "space:\n" + FLAGS + GRID,
    "points of a grid": OWN
    + "space:\n"
    + many(lambda i: f"  p{i}: {{type: float, low: 1, high: 9.{i}, points: 10000}}\n", 1900)
    + GRID,
    "parameters": OWN + "space:\n" + many(lambda i: f"  p{i}: {{type: int, low: 1, high: 9}}\n", 20_000),
}


def answer(reading: Callable[[], StudySpec]) -> tuple[str, float]:
    """What came of a reading, and how long it took, with what every caller does next."""
    gc.collect()
    gc.freeze()  # what the other tests of this process hold is no part of a reading's work
    start = time.thread_time()
    try:
        spec = reading()
        StudySpec.from_dict(spec.to_dict()).fingerprint()
        said = f"a spec of {spec.space.cardinality()} configurations"
    except StudyFileError as error:
        said = str(error)
    seconds = time.thread_time() - start
    gc.unfreeze()
    return said, seconds


def in_bounded_time(seconds: float, folder: Path) -> bool:
    """Whether a reading took no longer than it may, on this machine as busy as it is."""
    if seconds < SECONDS:
        return True
    (folder / "ordinary.yaml").write_text(OWN + f"space: {{a: {choices(lambda i: f'v{i}', 20_000)}}}")
    return seconds < RATIO * answer(lambda: read(folder / "ordinary.yaml"))[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text("def train(trial): pass\n")
    (tmp_path / "small.yaml").write_text(OWN + "space: {a: [1, 2]}\n")
    (tmp_path / "mlp.yaml").write_text(MLP + "space: {width: [1, 2]}\n")
    read(tmp_path / "mlp.yaml")  # imports take their time once
    return tmp_path


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_has_its_answer_in_bounded_time(folder: Path, name: str):
    text = TEXTS[name]
    assert len(text) <= MAX_CHARACTERS
    (folder / "study.yaml").write_text(text)
    said, seconds = answer(lambda: read(folder / "study.yaml"))
    assert in_bounded_time(seconds, folder)
    assert len(said) < 100_000  # an answer for people


@pytest.mark.parametrize(
    "override",
    ["space.a=" + "[" * 100_000, "space." + "a." * 100_000 + "b=1", "fixed.a=" + "x" * 100_000, "x" * 100_000],
)
def test_whatever_is_set_has_its_answer_in_bounded_time(folder: Path, override: str):
    said, seconds = answer(lambda: read(folder / "small.yaml", [override] * 100))
    assert in_bounded_time(seconds, folder)
    assert len(said) < 100_000


def test_a_text_from_the_network_has_its_answer_in_bounded_time(folder: Path):
    text = TEXTS["conditions that never hold"]
    said, seconds = answer(lambda: read_foreign(text, "the study", folder, (), lambda _values, _say: None))
    assert in_bounded_time(seconds, folder)
    assert "more than 100 things are wrong" in said


def test_more_than_a_megabyte_and_more_than_a_thousand_settings_are_refused_at_once(folder: Path):
    (folder / "study.yaml").write_text("#" * (MAX_CHARACTERS + 1))
    assert "has more than 1,048,576 characters" in answer(lambda: read(folder / "study.yaml"))[0]
    assert "is given 1,001 times" in answer(lambda: read(folder / "small.yaml", ["fixed.b=1"] * 1001))[0]


def test_a_list_of_twenty_thousand_choices_is_taken(folder: Path):
    (folder / "study.yaml").write_text(OWN + f"space: {{a: {choices(lambda i: f'v{i}', 20_000)}}}")
    assert read(folder / "study.yaml").space.cardinality() == 20_000
