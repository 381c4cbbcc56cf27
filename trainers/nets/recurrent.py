"""The layers of the recurrent net: the stack, the pooling over steps, the forecast's base.

Imports torch: import it where a model is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.trainers.data import Facts
from goodfit.trainers.nets.dropout import Dropout
from goodfit.trainers.nets.forecasting import naive, past, seasonal_naive

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
RUN: dict[Any, Callable[..., Any]] = {nn.RNN: torch.rnn_tanh, nn.LSTM: torch.lstm, nn.GRU: torch.gru}


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
            bidirectional=bidirectional,
        )
        self.between = Dropout(dropout if depth > 1 else 0.0)  # of layers
        self.size = width * (2 if bidirectional else 1)
        self.pooling = pooling
        if pooling == "attention":
            self.score = nn.Sequential(nn.Linear(self.size, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        states = self._states(x)
        if self.pooling == "mean":
            return torch.as_tensor(states.mean(dim=1))
        if self.pooling == "attention":
            weights = self.score(states).softmax(dim=1)
            return torch.as_tensor((weights * states).sum(dim=1))
        return self._ends(states)

    def _states(self, x: Tensor) -> Tensor:
        """Of all steps; where it drops between layers they run one by one, for torch's own dropout has no masks."""
        if not self.training or not self.between.p:
            states, _ = self.stack(x)
            return torch.as_tensor(states)
        run, ways = RUN[type(self.stack)], 2 if self.stack.bidirectional else 1
        nothing = x.new_zeros(ways, len(x), self.stack.hidden_size)
        start = (nothing, nothing) if run is torch.lstm else nothing
        each = self.stack.all_weights  # of each layer and direction
        for layer in range(self.stack.num_layers):
            weights = [weight for own in each[ways * layer : ways * (layer + 1)] for weight in own]
            x = self.between(x) if layer else x
            x = run(x, start, weights, True, 1, 0.0, True, ways == 2, True)[0]
        return x

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
        self.base = base
        self._facts = facts

    def forward(self, x: Tensor) -> Tensor:
        base, relative = self.parts(x)
        out: Tensor = base + self.net(relative)
        return out

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The base forecast, and what the net sees."""
        facts = self._facts
        relative = torch.cat([x[:, :, :1] - x[:, -1:, :1], x[:, :, 1:]], dim=2)
        seen = past(x, facts)
        if self.base == "season" and facts.period is not None:
            return seasonal_naive(seen, facts.horizon, facts.period), relative
        return naive(seen, facts.horizon), relative
