"""What a net does to the groups of a study, and what training does about it. Imports torch.

The pure parts, on arrays, are in trainers/groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.adversary import Adversary
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.metrics import group_metrics
from goodfit.trainers.groups.thresholds import USUAL, fitted_thresholds, thresholded
from goodfit.trainers.groups.weights import balanced_parts, reweighing
from goodfit.trainers.training.rare_classes import class_weights

if TYPE_CHECKING:
    from goodfit.trainers.data import Facts
    from goodfit.trainers.training.loop import Tensors, Training

THRESHOLDS = "group_thresholds"  # the buffer of a model that has one for each group


def mitigate(training: Training, train: Tensors, facts: Facts, *, own_loss: bool) -> None:
    """Have training do what the study asks about differences between groups.

    Args:
        training: of one trial.
        train: its rows.
        facts: of the data.
        own_loss: whether the trainer has a loss of its own, which knows no weights.

    Raises:
        DataProblem: rows are to be weighted in a loss that does not take weights.
    """
    if facts.groups is None or train.groups is None:
        return
    kind, device = facts.groups.spec.mitigation, train.y.device
    y, codes = train.y.cpu().numpy(), train.groups.cpu().numpy()
    if kind == "reweighing":
        if own_loss:
            raise DataProblem("the trainer has a loss of its own, which takes no weights; give `mitigation: sampling`")
        weights = torch.from_numpy(reweighing(y, codes)).float().to(device)
        if facts.preparation.balance == "weights":
            weights = weights * class_weights(train.y, facts.outputs)[train.y]
        training.row_weights = weights
    elif kind == "sampling":
        places, shares = balanced_parts(y, codes, equal_classes=facts.preparation.balance == "sampling")
        training.parts = torch.from_numpy(places), shares.tolist()
    elif kind == "adversarial":
        training.adversary = Adversary(facts.groups, train.groups).to(device)
    training.groups = train.groups


def with_thresholds(model: nn.Module, groups: Groups | None) -> None:
    """Give a model a threshold for each group, where the study asks for them; its checkpoints hold them then."""
    if groups is not None and groups.spec.thresholds != "none":
        model.register_buffer(THRESHOLDS, torch.full((len(groups.cells),), USUAL, dtype=torch.float64))


def thresholds_of(model: nn.Module) -> np.ndarray:
    """The threshold of each group."""
    found: np.ndarray = model.get_buffer(THRESHOLDS).cpu().numpy()
    return found


def fit_thresholds(model: nn.Module, outputs: Tensor, data: Tensors, groups: Groups) -> None:
    """Choose each group's threshold anew, by what the model says of these training rows."""
    if data.groups is None:
        return
    found = fitted_thresholds(scores_of(outputs, groups), data.y.cpu().numpy(), data.groups.cpu().numpy(), groups)
    model.get_buffer(THRESHOLDS).copy_(torch.from_numpy(found))


def scores_of(outputs: Tensor, groups: Groups) -> np.ndarray:
    """The predicted probability of the positive class."""
    found: np.ndarray = outputs.double().softmax(dim=1)[:, groups.positive].cpu().numpy()
    return found


def chosen_by_threshold(outputs: Tensor, codes: np.ndarray, thresholds: np.ndarray, groups: Groups) -> np.ndarray:
    """The class index of each row, of two classes, by the threshold of its group."""
    positive = thresholded(scores_of(outputs, groups), codes, thresholds)
    return np.where(positive, groups.positive, 1 - groups.positive)


def chosen_classes(model: nn.Module, outputs: Tensor, data: Tensors, groups: Groups | None) -> Tensor:
    """The class index of each row: the likeliest, or by the threshold of its group."""
    if groups is None or groups.spec.thresholds == "none" or data.groups is None:
        return outputs.argmax(dim=1)
    found = chosen_by_threshold(outputs, data.groups.cpu().numpy(), thresholds_of(model), groups)
    return torch.from_numpy(found).to(outputs.device)


def outcomes(
    chosen: Tensor, outputs: Tensor, data: Tensors, groups: Groups | None, *, by_group: bool
) -> dict[str, float]:
    """The metrics of the groups; none where the study compares none."""
    if groups is None or data.groups is None:
        return {}
    arrays = (chosen.cpu().numpy(), data.y.cpu().numpy(), scores_of(outputs, groups), data.groups.cpu().numpy())
    return group_metrics(*arrays, groups, by_group=by_group)
