"""The pages as a site: they build without a warning, every link leads somewhere, and every command is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from goodfit.service.cli.base import cli, load_commands

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_a_warning_and_has_every_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    load_commands()
    page = (tmp_path / "commands" / "index.html").read_text(encoding="utf-8")
    names = [command.name or command.callback.__name__ for command in cli.registered_commands if command.callback]
    assert len(names) > 15
    assert all(f">goodfit {name.replace('_', '-')}<" in page for name in names)
