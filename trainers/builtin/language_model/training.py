"""How a language model is trained: the windows of an epoch, what is measured, the samples. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from goodfit.trainers.builtin.language_model.nets import Decoder, build, write_on
from goodfit.trainers.data import Split
from goodfit.trainers.data.kinds.corpus import stream
from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.files import write_text
from goodfit.trainers.seeding import mixed_seed
from goodfit.trainers.training import devices
from goodfit.trainers.training.language_metrics import language_metrics, token_loss, tokenizer_of
from goodfit.trainers.training.loop import Tensors, Training
from goodfit.trainers.training.resident import resident
from goodfit.trainers.trial import Trial

TOKENS_MEASURED = 65_536  # of a split, each epoch, at most: their loss is known to about 0.01 nats
PROMPT, WRITTEN = 32, 200  # a sample's tokens of validation text, and the characters that the model adds


def fit(trial: Trial) -> None:
    """Train one trial to its end, reporting each epoch."""
    data, config = trial.data, trial.config
    if data is None:
        raise BadTrainer("trainer language-model needs data; name them in the study: `data: {source: corpus.txt}`")
    if data.kind != "corpus":
        raise DataProblem(
            f"trainer language-model takes running text, and {data.name} is of kind {data.kind}; give a .txt file"
        )
    facts, device = data.facts, devices.choose()
    model = build(config, facts).to(device)
    if not isinstance(model, Decoder):
        raise BadTrainer(f"the language model is a {type(model).__name__} and no Decoder")
    whole = data.train
    arrays = [np.asarray(whole.x), whole.y]
    (text,) = resident("stream", arrays, device, lambda: (torch.from_numpy(stream(whole)).to(device),))
    seen, validation = (_measured(split, device) for split in (data.train, data.validation))
    training = Training(model, trial, facts, token_loss)
    samples = Samples(trial, model, tokenizer_of(facts), data.validation)
    trial.restore(*training.stateful, samples)
    for epoch in trial.epochs():
        x, y = epoch_windows(text, facts.input_shape[0], config.epoch_windows, trial.seed, epoch)
        training.epoch(epoch, Tensors(x.to(device), y.to(device)))
        train, val = (language_metrics(model, *part, facts) for part in (seen, validation))
        samples.look(epoch, val)
        trial.report(train=train, val=val)


def epoch_windows(text: Tensor, length: int, most: int, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """The training windows of one epoch, by its seed and number alone: whole ones, in random order.

    They meet end to end from a random start, so that over the epochs a token comes at every place of
    a window; where there are more than `most`, that many of them are drawn.
    """
    random = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    start = int(torch.randint(min(length, len(text) - length), (), generator=random))
    count = (len(text) - 1 - start) // length
    rows = torch.randperm(count, generator=random)[:most].to(text.device)
    x, y = (text[start + on : start + on + count * length].view(count, length)[rows] for on in (0, 1))
    return x, y


def _measured(split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    """The windows that metrics come from: all, or the same ones in every epoch and trial, spread evenly."""
    count, length = split.x.shape
    rows = torch.linspace(0, count - 1, min(count, max(1, TOKENS_MEASURED // length))).round().long()
    return torch.from_numpy(split.x)[rows].to(device), torch.from_numpy(split.y)[rows].to(device)


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
