"""The trainer `seq2seq`. Its nets and its training import torch, and are imported when a trial starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit.trainers.builtin.seq2seq.config import Seq2SeqConfig
from goodfit.trainers.registry import register
from goodfit.trainers.trial import Trial

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.data import Facts

METRICS = {"translation": ("loss", "token_accuracy", "exact_match")}


def build(config: Seq2SeqConfig, facts: Facts) -> nn.Module:
    """The untrained net for such data."""
    from goodfit.trainers.builtin.seq2seq.nets import build as build_net

    return build_net(config, facts)


@register(
    "seq2seq",
    config=Seq2SeqConfig,
    shapes=["core", "depth", "width", "heads", "activation"],
    kinds=["pairs"],
    metrics=METRICS,
    build=build,
)
def seq2seq(trial: Trial) -> None:
    """An encoder-decoder for pairs of texts: a transformer, or recurrent nets with attention.

    Training shows the decoder the wanted text up to each token (teacher forcing). `loss` is the mean
    of minus the log probability of a wanted token, in nats, the end of the text among them;
    `token_accuracy` is how often the wanted token is the likeliest; both are given the wanted text so
    far. `exact_match` is the share of texts that the net, given nothing but the source, writes out
    without a fault, greedily. All are measured after each epoch, on training and on validation rows:
    the first two on 2,000 training rows and all of validation, exact_match on 500 rows of each,
    the same ones in every epoch and trial. `samples.txt`, among the trial's artifacts, has some of
    the validation texts as written after the last epoch.
    """
    from goodfit.trainers.builtin.seq2seq.training import fit

    fit(trial)
