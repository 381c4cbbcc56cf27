"""Reinforcement learning: it learns, goes on where it stopped, and takes any environment that it can."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import read
from goodfit.testing.attempts import Line, attempt
from goodfit.trainers.builtin.rl.config import RLConfig
from goodfit.trainers.builtin.rl.environments import (
    ENDLESS,
    TEST_SEEDS,
    TRAINING_SEEDS,
    Copy,
    Episode,
    check_actions,
    make,
    play,
)
from goodfit.trainers.builtin.rl.training import Agent
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import Outcome
from goodfit.trainers.registry import resolve

SHORT = {"steps_per_epoch": 512, "episodes": 3, "learning_starts": 100, "batch_size": 64, "updates": 8}
STUDY = """\
name: balance
trainer: rl
space: {learning_rate: {type: float, low: 1e-4, high: 1e-2, log: true}}
fixed: {environment: CartPole-v1}
objective: {metric: val/return, direction: maximize}
training: {epochs: 3}
budget: {trials: 4}
"""


def train(folder: Path, *, stop_after: int | None = None, epochs: int = 3, tries: int = 1, **params: Any) -> Line:
    """One attempt at a short trial."""
    return attempt(
        folder,
        trainer="rl",
        params={**SHORT, **params},
        epochs=epochs,
        metric="val/return",
        attempt=tries,
        stop_after=stop_after,
    )


def problems(folder: Path, old: str = "", new: str = "") -> str:
    file = folder / "study.yaml"
    file.write_text(STUDY.replace(old, new))
    with pytest.raises(StudyFileError) as caught:
        read(file)
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ["ppo", "dqn", "a2c"])
def test_a_resumed_trial_gives_the_curve_of_one_that_never_stopped(tmp_path: Path, algorithm: str) -> None:
    whole = train(tmp_path / "whole", algorithm=algorithm)
    first = train(tmp_path / "parts", algorithm=algorithm, stop_after=1)
    rest = train(tmp_path / "parts", algorithm=algorithm, tries=2)
    assert [epoch for epoch, _ in first.curve] == [1]
    assert rest.curve == whole.curve
    assert {"train/return", "train/loss", "val/return", "val/length"} <= set(whole.curve[-1][1])
    assert rest.ended.outcome is whole.ended.outcome is Outcome.COMPLETE


def test_another_seed_gives_another_curve_and_the_same_one_the_same(tmp_path: Path) -> None:
    def curve(name: str, seed: int) -> Any:
        folder = tmp_path / name
        return attempt(folder, trainer="rl", params=SHORT, epochs=1, metric="val/return", seed=seed).curve

    assert curve("one", 1) == curve("again", 1) != curve("two", 2)


def test_an_epoch_has_its_steps_whatever_the_rollouts(tmp_path: Path) -> None:
    agent = Agent(RLConfig(steps_per_epoch=100, environments=4, rollout=6, batch_size=24), seed=0, steps=300)
    for epoch in (1, 2, 3):
        agent.epoch(epoch)
        assert agent.state_dict()["num_timesteps"] == -(-epoch * 100 // 24) * 24
    agent.close()


def test_training_plays_no_seed_of_validation_or_test() -> None:
    seeds = recorded(Copy(make("CartPole-v1"), seed=5, number=0))
    assert len(set(seeds)) == 50
    assert min(seeds) >= TRAINING_SEEDS > TEST_SEEDS
    assert not set(seeds) & set(recorded(Copy(make("CartPole-v1"), seed=5, number=1)))
    assert seeds == recorded(Copy(make("CartPole-v1"), seed=5, number=0))


def recorded(copy: Copy) -> list[int]:
    """The seeds of a copy's first 50 episodes."""
    seeds = []
    for _ in range(50):
        copy.reset()
        seeds.append(copy.np_random_seed)
    return seeds


def test_a_copy_comes_back_to_the_middle_of_its_episode() -> None:
    copy, other = (Copy(make("CartPole-v1"), seed=3, number=2) for _ in range(2))
    copy.reset()
    while not copy.ended:
        copy.step(np.int64(0))
    copy.reset()
    for action in (0, 1, 1):
        seen = copy.step(np.int64(action))[0]
    other.restore(*copy.state())
    assert other.reset()[0].tolist() == seen.tolist()
    assert not other.fresh
    while len(copy.ended) < 2:
        assert copy.step(np.int64(1))[0].tolist() == other.step(np.int64(1))[0].tolist()
    assert other.ended == copy.ended[1:]


def test_episodes_are_told_in_the_order_of_their_seeds_however_many_are_played_at_once() -> None:
    def act(seen: np.ndarray) -> np.ndarray:
        return (seen[:, 2] > 0).astype(np.int64)  # to where the pole leans

    alone = play([make("CartPole-v1")], act, range(7))
    assert alone == play([make("CartPole-v1") for _ in range(3)], act, range(7))
    assert alone == [episode for seed in range(7) for episode in play([make("CartPole-v1")], act, [seed])]
    assert len({episode.length for episode in alone}) > 1


def test_an_epoch_in_which_no_episode_ends_reports_no_training_return(tmp_path: Path) -> None:
    line = train(tmp_path, environment="MountainCar-v0", steps_per_epoch=64, rollout=8, episodes=1, epochs=1)
    assert set(line.reports[0].metrics) == {"val/return", "val/length", "train/loss"}
    assert line.reports[0].metrics["val/return"] == -200


@pytest.mark.parametrize(
    ("environment", "algorithm"),
    [
        ("Pendulum-v1", "ppo"),  # continuous actions
        ("Blackjack-v1", "dqn"),  # a tuple of observations, and no limit of steps
        ("FrozenLake-v1", "a2c"),  # numbered states
    ],
)
def test_environments_of_all_kinds_are_taken(tmp_path: Path, environment: str, algorithm: str) -> None:
    line = train(tmp_path, environment=environment, algorithm=algorithm, epochs=1, episode_steps=20)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert line.reports[0].metrics["val/length"] <= 20


def test_an_environment_of_ones_own_is_named_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_pictures.py").write_text(
        "import gymnasium, numpy\n"
        "class Pictures(gymnasium.Env):\n"
        "    observation_space = gymnasium.spaces.Box(0, 255, (40, 40, 3), numpy.uint8)\n"
        "    action_space = gymnasium.spaces.Discrete(2)\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        super().reset(seed=seed)\n"
        "        return self._seen(), {}\n"
        "    def step(self, action):\n"
        "        return self._seen(), float(action), False, False, {}\n"
        "    def _seen(self):\n"
        "        return self.np_random.integers(0, 256, (40, 40, 3), dtype=numpy.uint8)\n"
        "gymnasium.register('Pictures-v0', Pictures)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = {"environment": "my_pictures:Pictures-v0", "steps_per_epoch": 32, "rollout": 8, "environments": 2}
    line = train(tmp_path / "trial", epochs=1, episode_steps=10, **config)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert any(weight.ndim == 4 for weight in torch.load(tmp_path / "trial" / "best.pt")["model"].values())
    del gymnasium.registry["Pictures-v0"]


def test_an_environment_without_a_limit_gets_one() -> None:
    assert make("Blackjack-v1").get_wrapper_attr("_max_episode_steps") == ENDLESS
    assert make("CartPole-v1").get_wrapper_attr("_max_episode_steps") == 500
    assert make("CartPole-v1", 7).get_wrapper_attr("_max_episode_steps") == 7


def test_an_unknown_environment_gets_the_nearest_suggested(tmp_path: Path) -> None:
    told = problems(tmp_path, "CartPole-v1", "CartPol-v1")
    assert "study.yaml:4: fixed.environment: 'CartPol-v1' is unknown; did you mean CartPole-v1?" in told


def test_an_environment_that_cannot_be_made_is_named() -> None:
    with pytest.raises(BadTrainer, match=r"environment: no_such_module:Mine-v0 cannot be made: .*no_such_module"):
        make("no_such_module:Mine-v0")


@pytest.mark.parametrize(
    ("fixed", "told"),
    [
        ("environment: Pendulum-v1, algorithm: dqn", "algorithm: dqn takes one discrete action a step"),
        ("environment: Unfinished-v0", "environment: Unfinished-v0 cannot be made: No module named 'no_such_module'"),
        ("environment: Text-v0", "environment: Text-v0 gives observations that no net here takes"),
    ],
)
def test_an_environment_that_cannot_be_played_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fixed: str, told: str
) -> None:
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    gymnasium.register("Unfinished-v0", "no_such_module:Env")
    gymnasium.register("Text-v0", Wordy)
    assert f"study.yaml:4: fixed.{told}" in problems(tmp_path, "environment: CartPole-v1", fixed)


class Wordy(gymnasium.Env[Any, Any]):
    observation_space = gymnasium.spaces.Text(8)
    action_space = gymnasium.spaces.Discrete(2)


def test_dqn_refuses_continuous_actions(tmp_path: Path) -> None:
    ended = train(tmp_path, environment="Pendulum-v1", algorithm="dqn").ended
    assert ended.outcome is Outcome.ERROR
    assert ended.message == (
        "algorithm: dqn takes one discrete action a step, and those of Pendulum-v1 are continuous; give ppo or a2c"
    )


@pytest.mark.parametrize(
    ("actions", "told"),
    [
        (gymnasium.spaces.Discrete(3, start=1), "counts its actions from another number than 0"),
        (gymnasium.spaces.Box(-np.inf, np.inf, (2,)), "has actions without bounds"),
        (gymnasium.spaces.Text(3), "has actions that no net here gives"),
    ],
)
def test_actions_that_no_algorithm_takes_are_refused(actions: Any, told: str) -> None:
    with pytest.raises(BadTrainer, match=f"environment: Odd-v0 {told}"):
        check_actions("Odd-v0", "ppo", actions)


def test_a_metric_that_it_does_not_report_is_refused_before_anything_runs(tmp_path: Path) -> None:
    told = problems(tmp_path, "val/return", "val/accuracy")
    assert "study.yaml:5: objective.metric: trainer rl does not report val/accuracy for reinforcement learning" in told


def test_data_are_refused(tmp_path: Path) -> None:
    told = problems(tmp_path, "fixed:", "data: {source: iris}\nfixed:")
    assert "iris is for classification; trainer rl does reinforcement learning" in told


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", hiding("stable_baselines3"))
    need = "trainer rl needs the package stable_baselines3, which is not installed: pip install 'goodfit[rl]'"
    assert f"study.yaml:2: trainer: {need}" in problems(tmp_path)
    ended = train(tmp_path / "trial").ended
    assert (ended.outcome, ended.message) == (Outcome.UNUSABLE, need)


def hiding(package: str) -> Callable[..., Any]:
    """find_spec, but for one package."""
    find = importlib.util.find_spec
    return lambda name, *rest: None if name == package else find(name, *rest)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"rollout": 600}, "rollout: 600 steps of 8 environments are 4800, more than an epoch"),
        ({"rollout": 1, "environments": 1}, "rollout: 1 step of 1 environment is too little for ppo"),
        ({"gamma": 1.1}, "gamma: 1.1 is too large; give 1 or less"),
        ({"algorithm": "pppo"}, "algorithm: 'pppo' is unknown; did you mean ppo?"),
    ],
)
def test_hyperparameters_that_do_not_fit_are_refused(params: Any, told: str) -> None:
    with pytest.raises(BadTrainer, match=told):
        resolve("rl").configure(params)


def test_a_policy_that_comes_apart_is_told_as_nan(tmp_path: Path) -> None:
    assert train(tmp_path, learning_rate=1e30, clip_norm=0.0).ended.outcome is Outcome.NAN


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    train(tmp_path / "trial", epochs=1)
    assert not list((tmp_path / "tmp").iterdir())


def test_the_length_and_the_sum_of_rewards_of_an_episode_are_told() -> None:
    copy = Copy(make("Pendulum-v1", 4), seed=0, number=0)
    copy.reset()
    rewards = [copy.step(np.zeros(1, np.float32))[1] for _ in range(4)]
    assert copy.ended == [Episode(pytest.approx(sum(rewards)), 4)]
