from dataclasses import dataclass

import torch
from transformers import Trainer, ViTConfig, ViTForImageClassification

from goodfit import register
from goodfit.hugging_face import arguments, fit


@dataclass(frozen=True)
class Config:
    width: int = 32  # a multiple of its 4 attention heads
    depth: int = 2
    dropout: float = 0.0
    learning_rate: float = 3e-3


@register("my-vision-transformer", config=Config, shapes=["width", "depth"], kinds=["image"])
def train(trial):
    """A small vision transformer, built from a config: nothing is downloaded."""
    config, facts = trial.config, trial.data.facts
    channels, side, _ = facts.input_shape
    model = ViTForImageClassification(
        ViTConfig(
            image_size=side,
            patch_size=2,
            num_channels=channels,
            hidden_size=config.width,
            num_hidden_layers=config.depth,
            num_attention_heads=4,
            intermediate_size=2 * config.width,
            hidden_dropout_prob=config.dropout,
            initializer_range=0.2,  # of weights this few; 0.02, the default, is for widths of hundreds
            num_labels=len(facts.classes),
        )
    )
    trainer = Trainer(
        model,
        arguments(
            trial,
            learning_rate=config.learning_rate,
            per_device_train_batch_size=16,
            per_device_eval_batch_size=512,
            lr_scheduler_type="cosine",
        ),
        train_dataset=rows(trial.data.train),
        eval_dataset={"train": rows(trial.data.train), "val": rows(trial.data.validation)},
        compute_metrics=lambda guess: {"accuracy": (guess.predictions.argmax(axis=1) == guess.label_ids).mean()},
    )
    fit(trial, trainer)


def rows(split):
    return [{"pixel_values": x, "labels": y} for x, y in zip(torch.from_numpy(split.x), split.y.tolist(), strict=True)]
