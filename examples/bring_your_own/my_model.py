from dataclasses import dataclass
from typing import Literal

from torch import nn

from goodfit import SupervisedConfig, number, supervised


@dataclass(frozen=True)
class GatedConfig(SupervisedConfig):
    learning_rate: float = number(3e-3, above=0)  # another default for an inherited parameter
    width: int = number(32, least=1)
    gate: Literal["sigmoid", "tanh"] = "sigmoid"


class Gated(nn.Module):
    def __init__(self, config, facts):
        super().__init__()
        self.values = nn.Linear(facts.inputs, config.width)
        self.gates = nn.Linear(facts.inputs, config.width)
        self.gate = nn.Sigmoid() if config.gate == "sigmoid" else nn.Tanh()
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.width, facts.outputs))

    def forward(self, x):
        return self.head(self.values(x) * self.gate(self.gates(x)))


def focal(outputs, targets, label_smoothing):
    """Cross-entropy that counts a row less the surer the model is of its class (Lin and others, 2017)."""
    plain = nn.functional.cross_entropy(outputs, targets, label_smoothing=label_smoothing, reduction="none")
    return ((1 - (-plain).exp()) ** 2 * plain).mean()


@supervised("gated", GatedConfig, shapes=["width", "gate"], kinds=["table"], loss=focal)
def gated(config, facts):
    """A gated linear layer for tables, with a loss of its own."""
    return Gated(config, facts)
