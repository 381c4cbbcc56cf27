"""The trainer `language-model`. Its nets and its training import torch, and are imported when a trial starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit.trainers.builtin.language_model.config import LanguageModelConfig
from goodfit.trainers.registry import register
from goodfit.trainers.trial import Trial

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.data import Facts


def build(config: LanguageModelConfig, facts: Facts) -> nn.Module:
    """The untrained net for such data."""
    from goodfit.trainers.builtin.language_model.nets import build as build_net

    return build_net(config, facts)


@register(
    "language-model",
    config=LanguageModelConfig,
    shapes=["depth", "width", "heads", "positions", "activation", "tied"],
    kinds=["corpus"],
    metrics={"language-modelling": ("loss", "bits_per_character", "perplexity", "accuracy")},
    build=build,
    packs=True,
)
def language_model(trial: Trial) -> None:
    """A transformer decoder that learns to tell the next token of running text, and writes text of its own.

    A block is attention to what came before and a feed-forward net, each behind a layer norm and
    around which its input is led. An epoch reads the training text in windows that meet end to end,
    from a start drawn anew each time, or `epoch_windows` of them drawn at random where there are more.

    `loss` is in nats a token; `bits_per_character` compares across tokenizers. Both splits are measured
    in the same way, on windows spread evenly over their text, about 65,000 tokens at most. Where the
    validation loss is the best so far, `samples.txt` in the trial's artifacts has what the model makes
    of the beginnings of some validation windows.
    """
    from goodfit.trainers.builtin.language_model.training import fit

    fit(trial)
