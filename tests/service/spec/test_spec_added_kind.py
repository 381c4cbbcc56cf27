"""`data: {kind: NAME}` of a kind that an installed package adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read
from goodfit.service.spec import data as section

STUDY = """\
name: clouds
trainer: mlp
data: {{{data}}}
space: {{learning_rate: {{type: float, low: 1.0e-3, high: 1.0e-1}}}}
objective: {{metric: val/accuracy, direction: maximize}}
training: {{epochs: 2}}
budget: {{trials: 2}}
"""


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "added", lambda group: ("clouds",) if group == "goodfit.data_kinds" else ())


def study(folder: Path, data: str) -> StudySpec:
    file = folder / "study.yaml"
    file.write_text(STUDY.format(data=data))
    return read(file)


def test_its_options_go_to_the_workers_as_they_are(tmp_path: Path) -> None:
    spec = study(tmp_path, "source: sky, kind: clouds, options: {points: 5, far: {x: [1, 2]}}")
    data = spec.data_spec()
    assert data is not None
    assert (data.source, data.kind, data.options) == ("sky", "clouds", {"points": 5, "far": {"x": [1, 2]}})
    assert data.is_added
    assert StudySpec.from_dict(spec.to_dict()) == spec
    assert study(tmp_path, "source: sky, kind: clouds, options: {points: 6}").fingerprint() != spec.fingerprint()


def test_a_study_without_options_is_kept_as_before_there_were_any(tmp_path: Path) -> None:
    spec = study(tmp_path, "source: iris")
    assert "options" not in spec.to_dict()["data"]
    assert StudySpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize("source", ["sets", "digits", "sets.xyz", "rows.csv"])
def test_its_source_is_a_path_where_there_is_such_a_file(tmp_path: Path, source: str) -> None:
    file = tmp_path / source
    before = study(tmp_path, f"source: {source}, kind: clouds").data_spec()
    file.mkdir()
    after = study(tmp_path, f"source: {source}, kind: clouds").data_spec()
    assert before is not None
    assert after is not None
    assert (before.source, after.source) == (source, str(file))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("source: sky, kind: cloud", "did you mean clouds?"),
        ("source: iris, options: {points: 5}", "options are for kinds of data that a package adds; write its name as"),
        ("source: eeg, kind: series, options: {points: 5}", "a package adds; series takes none"),
        ("source: sky, kind: clouds, options: 5", "data.options: is 5, not a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, data: str, said: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        study(tmp_path, data)
    assert said in str(caught.value)
    assert "study.yaml:3: data" in str(caught.value)
