"""The entry of the tracker's process: `python -m service.app mirror --home DIR --fence N STUDY`."""

from __future__ import annotations

import argparse
from pathlib import Path

from service.app.opening import open_home
from service.app.tracking import mirror_of
from service.settings import Settings


def main(arguments: list[str] | None = None) -> None:
    """The entry of the tracker's process."""
    parser = argparse.ArgumentParser(prog="service.app")
    parser.add_argument("command", choices=["mirror"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--fence", type=int, required=True)
    parser.add_argument("study")
    options = parser.parse_args(arguments)
    from service.tracker import run_mirror

    settings = Settings.from_environment(options.home)
    store = open_home(settings)
    study = store.study(options.study)
    run_mirror(
        mirror_of(settings, store, study),
        lambda: store.lone_mirror(study.id),
        lambda: store.fence(study.id) > options.fence,
    )


if __name__ == "__main__":
    main()
