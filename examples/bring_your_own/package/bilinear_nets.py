"""Bilinear nets for tables, as a package that adds the trainer `bilinear` to Goodfit."""

from dataclasses import dataclass

from goodfit import SupervisedConfig, number, supervised


@dataclass(frozen=True)
class BilinearConfig(SupervisedConfig):
    """The hyperparameters of `bilinear`."""

    learning_rate: float = number(1e-2, above=0)
    width: int = number(16, least=1)


@supervised("bilinear", BilinearConfig, shapes=["width"], kinds=["table"])
def bilinear(config, facts):
    """Products of two linear functions of the row, summed linearly."""
    from torch import nn  # here, so that listing trainers needs no torch

    class Bilinear(nn.Module):
        def __init__(self):
            super().__init__()
            self.left = nn.Linear(facts.inputs, config.width)
            self.right = nn.Linear(facts.inputs, config.width)
            self.head = nn.Linear(config.width, facts.outputs)

        def forward(self, x):
            return self.head(self.left(x) * self.right(x))

    return Bilinear()
