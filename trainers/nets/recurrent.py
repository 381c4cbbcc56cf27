"""The layers of the recurrent net: the stack, the pooling over steps, the forecast's base.

Imports torch: import it where a model is built. `nn.LSTM` and its kin do not work under vmap.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from goodfit.trainers.data import Facts
from goodfit.trainers.nets.forecasting import naive, past, seasonal_naive

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class ImageRows(nn.Module):
    """Images (n, channels, height, width) as sequences of their rows, from the top."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 1, 3).flatten(2)


class Recurrent(nn.Module):
    """A stack of recurrent layers, pooled over the steps: (n, steps, features) -> (n, size)."""

    def __init__(
        self, cell: str, features: int, width: int, depth: int, dropout: float, pooling: str, *, bidirectional: bool
    ) -> None:
        super().__init__()
        self.stack = CELLS[cell](
            features,
            width,
            depth,
            batch_first=True,
            dropout=dropout if depth > 1 else 0.0,  # between layers; torch warns where there is no between
            bidirectional=bidirectional,
        )
        self.size = width * (2 if bidirectional else 1)
        self.pooling = pooling
        if pooling == "attention":
            self.score = nn.Sequential(nn.Linear(self.size, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.stack(x)
        if self.pooling == "mean":
            return torch.as_tensor(states.mean(dim=1))
        if self.pooling == "attention":
            weights = self.score(states).softmax(dim=1)
            return torch.as_tensor((weights * states).sum(dim=1))
        return self._ends(states)

    def _ends(self, states: Tensor) -> Tensor:
        """The state that has seen all steps: the last one's, and of the way back the first one's."""
        if not self.stack.bidirectional:
            return states[:, -1]
        there, back = states.chunk(2, dim=2)
        return torch.cat([there[:, -1], back[:, 0]], dim=1)


class Forecaster(nn.Module):
    """A net whose output is a correction to a base forecast.

    The target's past comes relative to its last value, so that a level that training never
    saw is no news to the net.

    Args:
        net: (n, window, features) -> (n, horizon).
        base: "last" or "season", the naive forecasts.
    """

    def __init__(self, net: nn.Module, base: str, facts: Facts) -> None:
        super().__init__()
        self.net = net
        self._base = base
        self._facts = facts

    def forward(self, x: Tensor) -> Tensor:
        facts = self._facts
        relative = torch.cat([x[:, :, :1] - x[:, -1:, :1], x[:, :, 1:]], dim=2)
        seen = past(x, facts)
        if self._base == "season" and facts.period is not None:
            base = seasonal_naive(seen, facts.horizon, facts.period)
        else:
            base = naive(seen, facts.horizon)
        out: Tensor = base + self.net(relative)
        return out
