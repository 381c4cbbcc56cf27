"""The trainers that generate images: they learn, they repeat themselves, and they say what they cannot take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from goodfit.testing.attempts import attempt
from goodfit.trainers.builtin.diffusion.config import DiffusionConfig
from goodfit.trainers.builtin.diffusion.training import Denoiser, signal_shares
from goodfit.trainers.builtin.gan.nets import Discriminator, Generator
from goodfit.trainers.builtin.gan.training import Objective
from goodfit.trainers.builtin.generative import frechet
from goodfit.trainers.builtin.generative.images import Average
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import Outcome
from goodfit.trainers.nets.unet import UNet
from goodfit.trainers.registry import resolve
from tests.training import DIABETES, DIGITS

SMALL = {"width": 4, "batch_size": 256, "frechet_epochs": 2}
CONFIGURATIONS = [
    ("gan", {"objective": "hinge", "dropout": 0.3}),
    ("gan", {"objective": "standard", "conditional": True, "normalization": "group", "weight_decay": 0.01}),
    ("gan", {"objective": "wasserstein", "discriminator_steps": 2, "ema_decay": 0.0}),
    ("diffusion", {"noise_schedule": "cosine", "sampling_steps": 3, "dropout": 0.3}),
    ("diffusion", {"noise_schedule": "linear", "sampling_steps": 3, "conditional": True, "depth": 3}),
]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frechet, "STEPS", 3)


def generate(folder: Path, trainer: str, **changes: Any) -> Any:
    settings = {"data": DIGITS, "metric": "val/frechet", "direction": "minimize", "checkpoint_epochs": 1, **changes}
    return attempt(folder, trainer=trainer, **settings)


@pytest.mark.parametrize(("trainer", "params"), CONFIGURATIONS)
def test_a_resumed_trial_gives_exactly_the_curve_and_weights_of_an_uninterrupted_one(
    tmp_path: Path, quick: None, trainer: str, params: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {"params": {**SMALL, **params}, "epochs": 6}
    whole = generate(tmp_path / "whole", trainer, **settings)
    paused = generate(tmp_path / "parts", trainer, pauses=True, pause_at=2, **settings)
    first = generate(tmp_path / "parts", trainer, stop_after=3, reported=2, **settings)
    second = generate(tmp_path / "parts", trainer, attempt=2, reported=3, **settings)
    assert (first.ended.outcome, second.ended.outcome) == (Outcome.STOPPED, Outcome.COMPLETE), second.ended.message
    assert paused.curve + first.curve + second.curve == whole.curve
    saved = [torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "parts")]
    for one, other in zip(*(state["objects"][:2] for state in saved), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    pictures = [sorted((tmp_path / name / "artifacts").iterdir()) for name in ("whole", "parts")]
    assert [path.name for path in pictures[0]] == [f"samples_epoch_{epoch:04d}.png" for epoch in (1, 2, 4, 6)]
    assert [path.read_bytes() for path in pictures[0]] == [path.read_bytes() for path in pictures[1]]


@pytest.mark.parametrize("trainer", ["gan", "diffusion"])
def test_what_is_declared_is_reported_and_the_distance_stands_between_measurements(
    tmp_path: Path, quick: None, trainer: str
) -> None:
    line = generate(tmp_path, trainer, params={**SMALL, "frechet_epochs": 3}, epochs=5)
    declared = resolve(trainer).metrics
    assert declared is not None
    expected = {f"{split}/{name}" for split in ("train", "val") for name in declared["classification"]}
    assert all(set(report.metrics) == expected for report in line.reports)
    distances = [report.metrics["val/frechet"] for report in line.reports]
    assert distances[0] == distances[1] != distances[2] == distances[3] != distances[4]


@pytest.mark.parametrize("trainer", ["gan", "diffusion"])
def test_a_seed_decides_the_curve(tmp_path: Path, quick: None, trainer: str) -> None:
    one, other = (generate(tmp_path / str(seed), trainer, params=SMALL, seed=seed, epochs=2) for seed in (1, 2))
    assert one.curve != other.curve


@pytest.mark.parametrize(("trainer", "nets"), [("gan", 3), ("diffusion", 2)])
def test_l1_makes_the_weights_of_each_net_smaller(tmp_path: Path, quick: None, trainer: str, nets: int) -> None:
    def sizes(l1: float) -> list[float]:
        """The sum of the sizes of each net's weights after an epoch."""
        params = {**SMALL, "batch_size": 64, "l1": l1, "ema_decay": 0.0}
        generate(tmp_path / str(l1), trainer, params=params, epochs=1)
        states = torch.load(tmp_path / str(l1) / "last.pt", weights_only=True)["objects"][:nets]
        return [sum(float(weight.abs().sum()) for weight in state.values() if weight.ndim > 1) for state in states]

    assert all(sparse < 0.98 * plain for plain, sparse in zip(sizes(0.0), sizes(1.0), strict=True))


@pytest.mark.parametrize("trainer", ["gan", "diffusion"])
def test_pictures_of_an_older_study_of_the_name_are_cleared(tmp_path: Path, quick: None, trainer: str) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "samples_epoch_0900.png").write_bytes(b"old")
    generate(tmp_path, trainer, params=SMALL, epochs=1)
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["samples_epoch_0001.png"]


@pytest.mark.parametrize("trainer", ["gan", "diffusion"])
def test_data_that_cannot_be_generated_are_refused(tmp_path: Path, trainer: str) -> None:
    told = [str(generate(tmp_path, trainer, data=data).ended.message) for data in (None, DIABETES)]
    assert told[0].startswith(f"trainer {trainer} needs data")
    assert told[1] == f"trainer {trainer} takes data of kind image, and diabetes is of kind table"


@pytest.mark.parametrize("trainer", ["gan", "diffusion"])
def test_images_without_classes_train_but_not_conditionally(tmp_path: Path, quick: None, trainer: str) -> None:
    file = tmp_path / "images.npz"
    random = np.random.default_rng(0)
    np.savez(file, x=random.normal(size=(40, 3, 9, 6)), y=random.normal(size=40))
    data = replace(DIGITS, source=str(file))
    plain = generate(tmp_path / "a", trainer, data=data, params={**SMALL, "batch_size": 8}, epochs=1)
    assert plain.ended.outcome is Outcome.COMPLETE, plain.ended.message
    asked = generate(tmp_path / "b", trainer, data=data, params={**SMALL, "conditional": True}, epochs=1)
    assert str(asked.ended.message) == "conditional: true needs classes, and images is for regression; give false"


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 1, 1), (2, 17, 5), (3, 32, 32)])
@pytest.mark.parametrize("classes", [0, 3])
def test_the_nets_take_images_of_any_size(shape: tuple[int, ...], classes: int) -> None:
    labels = torch.tensor([0, 2])
    made = Generator(shape, latent=5, width=4, norm="group", classes=classes)(torch.randn(2, 5), labels)
    assert made.shape == (2, *shape)
    assert made.abs().max() <= 1
    for spectral in (True, False):
        assert Discriminator(shape, 4, 0.1, spectral=spectral, classes=classes)(made, labels).shape == (2,)
    for depth in (1, 4):
        denoised = UNet(shape, width=4, depth=depth, dropout=0.1, classes=classes)(made, torch.rand(2), labels)
        assert denoised.shape == (2, *shape)


@pytest.mark.parametrize("name", ["standard", "hinge", "wasserstein"])
def test_each_side_of_a_game_gains_what_it_should(name: str) -> None:
    game, high, low = Objective(name), torch.full((4,), 2.0), torch.full((4,), -2.0)
    assert game.discriminator(high, low) < game.discriminator(low, high)
    assert game.generator(high) < game.generator(low)


def test_a_conditional_discriminator_looks_at_the_class() -> None:
    torch.manual_seed(0)
    net = Discriminator((1, 8, 8), 4, 0.0, spectral=True, classes=2).eval()
    image = torch.randn(1, 1, 8, 8)
    assert net(image, torch.tensor([0])) != net(image, torch.tensor([1]))


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("steps", [2, 50, 1000])
def test_noise_grows_from_nearly_none_to_nearly_all(schedule: str, steps: int) -> None:
    shares = signal_shares(schedule, steps)
    assert bool((shares.diff() <= 0).all())
    assert bool(shares.isfinite().all())
    assert shares[-1] < 0.01
    assert steps < 50 or shares[0] > 0.99


def test_sampling_finds_the_image_that_a_perfect_denoiser_knows() -> None:
    image = torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8)
    denoiser = object.__new__(Denoiser)
    denoiser._config, denoiser._shape = DiffusionConfig(noise_steps=100, sampling_steps=7), (1, 8, 8)
    denoiser._signal = signal_shares("cosine", 100)

    def knows(x: torch.Tensor, time: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        signal = denoiser._signal[(time * 100).round().long()][:, None, None, None]
        return (x - signal.sqrt() * image) / (1 - signal).sqrt()

    denoiser._average = type("Known", (), {"model": staticmethod(knows)})()
    found = denoiser.sample(torch.zeros(3, dtype=torch.long), torch.Generator().manual_seed(0))
    assert torch.allclose(found, image.expand(3, 1, 8, 8), atol=1e-4)


def test_an_average_follows_the_model_by_its_decay() -> None:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(model.weight)
    slow, none = Average(model, 0.9), Average(model, 0.0)
    torch.nn.init.ones_(model.weight)
    for average in (slow, none):
        average.update(step=1000)
    assert float(slow.model.weight.detach()) == pytest.approx(0.1)
    assert float(none.model.weight.detach()) == 1.0


def test_more_sampling_steps_than_noise_steps_are_refused() -> None:
    with pytest.raises(BadTrainer, match="sampling_steps: 50 is more than the 20 noise_steps"):
        DiffusionConfig(noise_steps=20, sampling_steps=50)
