"""The recurrent net: for series, and for images row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.training.config import number
from goodfit.trainers.training.supervised import SupervisedConfig, supervised

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.data import Facts


@dataclass(frozen=True)
class RNNConfig(SupervisedConfig):
    """The hyperparameters of `rnn`."""

    # Measured on digits row by row, eeg and load_curve: these do well on all three.
    learning_rate: float = number(3e-3, above=0)
    weight_decay: float = number(0.1, least=0)
    dropout: float = number(0.2, least=0, below=1)  # between layers and before the head
    clip_norm: float = number(1.0, least=0)  # gradients through many steps explode now and then
    cell: Literal["rnn", "lstm", "gru"] = "gru"
    depth: int = number(1, least=1)  # layers
    width: int = number(64, least=1)  # of a layer's state, in each direction
    bidirectional: bool = False
    pooling: Literal["last", "mean", "attention"] = "last"
    base: Literal["none", "last", "season"] = "last"  # forecasting alone: what the net corrects


@supervised(
    "rnn",
    RNNConfig,
    shapes=["cell", "depth", "width", "bidirectional", "pooling", "base"],
    kinds=["series", "image"],
    tasks=["classification", "regression", "forecasting"],
    packs=True,
)
def rnn(config: RNNConfig, facts: Facts) -> nn.Module:
    """A recurrent net for time series: forecasting, classification, regression. Images are read row by row.

    A stack of recurrent layers runs over the steps; its states are pooled, and dropout and a linear
    layer follow. A forecast is the net's correction to a base: the last value (`last`), the last
    season (`season`, which needs data.period), or nothing (`none`).
    """
    from torch import nn

    from goodfit.trainers.nets.dropout import Dropout
    from goodfit.trainers.nets.recurrent import Forecaster, ImageRows, Recurrent

    if config.base == "season" and facts.task == "forecasting" and facts.period is None:
        raise BadTrainer("base: season needs the season's length; give `data: {period: 24}`, or another base")
    layers: list[nn.Module] = []
    features = facts.input_shape[-1]
    if facts.kind == "image":
        layers.append(ImageRows())
        features *= facts.input_shape[0]
    body = Recurrent(
        config.cell,
        features,
        config.width,
        config.depth,
        config.dropout,
        config.pooling,
        bidirectional=config.bidirectional,
    )
    net = nn.Sequential(*layers, body, Dropout(config.dropout), nn.Linear(body.size, facts.outputs))
    return Forecaster(net, config.base, facts) if facts.task == "forecasting" and config.base != "none" else net
