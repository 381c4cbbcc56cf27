"""The multilayer perceptron: for tables of numbers and text; images are flattened."""

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
class MLPConfig(SupervisedConfig):
    """The hyperparameters of `mlp`."""

    # Measured on the built-in tables: these three do well on all of them, with 90 rows as with 1,000.
    learning_rate: float = number(3e-3, above=0)
    weight_decay: float = number(0.1, least=0)
    dropout: float = number(0.2, least=0, below=1)
    depth: int = number(2, least=0)  # hidden layers; 0: a linear model
    width: int = number(64, least=1)  # of each hidden layer
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    normalization: Literal["none", "batch", "layer"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalization == "batch" and self.batch_size == 1:
            raise BadTrainer("batch_size: 1 is too small for normalization: batch; give 2 or more")


@supervised(
    "mlp",
    MLPConfig,
    shapes=["depth", "width", "activation", "normalization"],
    kinds=["table", "image"],
    embeds=True,
    packs=True,
)
def mlp(config: MLPConfig, facts: Facts) -> nn.Module:
    """A multilayer perceptron for tables, classification and regression. Images are flattened.

    Each hidden layer is linear, normalization, activation, dropout. With `prepare: {encode: embedding}`
    each text column of a table has an embedding in front of the first.
    """
    from torch import nn

    from goodfit.trainers.nets.dropout import Dropout
    from goodfit.trainers.nets.embedding import Embedded, embedding_width
    from goodfit.trainers.nets.layers import CentredLinear, Layers, activation, normalization

    layers: list[nn.Module] = [nn.Flatten()]
    inputs = facts.inputs
    if facts.cardinalities:
        layers.append(Embedded(facts.inputs, facts.cardinalities))
        inputs += sum(embedding_width(codes) for codes in facts.cardinalities)
    linear = CentredLinear if config.normalization == "batch" else nn.Linear
    for _ in range(config.depth):
        layers += [
            linear(inputs, config.width),
            normalization(config.normalization, config.width, dimensions=1),
            activation(config.activation),
            Dropout(config.dropout),
        ]
        inputs = config.width
    return Layers(*layers, nn.Linear(inputs, facts.outputs), head=1)
