"""How the trainer `rl` trains: an algorithm of Stable-Baselines3, its epochs, its metrics, its whole state.

Imports torch, Gymnasium and Stable-Baselines3, so it is imported when a trial starts and not before.
"""

from __future__ import annotations

import contextlib
import functools
import statistics
import typing
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from goodfit.trainers.builtin.rl.config import RLConfig
from goodfit.trainers.builtin.rl.environments import TEST_SEEDS, Copy, Env, Episode, check_actions, make, play
from goodfit.trainers.nets.layers import activation
from goodfit.trainers.seeding import mixed_seed
from goodfit.trainers.training import devices
from goodfit.trainers.training.loop import rate_factor
from goodfit.trainers.trial import NotANumber, Trial

SMALLEST_IMAGE = 36  # pixels a side that Stable-Baselines3's convolutional net can take
UNCLIPPED = 1e30  # a gradient norm that none reaches
PLAYED_AT_ONCE = 20  # episodes of a validation; bounds the memory, changes no result
COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")  # of every algorithm
DQN_COUNTERS = ("_n_calls", "exploration_rate")
NEVER = 1 << 62  # updates between two printed logs
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def fit(trial: Trial) -> None:
    """Train one trial to its end, reporting each epoch."""
    config: RLConfig = trial.config
    with contextlib.ExitStack() as closing:
        agent = Agent(config, trial.seed, config.steps_per_epoch * trial.epochs_total)
        closing.callback(agent.close)
        stage = Stage(config)
        closing.callback(stage.close)
        trial.restore(agent.policy, agent.policy.optimizer, agent)
        for epoch in trial.epochs():
            train = agent.epoch(epoch)
            trial.report(train=train, val=means(stage.play(agent.policy, range(config.episodes))))


def play_test(config: RLConfig, weights: Mapping[str, Any], episodes: int) -> list[Episode]:
    """Play a trial's policy, the `model` in its best.pt, on seeds that neither training nor validation plays."""
    agent, stage = Agent(config, seed=0, steps=1), Stage(config)
    with contextlib.closing(agent), contextlib.closing(stage):
        agent.policy.load_state_dict(weights)
        return stage.play(agent.policy, range(TEST_SEEDS, TEST_SEEDS + episodes))


class Stage:
    """Where a policy plays to be judged: without exploration, in copies that training does not use."""

    def __init__(self, config: RLConfig) -> None:
        count = min(config.episodes, PLAYED_AT_ONCE)
        self._copies: list[Env] = [make(config.environment, config.episode_steps) for _ in range(count)]

    def play(self, policy: BasePolicy, seeds: Sequence[int]) -> list[Episode]:
        """One episode for each seed."""
        return play(self._copies, lambda seen: policy.predict(seen, deterministic=True)[0], seeds)

    def close(self) -> None:
        for env in self._copies:
            env.close()


class Agent:
    """An algorithm in training and the copies of the environment it plays in.

    Its state, with that of its policy and optimizer, is all that training changes: the algorithm's
    counters, the running episodes, and DQN's replay buffer. Schedules follow from the steps done.
    """

    def __init__(self, config: RLConfig, seed: int, steps: int) -> None:
        self._config = config
        self._seed = seed
        self._steps = steps
        self._copies = [
            Copy(make(config.environment, config.episode_steps), seed, number) for number in range(config.environments)
        ]
        check_actions(config.environment, config.algorithm, self._copies[0].action_space)
        self._losses = Losses("train/loss" if config.algorithm == "dqn" else "train/value_loss")
        self._algorithm = self._build()
        self._algorithm.set_logger(self._losses)
        self.policy: BasePolicy = self._algorithm.policy

    def close(self) -> None:
        for copy in self._copies:
            copy.close()

    def epoch(self, epoch: int) -> dict[str, float]:
        """Play and learn until the steps of `epoch` epochs are done; returns the metrics of training."""
        self._losses.values.clear()
        for copy in self._copies:
            copy.ended.clear()
        self._algorithm.action_space.seed(mixed_seed(self._seed, epoch))
        missing = epoch * self._config.steps_per_epoch - self._algorithm.num_timesteps
        with self._nan_weights_reported(epoch):
            self._algorithm.learn(missing, log_interval=NEVER, reset_num_timesteps=False)
        loss = {"loss": statistics.fmean(self._losses.values)} if self._losses.values else {}
        return means([episode for copy in self._copies for episode in copy.ended]) | loss

    @contextlib.contextmanager
    def _nan_weights_reported(self, epoch: int) -> Iterator[None]:
        """A policy whose weights are NaN fails in many ways; all of them are told as what they are."""
        try:
            yield
        except ValueError as error:
            if all(bool(weight.isfinite().all()) for weight in self.policy.parameters()):
                raise
            raise NotANumber(f"the weights of the policy are NaN or infinite at epoch {epoch}") from error

    def _done(self) -> float:
        """The share of the trial's steps that is done."""
        return min(1.0, self._algorithm.num_timesteps / self._steps)

    def _learning_rate(self, _: float) -> float:
        return self._config.learning_rate * rate_factor(self._config.schedule, self._done())

    def _epsilon(self, _: float) -> float:
        fallen = min(1.0, self._done() / self._config.exploration)
        return 1.0 - (1.0 - self._config.exploration_final) * fallen

    def _build(self) -> BaseAlgorithm:
        config = self._config
        space = self._copies[0].observation_space
        image = is_image_space(space) and sorted(space.shape or ())[1] >= SMALLEST_IMAGE
        net = {"net_arch": [config.width] * config.depth, "activation_fn": type(activation(config.activation))}
        shared: dict[str, Any] = {
            "policy": "CnnPolicy" if image else "MlpPolicy",
            "env": DummyVecEnv([functools.partial(_same, copy) for copy in self._copies]),
            "learning_rate": config.learning_rate,
            "gamma": config.gamma,
            "max_grad_norm": config.clip_norm or UNCLIPPED,
            "policy_kwargs": net,
            "device": devices.choose() if image else "cpu",
        }
        with warnings.catch_warnings():
            # A last mini-batch may be smaller than the others; each step of a rollout is learned from all the same.
            warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
            algorithm = self._dqn(shared) if config.algorithm == "dqn" else self._actor_critic(shared)
        algorithm.lr_schedule = self._learning_rate  # its own would start anew with each epoch
        return algorithm

    def _actor_critic(self, shared: dict[str, Any]) -> BaseAlgorithm:
        config = self._config
        both = shared | {
            "n_steps": config.rollout,
            "gae_lambda": config.gae_lambda,
            "ent_coef": config.entropy_coefficient,
            "vf_coef": config.value_coefficient,
        }
        if config.algorithm == "a2c":
            return A2C(**both)
        return PPO(**both, batch_size=config.batch_size, n_epochs=config.passes, clip_range=config.clip_range)

    def _dqn(self, shared: dict[str, Any]) -> BaseAlgorithm:
        config = self._config
        algorithm = DQN(
            **shared,
            batch_size=config.batch_size,
            buffer_size=config.replay_size,
            learning_starts=config.learning_starts,
            train_freq=config.rollout,
            gradient_steps=config.updates,
            target_update_interval=config.target_steps,
        )
        algorithm.exploration_schedule = self._epsilon  # likewise
        return algorithm

    def state_dict(self) -> dict[str, Any]:
        algorithm = self._algorithm
        state: dict[str, Any] = {name: vars(algorithm)[name] for name in self._counters}
        state["copies"] = [(episode, torch.from_numpy(actions)) for episode, actions in map(Copy.state, self._copies)]
        if self._replay is not None:
            stored = self._replay.size()
            arrays = {name: torch.from_numpy(vars(self._replay)[name][:stored]) for name in REPLAY}
            state["replay"] = {**arrays, "pos": self._replay.pos, "full": self._replay.full}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for copy, (episode, actions) in zip(self._copies, state["copies"], strict=True):
            copy.restore(episode, actions.numpy())
        algorithm = self._algorithm
        vars(algorithm).update({name: state[name] for name in self._counters})
        seen = typing.cast("VecEnv", algorithm.get_env()).reset()  # where the copies were brought back to
        starts = np.array([copy.fresh for copy in self._copies])
        vars(algorithm).update(_last_obs=seen, _last_episode_starts=starts)
        if self._replay is not None:
            self._replay.pos, self._replay.full = state["replay"]["pos"], state["replay"]["full"]
            for name in REPLAY:
                values = state["replay"][name].numpy()
                vars(self._replay)[name][: len(values)] = values

    @property
    def _counters(self) -> tuple[str, ...]:
        return COUNTERS + DQN_COUNTERS if self._config.algorithm == "dqn" else COUNTERS

    @property
    def _replay(self) -> ReplayBuffer | None:
        return self._algorithm.replay_buffer if isinstance(self._algorithm, DQN) else None


def _same(copy: Copy) -> Env:
    return copy


class Losses(Logger):
    """A logger that writes nothing, and remembers the loss of each update."""

    def __init__(self, key: str) -> None:
        super().__init__(folder=None, output_formats=[])
        self.values: list[float] = []
        self._key = key

    def record(self, key: str, value: Any, exclude: str | tuple[str, ...] | None = None) -> None:  # noqa: ARG002
        if key == self._key:
            self.values.append(float(value))


def means(episodes: Sequence[Episode]) -> dict[str, float]:
    """Mean return and length; nothing of no episodes."""
    if not episodes:
        return {}
    return {
        "return": statistics.fmean(episode.total for episode in episodes),
        "length": statistics.fmean(episode.length for episode in episodes),
    }
