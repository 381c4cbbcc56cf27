"""PostgreSQL's programs where the user that runs the server cannot read them as they lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from deploy import postgres


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_programs_that_another_user_cannot_read_are_copied_with_what_they_are_linked_to(tmp_path: Path) -> None:
    package = postgres.binaries().parent.parent
    hidden, copies = tmp_path / "hidden", Path("/var/tmp") / f"goodfit-test-{tmp_path.name}-{os.getpid()}"
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, hidden / folder.name)
    hidden.chmod(0o700)
    lone = copies / "postgres"
    (lone / "bin").mkdir(parents=True)  # an older copy, without its libraries
    shutil.copy(postgres.binaries() / "initdb", lone / "bin" / "initdb")
    try:
        copied = postgres.readable(hidden / postgres.binaries().relative_to(package.parent), lone, postgres.user())
        assert lone in copied.parents
        assert all(postgres.may_run(copied / name, postgres.user()) for name in ("initdb", "postgres", "psql"))
        assert not (lone / "bin").exists()
    finally:
        shutil.rmtree(copies)
