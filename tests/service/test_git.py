"""What is read of a git repository, in whatever state it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from goodfit.service.app import git
from goodfit.service.app.git import git_facts

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

# No settings of whoever runs the tests.
PLAIN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
ME = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main"]


def run(folder: Path, *words: str, check: bool = True) -> None:
    subprocess.run(["git", *ME, *words], cwd=folder, check=check, capture_output=True, env=PLAIN)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With one commit that has train.py."""
    run(tmp_path, "init")
    (tmp_path / "train.py").write_text("a = 1\n")
    run(tmp_path, "add", ".")
    run(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_no_repository_is_no_facts(tmp_path: Path) -> None:
    assert git_facts(tmp_path) is None
    assert git_facts(tmp_path / "gone" / "by now") is None


def test_a_clean_repository_is_its_commit_and_its_branch(repository: Path) -> None:
    (repository / "nets").mkdir()
    found = git_facts(repository / "nets")
    assert found is not None
    assert len(found["commit"]) == 40
    assert {**found, "commit": ""} == {
        "commit": "",
        "branch": "main",
        "dirty": False,
        "under_way": None,
        "diff": "",
        "diff_cut": False,
        "untracked": [],
        "problem": None,
    }


def test_what_is_not_committed_is_kept_and_new_files_are_named(repository: Path) -> None:
    (repository / "train.py").write_text("a = 2\n")
    (repository / "new é.py").write_text("")
    found = git_facts(repository) or {}
    assert found["dirty"] is True
    assert "-a = 1\n+a = 2\n" in found["diff"]
    assert found["untracked"] == ["new é.py"]


def test_a_diff_is_kept_up_to_a_size(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "DIFF_BYTES", 100)
    (repository / "train.py").write_text("b = 3\n" * 1_000_000)
    found = git_facts(repository) or {}
    assert (len(found["diff"]), found["diff_cut"], found["problem"]) == (100, True, None)


def test_a_repository_without_a_commit_has_what_is_staged(tmp_path: Path) -> None:
    run(tmp_path, "init")
    (tmp_path / "train.py").write_text("a = 1\n")
    found = git_facts(tmp_path) or {}
    assert (found["commit"], found["branch"], found["untracked"]) == (None, "main", ["train.py"])
    run(tmp_path, "add", ".")
    assert "+a = 1" in (git_facts(tmp_path) or {})["diff"]


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    run(repository, "checkout", "--detach")
    found = git_facts(repository) or {}
    assert found["branch"] is None
    assert found["commit"]


@pytest.mark.parametrize("word", ["merge", "rebase"])
def test_a_repository_in_the_middle_of_a_merge_or_rebase_says_so(repository: Path, word: str) -> None:
    run(repository, "checkout", "-b", "other")
    (repository / "train.py").write_text("a = 2\n")
    run(repository, "commit", "-am", "theirs")
    run(repository, "checkout", "main")
    (repository / "train.py").write_text("a = 3\n")
    run(repository, "commit", "-am", "ours")
    run(repository, word, "other", check=False)
    found = git_facts(repository) or {}
    assert (found["under_way"], found["dirty"], found["problem"]) == (word, True, None)
    assert "<<<<<<<" in found["diff"]


def test_a_submodule_in_the_repository_is_followed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    run(other, "init")
    run(other, "commit", "--allow-empty", "-m", "one")
    run(repository, "-c", "protocol.file.allow=always", "submodule", "add", str(other), "part")
    run(repository, "commit", "-m", "with a part")
    assert (git_facts(repository) or {})["dirty"] is False
    inside = git_facts(repository / "part") or {}
    assert inside["commit"] != (git_facts(repository) or {})["commit"]


def test_nothing_that_the_repository_configures_is_run(repository: Path) -> None:
    for key in ("diff.external", "core.fsmonitor", "core.pager"):
        run(repository, "config", key, f"touch {repository / 'ran'}")
    (repository / "train.py").write_text("a = 2\n")
    assert "+a = 2" in (git_facts(repository) or {})["diff"]
    assert not (repository / "ran").exists()


def test_variables_of_a_hook_do_not_lead_to_another_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    assert (git_facts(repository) or {})["commit"]


def a_git(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Another program of that name, before the real one."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_slow_git_is_not_waited_for(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_git(repository / "bin", monkeypatch, "sleep 60")
    monkeypatch.setattr(git, "SECONDS", 0.2)
    found = git_facts(repository) or {}
    assert (found["commit"], found["dirty"]) == (None, None)
    assert found["problem"].startswith("git did not answer within")


def test_without_git_a_repository_is_a_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository / "nowhere"))
    assert (git_facts(repository) or {})["problem"] == "git is not installed"


def test_of_a_repository_of_another_user_only_the_commit_is_read(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("git")
    script = f"""case "$*" in *safe.directory*) exec {real} "$@";; esac
echo "fatal: detected dubious ownership in repository at '/x'" >&2; exit 128"""
    a_git(repository / "bin", monkeypatch, script)
    (repository / "train.py").write_text("a = 2\n")
    found = git_facts(repository) or {}
    assert len(found["commit"]) == 40
    assert (found["branch"], found["dirty"], found["diff"]) == ("main", None, "")
    assert "belongs to another user" in found["problem"]


def test_a_broken_repository_is_a_problem_and_no_error(repository: Path) -> None:
    (repository / ".git" / "HEAD").write_text("nonsense")
    assert (git_facts(repository) or {})["problem"].startswith("git refuses: fatal")
