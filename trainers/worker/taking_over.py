"""A trial that goes on with the model of another: what lies in its folder before its trainer begins.

The other's snapshot is copied file by file, each whole or not at all, and noted at the end. Where a worker dies in
between, the next attempt copies all of it again; once it is noted, the trial goes on from checkpoints of its own.
"""

from __future__ import annotations

from pathlib import Path

from goodfit.trainers.artifacts.places import FolderPlace, Place, place_of
from goodfit.trainers.errors import Damaged
from goodfit.trainers.files import copied, make_folder, read_json, write_json
from goodfit.trainers.messages import Assignment, Fork
from goodfit.trainers.trial.checkpoint import PARTS, snapshot_name

NOTE = "fork.json"


def take_over(assignment: Assignment) -> bool:
    """Put the checkpoint that a trial takes over into its folder, unless it is there already; whether it was put.

    Raises:
        Damaged: the other trial has no such checkpoint.
    """
    fork, folder = assignment.fork, assignment.folder
    if fork is None or _noted(folder) == _note(fork):
        return False
    source = _snapshot(fork)
    if not source.exists(PARTS[-1]):
        raise Damaged(
            f"trial {fork.trial} has no checkpoint of epoch {fork.epoch} any more, from which this one was to go on: "
            f"{source.uri(PARTS[-1])} is missing"
        )
    make_folder(folder, assignment.root)
    with source.local(*PARTS) as kept:
        for name in PARTS:
            if (kept / name).is_file():
                copied(kept / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    write_json(folder / NOTE, _note(fork))
    return True


def _note(fork: Fork) -> dict[str, int]:
    return {"trial": fork.trial, "epoch": fork.epoch}


def _noted(folder: Path) -> object:
    try:
        return read_json(folder / NOTE)
    except (FileNotFoundError, Damaged):
        return None


def _snapshot(fork: Fork) -> Place:
    place = FolderPlace(fork.folder) if fork.place is None else place_of(fork.place)
    return place / snapshot_name(fork.epoch)
