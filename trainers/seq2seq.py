"""The encoder-decoder: texts to texts, such as written dates to ISO dates.

What lives here: its hyperparameters and its declaration. Its nets are in seq2seq_nets.py, how they
are trained and measured in seq2seq_training.py, how they write in decoding.py; these import torch,
and this module does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainers.config import number
from trainers.errors import BadTrainer, DataProblem
from trainers.registry import register
from trainers.supervised import SupervisedConfig
from trainers.trial import Trial

if TYPE_CHECKING:
    from trainers.data import Facts
    from trainers.seq2seq_nets import Seq2Seq

LONGEST = 2048  # positions: attention costs the square of them, 2048 x 2048 numbers a head and row
METRICS = {"translation": ("loss", "token_accuracy", "exact_match")}


@dataclass(frozen=True)
class Seq2SeqConfig(SupervisedConfig):
    """The hyperparameters of `seq2seq`."""

    # On test rows of dates after 12 epochs, seeds 1 and 2, these write 0.971 and 0.962 of the texts without a fault;
    # rnn-attention 0.971 with seed 1.
    learning_rate: float = number(3e-3, above=0)
    batch_size: int = number(64, least=1)
    schedule: Literal["constant", "cosine", "step", "onecycle"] = "onecycle"  # its start is a warm-up
    dropout: float = number(0.1, least=0, below=1)  # of embeddings, and of what each layer adds
    clip_norm: float = number(1.0, least=0)  # gradients through many steps explode now and then
    core: Literal["transformer", "rnn-attention"] = "transformer"
    depth: int = number(2, least=1)  # layers of the encoder, and as many of the decoder
    width: int = number(64, least=1)  # numbers a position; of a GRU, its state in each direction
    heads: int = number(4, least=1)  # of a transformer
    activation: Literal["relu", "gelu", "tanh", "silu"] = "gelu"  # of a transformer's feed-forward nets
    teacher_forcing: float = number(1.0, least=0, most=1)  # share of tokens that training shows a GRU; else its own
    beam: int = number(1, least=1)  # texts that are followed at once when one is written; 1: greedy

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.core != "transformer":
            return
        if self.width % self.heads:
            raise BadTrainer(f"width: {self.width} is no multiple of heads: {self.heads}; every head takes its share")
        if self.teacher_forcing < 1:
            raise BadTrainer(
                f"teacher_forcing: {self.teacher_forcing:g} shows a net its own tokens one by one, and a transformer "
                "is trained on all positions at once; give core: rnn-attention, or leave it at 1"
            )


def build_model(config: Seq2SeqConfig, facts: Facts) -> Seq2Seq:
    """The untrained net for such data."""
    from trainers.seq2seq_nets import RecurrentSeq2Seq, TransformerSeq2Seq

    sources, targets = facts.preparation.tokens, facts.preparation.target_tokens
    if sources is None or targets is None:
        raise BadTrainer(f"{facts.name} was prepared without a tokenizer for each side; load it anew")
    if sources.length > LONGEST:
        raise DataProblem(
            f"{facts.name}: rows of {sources.length} exceed seq2seq's {LONGEST} positions; set data.tokens.length to "
            f"{LONGEST} or less"
        )
    net = TransformerSeq2Seq if config.core == "transformer" else RecurrentSeq2Seq
    return net(config, sources, targets)


@register(
    "seq2seq",
    config=Seq2SeqConfig,
    shapes=["core", "depth", "width", "heads", "activation"],
    kinds=["pairs"],
    metrics=METRICS,
    build=build_model,
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
    from trainers.seq2seq_training import fit

    fit(trial)
