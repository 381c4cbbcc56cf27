"""Running text in a study file: what goes with it, and what is said before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read

STUDY = """\
name: words
trainer: {trainer}
data: {{source: {source}{more}}}
space: {{learning_rate: {{type: float, low: 1e-3, high: 1e-2, log: true}}}}
objective: {{metric: {metric}, direction: minimize}}
training: {{epochs: 2}}
budget: {{trials: 4}}
"""


def spec_of(folder: Path, **changes: str) -> StudySpec:
    (folder / "book.txt").write_text("It was a dark and stormy night.")
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    plain = {"trainer": "language-model", "source": "book.txt", "more": "", "metric": "val/bits_per_character"}
    (folder / "study.yaml").write_text(STUDY.format(**{**plain, **changes}))
    return read(folder / "study.yaml")


def test_a_text_file_is_data_for_a_language_model(tmp_path: Path) -> None:
    data = spec_of(tmp_path, more=", tokens: {by: bpe, length: 64}").data_spec()
    assert data is not None
    assert data.source == str(tmp_path / "book.txt")
    assert (data.tokens.by, data.tokens.length) == ("bpe", 64)
    assert spec_of(tmp_path).data_spec() is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"more": ", target: mood"}, "data.target: .*book.txt is running text, which has no column mood"),
        ({"trainer": "mlp", "metric": "val/loss"}, "book.txt is running text; trainer mlp takes image or table data"),
        ({"source": "rows.csv"}, "data.source: trainer language-model takes running text; give a .txt file"),
        ({"source": "boo.txt"}, "data.source: there is no file .*boo.txt; did you mean book.txt?"),
        ({"source": "iris"}, "data.source: iris is table data; trainer language-model takes corpus data"),
        ({"metric": "val/bits"}, "does not report val/bits for language-modelling"),
    ],
)
def test_what_does_not_go_together_is_said_at_once(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(StudyFileError, match=said):
        spec_of(tmp_path, **changes)
