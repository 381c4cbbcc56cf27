import torch
from torch import nn


def train(trial):
    """A small net of my own."""
    data, config = trial.data, trial.config
    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    val_x, val_y = torch.from_numpy(data.validation.x), torch.from_numpy(data.validation.y)

    model = nn.Sequential(nn.Linear(x.shape[1], config.width), nn.ReLU(), nn.Linear(config.width, len(data.classes)))
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    trial.restore(model, optimizer)

    for _ in trial.epochs():
        model.train()
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        trial.report(train=measure(model, x, y), val=measure(model, val_x, val_y))


def measure(model, x, y):
    model.eval()
    with torch.no_grad():
        outputs = model(x)
    return {
        "loss": nn.functional.cross_entropy(outputs, y),
        "accuracy": (outputs.argmax(dim=1) == y).float().mean(),
    }
