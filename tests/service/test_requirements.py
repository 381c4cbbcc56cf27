"""`requirements:` of a study: how they are read, where they must be installed, and who installs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.code import pip_environment
from goodfit.service.app.preflight import check
from goodfit.service.errors import StudyFileError, TrainerError
from goodfit.service.ray_runners import RayRunners
from goodfit.service.records import Lease, Study
from goodfit.service.spec import StudySpec, absent_packages, from_mapping

VALUES: dict[str, Any] = {
    "name": "s",
    "trainer": "mlp",
    "data": {"source": "iris"},
    "space": {"learning_rate": [0.1, 0.01]},
    "search": {"method": "grid"},
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "training": {"epochs": 1},
}


def read(folder: Path, **changes: Any) -> StudySpec:
    return from_mapping({**VALUES, **changes}, folder)


def test_packages_are_named_as_pip_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine-1.0-py3-none-any.whl").touch()
    monkeypatch.setattr("goodfit.service.spec.requirements.version", lambda _: "1.0")
    wanted = ["einops>=0.8", "mine @ file:///srv/mine.whl", "mine-1.0-py3-none-any.whl"]
    spec = read(tmp_path, requirements=wanted)
    assert spec.requirements == (*wanted[:2], str(tmp_path / "mine-1.0-py3-none-any.whl"))
    assert StudySpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize("wrong", ["--index-url x", "-r more.txt", "a b", "", 3, ["ok", ">=1"], {"a": 1}])
def test_what_is_no_requirement_is_refused(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(StudyFileError, match="requirements"):
        read(tmp_path, requirements=wrong)


def test_a_study_without_requirements_is_the_study_that_it_was(tmp_path: Path) -> None:
    spec = read(tmp_path)
    before = {key: value for key, value in spec.to_dict().items() if key != "requirements"}
    assert StudySpec.from_dict(before).fingerprint() == spec.fingerprint()
    assert read(tmp_path, requirements=["numpy"]).fingerprint() != spec.fingerprint()


def test_which_packages_are_absent_here_is_known(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'package-of-nobody'\n")
    present = ["numpy", "NumPy>=1", "package-of-nobody; python_version < '3'", "numpy-9.9-py3-none-any.whl"]
    absent = ["numpy<1", "package-of-nobody", "package_of_nobody-1-py3-none-any.whl", str(tmp_path)]
    assert absent_packages(present) is None
    said = absent_packages([*present, *absent]) or ""
    assert said.startswith(f"{', '.join(absent)} is not installed here: pip install 'numpy<1' ")


def test_packages_that_are_absent_where_the_study_runs_are_said_with_the_command(tmp_path: Path) -> None:
    said = r"package-of-nobody>=2 is not installed here: pip install 'package-of-nobody>=2'"
    (tmp_path / "tune.py").write_text("import package_of_nobody")
    with pytest.raises(StudyFileError, match=f"requirements: {said}"):
        read(tmp_path, requirements=["package-of-nobody>=2", "numpy"], trainer="tune.py:train")
    spec = read(tmp_path, requirements=["numpy"])
    assert check(spec).spec.requirements == ("numpy",)
    with pytest.raises(TrainerError, match=said):
        check(spec.model_copy(update={"requirements": ("package-of-nobody>=2",)}))


def test_a_runner_has_the_packages_of_its_study(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class Options:
        def remote(self, *_: object) -> Options:
            return self

        @property
        def is_up(self) -> Options:
            return self

    class Host:
        def options(self, **options: Any) -> Options:
            asked.append(options)
            return Options()

    runners = RayRunners(
        lambda *_: None, lambda _: None, packages=lambda study: pip_environment(study.spec.get("requirements", ()))
    )
    monkeypatch.setattr(runners, "_host", Host())
    for spec in ({"requirements": ["einops"]}, {}):
        runners.start(Study("s", spec, "f", 1.0, id=1), Lease(1, "a", 1, 30.0))
    pip = {"pip": {"packages": ["einops"], "pip_check": False}}
    assert [options["runtime_env"] for options in asked] == [pip, None]
    assert pip_environment(()) is None
