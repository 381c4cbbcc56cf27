"""The checkpoints of a trial: last.pt, to go on from, and best.pt, the model of its best epoch.

A snapshot is a copy of both, in a folder of the trial's, from which another trial may go on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodfit.trainers.errors import Damaged
from goodfit.trainers.files import copied, make_folder, names_together, read_checkpoint, write_checkpoint

SNAPSHOT = "at-"  # and the epoch: the folder of a snapshot
PARTS = ("facts.json", "best.pt", "last.pt")  # the last one is written last: where it is, the others are


def read_saved(folder: Path, root: Path | None) -> dict[str, Any] | None:
    """What an earlier attempt saved in a trial's folder; None where it saved nothing.

    Raises:
        Damaged: a file is cut off, or is no checkpoint of a trial.
        FileNotFoundError: the study's folder, `root`, is away.
    """
    path = folder / "last.pt"
    try:
        saved = read_checkpoint(path)
    except FileNotFoundError:
        if folder.is_dir() or root is None or root.is_dir():
            return None
        raise
    if not isinstance(saved, dict) or not set(saved) >= {"epoch", "objects", "curve", "best", "over"}:
        raise Damaged(f"{path} is no checkpoint of a trial")
    best = folder / "best.pt"  # that of a better epoch is not written again
    if saved["best"] is not None:
        try:
            read_checkpoint(best)
        except FileNotFoundError as error:
            raise Damaged(f"{best} is missing beside {path.name}") from error
    return saved


def keep_snapshot(folder: Path, root: Path | None, last: Mapping[str, Any], interval: int) -> None:
    """Keep a trial's checkpoint `last` for others. That of the epoch `interval` before stays, no older one.

    It comes before the trial's own last.pt: a trial that is killed in between trains the epoch again, and keeps it
    again, but one whose last.pt is of this epoch goes on from there.
    """
    epoch = int(last["epoch"])
    kept = folder / snapshot_name(epoch)
    make_folder(kept, root)
    with names_together():
        for name in PARTS[:-1]:
            if (folder / name).is_file():
                copied(folder / name, kept / name)
    write_checkpoint(kept / PARTS[-1], last)
    for old in folder.glob(f"{SNAPSHOT}*"):
        if old.name < snapshot_name(epoch - interval):
            shutil.rmtree(old)


def snapshot_name(epoch: int) -> str:
    """The folder of a snapshot, among a trial's files."""
    return f"{SNAPSHOT}{max(0, epoch):05d}"


def snapshot(state: Any) -> Any:
    """A copy of a state that later training steps do not change."""
    import torch

    if isinstance(state, torch.Tensor):
        return state.detach().cpu().clone()
    if isinstance(state, Mapping):
        return {key: snapshot(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(snapshot(value) for value in state)
    return state
