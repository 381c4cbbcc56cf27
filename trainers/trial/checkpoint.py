"""The checkpoints of a trial: last.pt, to go on from, and best.pt, the model of its best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodfit.trainers.errors import Damaged
from goodfit.trainers.files import read_checkpoint


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
