"""How an encoder-decoder is trained, measured, and asked for samples. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from goodfit.trainers.builtin.seq2seq.nets import Seq2Seq, build
from goodfit.trainers.data.facts import Facts, Split
from goodfit.trainers.data.kinds.pairs import texts_of
from goodfit.trainers.data.preparing.tokens import PADDING, UNKNOWN, Tokenizer
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.files import write_text
from goodfit.trainers.nets.decoding import write
from goodfit.trainers.training import devices
from goodfit.trainers.training.augmentation import Blend
from goodfit.trainers.training.loop import Tensors, Training, suitable
from goodfit.trainers.training.resident import resident
from goodfit.trainers.trial import Trial

TRAIN_ROWS_MEASURED = 2_000  # by loss and token_accuracy: a fraction of an epoch's time
ROWS_WRITTEN = 500  # of each split, by exact_match: writing takes a step a token; error 2% on a share of a half
ROWS_SHOWN = 20  # in samples.txt
ROWS_AT_ONCE = 512  # when measuring; bounds the memory, changes no result


class Pairs(NamedTuple):
    """Ids of sources and of targets, on the device."""

    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, split: Split, device: torch.device) -> Pairs:
        def copied() -> Pairs:
            return cls(torch.from_numpy(split.x).to(device), torch.from_numpy(split.y).to(device))

        return resident("pairs", [np.asarray(split.x), split.y], device, copied)

    def some(self, rows: int) -> Pairs:
        """So many rows at most, the same ones in every epoch and trial."""
        if len(self.y) <= rows:
            return self
        chosen = torch.randperm(len(self.y), generator=torch.Generator().manual_seed(0))[:rows].to(self.y.device)
        return Pairs(self.x[chosen], self.y[chosen])


def fit(trial: Trial) -> None:
    """Train one trial to its end, reporting each epoch."""
    data = suitable(trial.data, "seq2seq", ["pairs"])
    device = devices.choose()
    train, validation = Pairs.of(data.train, device), Pairs.of(data.validation, device)
    measured, shown = train.some(TRAIN_ROWS_MEASURED), validation.some(ROWS_SHOWN)
    model = build(trial.config, data.facts).to(device)
    training = _Teaching(model, trial, data.facts)
    trial.restore(*training.stateful)
    for epoch in trial.epochs():
        training.epoch(epoch, Tensors(train.x, train.y))
        trial.report(train=evaluate(model, measured, data.facts), val=evaluate(model, validation, data.facts))
        write_samples(trial.artifacts / "samples.txt", model, shown, data.facts)


class _Teaching(Training):
    """Teacher forcing: the loss of each wanted token, given those before it."""

    def __init__(self, model: Seq2Seq, trial: Trial, facts: Facts) -> None:
        super().__init__(model, trial, facts, token_loss)
        self._net = model

    def _step(self, x: Tensor, y: Tensor, blend: Blend | None = None) -> None:  # noqa: ARG002 - of images alone
        y = trimmed(y)
        with torch.autocast(x.device.type, dtype=self.half, enabled=self.half is not None):
            logits = self._net(x, y)
        self._descend(self.fitted_loss(logits.float(), y, self.config.label_smoothing))


def token_loss(logits: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """The mean over all wanted tokens of minus the log of their probability, in nats."""
    return functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=PADDING, label_smoothing=smoothing)


def trimmed(y: Tensor) -> Tensor:
    """Targets without the positions that none of them reaches."""
    return y[:, : int((y != PADDING).sum(dim=1).max())]


@torch.inference_mode()
def evaluate(model: Seq2Seq, pairs: Pairs, facts: Facts) -> dict[str, float]:
    """The metrics of a split, exact_match of some of its rows; in eval mode and float32."""
    model.eval()
    loss, hits, tokens = 0.0, 0, 0
    for x, y in zip(*(torch.split(part, ROWS_AT_ONCE) for part in pairs), strict=True):
        y = trimmed(y)
        logits, wanted = model(x, y), y != PADDING
        count = int(wanted.sum())
        loss += float(token_loss(logits, y, 0.0)) * count
        hits += int(((logits.argmax(dim=2) == y) & wanted).sum())
        tokens += count
    matched = exact_match(model, pairs.some(ROWS_WRITTEN), facts)
    return {"loss": loss / tokens, "token_accuracy": hits / tokens, "exact_match": matched}


def exact_match(model: Seq2Seq, pairs: Pairs, facts: Facts, beam: int = 1) -> float:
    """The share of texts that the model writes as wanted, to the last character.

    A wanted text with a token that training never saw does not match: no model can write it.
    """
    possible = ~(pairs.y == UNKNOWN).any(dim=1).cpu()
    found, wanted = _written(model, pairs, facts, beam), texts_of(_targets(facts), pairs.y.cpu().numpy())
    same = [one == other and can for one, other, can in zip(found, wanted, possible.tolist(), strict=True)]
    return float(np.mean(same))


def _written(model: Seq2Seq, pairs: Pairs, facts: Facts, beam: int = 1) -> Sequence[str]:
    """What the model makes of the sources, cut where the longest wanted text ends: what is longer is wrong anyway."""
    model.eval()
    written = write(model, pairs.x, trimmed(pairs.y).shape[1], beam)
    return texts_of(_targets(facts), written.ids.cpu().numpy())


def write_samples(path: Path, model: Seq2Seq, pairs: Pairs, facts: Facts) -> None:
    """A text file of sources, of what is wanted for them, and of what the model writes."""
    sources, targets = facts.preparation.tokens, _targets(facts)
    if sources is None:
        raise BadTrainer(f"{facts.name} was prepared without a tokenizer; load it again")
    given = [sources.decode(row) for row in pairs.x.tolist()]
    rows = zip(given, texts_of(targets, pairs.y.cpu().numpy()), _written(model, pairs, facts), strict=True)
    lines = [f"source   {one}\nwanted   {two}\nwritten  {three}\n" for one, two, three in rows]
    write_text(path, "\n".join(lines))


def _targets(facts: Facts) -> Tokenizer:
    if facts.preparation.target_tokens is None:
        raise BadTrainer(f"{facts.name} was prepared without a tokenizer of its targets; load it again")
    return facts.preparation.target_tokens
