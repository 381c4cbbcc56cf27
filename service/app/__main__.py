"""The entries of the processes that Goodfit starts beside itself.

python -m goodfit.service.app mirror --home DIR --fence N STUDY      the tracker's
python -m goodfit.service.app controller --home DIR [--studies N]    the service's
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from goodfit.service.app.homes import open_home
from goodfit.service.settings import Settings
from goodfit.trainers.readable import readable_streams


def main(arguments: list[str] | None = None) -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(prog="goodfit.service.app")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("mirror", "controller"):
        commands.add_parser(name).add_argument("--home", type=Path, required=True)
    commands.choices["mirror"].add_argument("--fence", type=int, required=True)
    commands.choices["mirror"].add_argument("study", type=int, help="its id")
    commands.choices["controller"].add_argument("--studies", type=int)
    options = parser.parse_args(arguments)
    if options.command == "mirror":
        _mirror(options.home, options.study, options.fence)
    else:
        with readable_streams():
            sys.exit(_control(options.home, options.studies))


def _mirror(home: Path, study_id: int, fence: int) -> None:
    from goodfit.service.app.tracker_process import mirror_of
    from goodfit.service.tracker import read_private, run_mirror

    private = {name: value for name, value in read_private(sys.stdin.fileno()).items() if name not in os.environ}
    os.environ.update(private)  # MLflow's client reads them there
    settings = Settings.from_environment(home)
    if not isinstance(settings.artifacts, Path | None):
        from goodfit.trainers.artifacts.object_store import use_keys

        use_keys(settings.private)
    store = open_home(settings)
    study = store.study_by_id(study_id)
    run_mirror(
        mirror_of(settings, store, study, private),
        lambda: store.only_mirror(study.id),
        lambda: store.fence(study.id) > fence,
    )


def _control(home: Path, studies: int | None) -> int:
    from goodfit.service.app.controller_process import STUDIES, control, exit_code

    return exit_code(lambda: control(Settings.from_environment(home), studies or STUDIES))


if __name__ == "__main__":
    main()
