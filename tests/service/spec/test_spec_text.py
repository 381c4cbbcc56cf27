"""Study files about texts: the column, the tokenizer, and what of them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read
from goodfit.trainers.messages import TokenSpec

STUDY = """\
name: reviews
trainer: transformer
data: {{source: reviews.csv, target: label{more}}}
space: {{learning_rate: {{type: float, low: 1e-4, high: 1e-1, log: true}}}}
objective: {{metric: val/accuracy, direction: maximize}}
training: {{epochs: 5}}
budget: {{trials: 4}}
"""


def spec_of(folder: Path, more: str) -> StudySpec:
    (folder / "reviews.csv").write_text("review,label\na,b\n")
    (folder / "study.yaml").write_text(STUDY.format(more=more))
    return read(folder / "study.yaml")


def test_the_text_column_and_the_tokenizer_reach_the_trainers(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, ", text: review, tokens: {by: bpe, vocabulary: 500, length: 64}")
    data = spec.data_spec()
    assert data is not None
    assert (data.text, data.tokens) == ("review", TokenSpec("bpe", 500, 64))
    assert StudySpec.from_dict(spec.to_dict()).data_spec() == data


def test_tokens_have_defaults(tmp_path: Path) -> None:
    data = spec_of(tmp_path, ", text: review").data_spec()
    assert data is not None
    assert data.tokens == TokenSpec(None, 8000, 128)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (", text: review, tokens: {by: words}", "data.tokens.by"),
        (", text: review, tokens: {vocabulary: 2}", "data.tokens.vocabulary"),
        (", text: review, tokens: {length: 0}", "data.tokens.length"),
        (", text: review, tokens: {lenght: 5}", "did you mean length?"),
    ],
)
def test_a_wrong_tokenizer_is_refused_by_its_key(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        spec_of(tmp_path, more)
    assert said in str(caught.value)
