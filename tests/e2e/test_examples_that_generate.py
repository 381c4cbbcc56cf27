"""The examples that generate images or play, shortened: nearer to real images than a Gaussian, better than chance.

To come nearer than a Gaussian takes long: `make soak` has it, and a shorter training shows that the examples learn.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest

from benchmarks.examples import figures
from tests.shortened import searched

pytestmark = pytest.mark.e2e


GAN = "batch_size: 64, width: 16, learning_rate: 2e-3"
DIFFUSION = "width: 16, learning_rate: 4e-3, conditional: true"


@pytest.mark.parametrize(
    ("example", "epochs", "fixed", "metric", "share"),
    [
        ("gan", 5, GAN, "val/frechet", 0.5),
        ("diffusion", 4, DIFFUSION, "val/loss", 0.8),
    ],
    ids=["gan", "diffusion"],
)
def test_a_first_training_comes_nearer_to_the_images(
    tmp_path: Path, example: str, epochs: int, fixed: str, metric: str, share: float
) -> None:
    fixed = f"fixed={{{fixed}, frechet_epochs: {epochs}}}"
    study = searched(example, tmp_path, f"training.epochs={epochs}", "budget.trials=1", fixed)
    curve = study.curve(0)[metric].tolist()
    assert curve[-1] < share * curve[0]
    assert study.best().value == min(study.curve(0)["val/frechet"])


@pytest.mark.soak
@pytest.mark.parametrize(
    ("example", "epochs", "fixed"), [("gan", 20, GAN), ("diffusion", 14, DIFFUSION)], ids=["gan", "diffusion"]
)
def test_a_short_training_beats_a_gaussian_fitted_to_the_pixels(
    tmp_path: Path, example: str, epochs: int, fixed: str
) -> None:
    fixed = f"fixed={{{fixed}, frechet_epochs: {epochs}}}"
    study = searched(example, tmp_path, f"training.epochs={epochs}", "budget.trials=1", fixed)
    curve = study.curve(0)["val/frechet"].tolist()
    assert curve[-1] < curve[0] / 2
    assert figures(study)["of a Gaussian's"] < 1
    assert study.best().value == min(curve)


def test_a_policy_balances_the_pole_on_seeds_that_it_never_played(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed")
    from goodfit.trainers.builtin.rl.environments import TEST_SEEDS, make, play

    fixed = "{environment: CartPole-v1, algorithm: ppo, batch_size: 256, episodes: 10}"
    study = searched("rl", tmp_path, "training.epochs=5", "budget.trials=1", f"fixed={fixed}")
    learned = figures(study)["return"]
    cart, dice = make("CartPole-v1"), np.random.default_rng(0)
    chance = play([cart], lambda seen: dice.integers(2, size=len(seen)), range(TEST_SEEDS, TEST_SEEDS + 20))
    assert learned > 5 * statistics.fmean(episode.total for episode in chance)
    curve = study.curve(0)["train/return"].tolist()
    assert curve[-1] > 3 * curve[0]
