from dataclasses import dataclass

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from goodfit import register
from goodfit.lightning import fit


@dataclass(frozen=True)
class Config:
    width: int = 64
    learning_rate: float = 3e-3


class Net(lightning.LightningModule):
    def __init__(self, config, facts):
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Linear(facts.inputs, config.width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(config.width, facts.outputs)
        )

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, index):
        return self.measured(batch)["loss"]

    def validation_step(self, batch, index, dataloader_idx):
        split = ("train", "val")[dataloader_idx]  # both measured in the same way
        metrics = {f"{split}_{name}": value for name, value in self.measured(batch).items()}
        self.log_dict(metrics, batch_size=len(batch[1]), add_dataloader_idx=False)

    def measured(self, batch):
        x, y = batch
        outputs = self(x)
        accuracy = (outputs.argmax(dim=1) == y).float().mean()
        return {"loss": nn.functional.cross_entropy(outputs, y), "accuracy": accuracy}

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.config.learning_rate)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)]


@register("my-lightning", config=Config, build=Net, shapes=["width"], kinds=["table"])
def train(trial):
    """A LightningModule of my own."""
    train, val = rows(trial.data.train), rows(trial.data.validation)
    measured = [DataLoader(train, 256), DataLoader(val, 256)]
    fit(trial, Net(trial.config, trial.data.facts), DataLoader(train, 32, shuffle=True), measured)


def rows(split):
    return TensorDataset(torch.from_numpy(split.x), torch.from_numpy(split.y))
