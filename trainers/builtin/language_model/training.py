"""How a language model is trained: the windows of an epoch, what is measured, the samples. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from goodfit.trainers.builtin.language_model.nets import build, write_on
from goodfit.trainers.data import Split
from goodfit.trainers.data.preparing.tokens import PADDING, Tokenizer
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.files import write_text
from goodfit.trainers.nets.attention import Decoder
from goodfit.trainers.seeding import mixed_seed
from goodfit.trainers.training import devices
from goodfit.trainers.training.language_metrics import token_loss, tokenizer_of
from goodfit.trainers.training.loop import Tensors, Training
from goodfit.trainers.training.packing.hub import run_epoch
from goodfit.trainers.training.packing.work import EpochWork
from goodfit.trainers.training.resident import resident
from goodfit.trainers.trial import Trial

TOKENS_MEASURED = 65_536  # of a split, each epoch, at most: their loss is known to about 0.01 nats
PROMPT, WRITTEN = 32, 200  # a sample's tokens of validation text, and the characters that the model adds


def fit(trial: Trial) -> None:
    """Train one trial to its end, reporting each epoch."""
    work = first_epoch(trial)
    model, validation = work.training.model, trial.data.validation if trial.data is not None else None
    if not isinstance(model, Decoder) or validation is None:
        raise BadTrainer(f"the language model is a {type(model).__name__} and no Decoder")
    samples = Samples(trial, model, tokenizer_of(work.facts), validation)
    trial.restore(*work.training.stateful, samples)
    for epoch in trial.epochs():
        result = run_epoch(replace(work, epoch=epoch))
        trial._packed(result.members, result.saved)  # noqa: SLF001 - not for trainers
        samples.look(epoch, result.validation)
        trial.report(train=result.train, val=result.validation)


def first_epoch(trial: Trial) -> EpochWork:
    """What the first epoch of a trial needs; the others need the same.

    Raises:
        BadTrainer: the study names no data.
        DataProblem: they are no running text.
    """
    data, config = trial.data, trial.config
    if data is None:
        raise BadTrainer("trainer language-model needs data; name them in the study: `data: {source: corpus.txt}`")
    if data.kind != "corpus":
        raise DataProblem(
            f"trainer language-model takes running text, and {data.name} is of kind {data.kind}; give a .txt file"
        )
    facts, device = data.facts, devices.choose()
    training = Training(build(config, facts).to(device), trial, facts, token_loss)
    training.packs = True
    (length,), tokens = facts.input_shape, int((data.train.y != PADDING).sum()) + 1
    training.rows_of = lambda epoch: window_starts(tokens, length, config.epoch_windows, trial.seed, epoch)
    measured, validation = (_measured(split, device) for split in (data.train, data.validation))
    return EpochWork(training, trial.seed, 1, _windows(data.train, device), measured, validation, facts)


def _windows(split: Split, device: torch.device) -> Tensors:
    """A window from each token of a split on: views of its tokens, of which only the last windows are filled up."""
    whole, length = Tensors.of(split, device), split.x.shape[1]
    return Tensors(*(one.flatten().unfold(0, length, 1) for one in (whole.x[:], whole.y)))


def window_starts(tokens: int, length: int, most: int, seed: int, epoch: int) -> Tensor:
    """Where the training windows of one epoch begin, by its seed and number alone: whole ones, in random order.

    They meet end to end from a random start, so that over the epochs a token comes at every place of
    a window; where there are more than `most`, that many of them are drawn.
    """
    random = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    start = int(torch.randint(min(length, tokens - length), (), generator=random))
    count = (tokens - 1 - start) // length
    return start + length * torch.randperm(count, generator=random)[:most]


def _measured(split: Split, device: torch.device) -> Tensors:
    """The windows that metrics come from: all, or the same ones in every epoch and trial, spread evenly."""
    count, length = split.x.shape
    rows = torch.linspace(0, count - 1, min(count, max(1, TOKENS_MEASURED // length))).round().long()
    arrays = [split.x, split.y]

    def copied() -> tuple[Tensor, Tensor]:
        x, y = (torch.from_numpy(np.asarray(one))[rows].to(device) for one in arrays)
        return x, y

    return Tensors(*resident("measured", arrays, device, copied, copies=True))


class Samples:
    """Writes samples.txt whenever the validation loss is the best so far."""

    def __init__(self, trial: Trial, model: Decoder, tokens: Tokenizer, validation: Split) -> None:
        config = trial.config
        self._trial = trial
        self._model, self._tokens, self._seed = model, tokens, trial.seed
        self._temperature, self._top_k = config.temperature, config.top_k
        whole = max(1, len(validation) - 1)  # the last window may be filled up
        rows = torch.linspace(0, whole - 1, min(config.samples, whole)).round().long()
        self._prompts = torch.from_numpy(validation.x)[rows, :PROMPT]
        self._best = math.inf

    def look(self, epoch: int, val: Mapping[str, float]) -> None:
        """Write what the model makes of the prompts, where it has become better."""
        if not len(self._prompts) or not val["loss"] < self._best:
            return
        self._best = val["loss"]
        written = write_on(
            self._model, self._tokens, self._prompts, WRITTEN, self._seed, self._temperature, self._top_k
        )
        parts = [f"epoch {epoch}: {val['bits_per_character']:.3f} bits a character on validation text\n"]
        for prompt, text in zip(self._prompts.tolist(), written, strict=True):
            parts.append(f"--- validation text:\n{self._tokens.decode(prompt)}\n--- the model goes on:\n{text}\n")
        write_text(self._trial.artifacts / "samples.txt", "\n".join(parts))

    def state_dict(self) -> dict[str, float]:
        return {"best": self._best}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self._best = state["best"]
