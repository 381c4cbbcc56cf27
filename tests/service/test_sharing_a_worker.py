"""Whether trials share a worker, and what is said where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service import app
from goodfit.service.spec import read

STUDY = """
name: shared
trainer: {trainer}
data: {{source: {source}}}
space:
  learning_rate: {{type: float, low: 0.001, high: 0.1, log: true}}
objective: {{metric: val/loss, direction: minimize}}
training: {{epochs: 2}}
budget: {{trials: {trials}}}
resources: {{pack: {pack}}}
"""


@pytest.mark.parametrize(
    ("trainer", "source", "trials", "pack", "said"),
    [
        ("mlp", "digits", 100, "auto", None),
        ("transformer", "digits", 100, "auto", None),
        ("transformer", "docstrings", 100, "auto", "trainer transformer trains each model alone on text data"),
        ("transformer", "docstrings", 100, "4", "trainer transformer trains each model alone on text data"),
        ("language-model", "stdlib_source", 100, "auto", None),
        ("seq2seq", "dates", 100, "auto", "trainer seq2seq trains each model alone"),
        ("mlp", "digits", 100, "1", "`resources.pack` is 1"),
        ("mlp", "digits", 8, "auto", "a search of 8 trials learns too little from several at once"),
    ],
)
def test_trials_share_a_worker_where_they_can_train_together(
    tmp_path: Path, trainer: str, source: str, trials: int, pack: str, said: str | None
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(trainer=trainer, source=source, trials=trials, pack=pack))
    found = app.why_alone(app.check(read(file)))
    assert (found or "").startswith(said or "")
    assert (found is None) == (said is None)
