"""The hyperparameters of the trainer `rl`."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.training.config import Checked, number


@dataclass(frozen=True)
class RLConfig(Checked):
    """The hyperparameters of `rl`. The defaults solve CartPole; some belong to one algorithm alone."""

    environment: str = "CartPole-v1"  # a Gymnasium id, or my_module:MyEnv-v0
    algorithm: Literal["ppo", "dqn", "a2c"] = "ppo"
    steps_per_epoch: int = number(4096, least=1)  # of all copies together
    episodes: int = number(20, least=1)  # of a validation: fewer, and luck decides between trials
    episode_steps: int = number(0, least=0)  # of an episode, at most; 0: the environment's own limit
    environments: int = number(8, least=1)  # copies that are played at once; their steps cost one forward pass
    rollout: int = number(32, least=1)  # steps of each copy between two updates

    learning_rate: float = number(1e-3, above=0)  # the schedule's highest
    schedule: Literal["constant", "cosine", "step", "onecycle"] = "cosine"  # a policy must settle to be judged
    batch_size: int = number(256, least=2)  # ppo, dqn; a2c takes each rollout whole
    clip_norm: float = number(0.5, least=0)  # the largest norm of a step's gradient; 0: as it comes
    gamma: float = number(0.98, above=0, most=1)  # what a reward is worth one step later
    depth: int = number(2, least=0)
    width: int = number(64, least=1)
    activation: Literal["relu", "gelu", "tanh", "silu"] = "tanh"

    gae_lambda: float = number(0.9, least=0, most=1)  # ppo, a2c: 0 trusts the critic, 1 the returns
    entropy_coefficient: float = number(0.0, least=0)  # ppo, a2c: what staying undecided is worth
    value_coefficient: float = number(0.5, least=0)  # ppo, a2c: the critic's share of the loss
    passes: int = number(10, least=1)  # ppo: over each rollout
    clip_range: float = number(0.2, above=0)  # ppo: how far one update may move the policy

    replay_size: int = number(50_000, least=1)  # dqn: steps that are remembered
    learning_starts: int = number(1000, least=0)  # dqn: steps played at random before the first update
    updates: int = number(128, least=1)  # dqn: gradient steps after each rollout
    target_steps: int = number(256, least=1)  # dqn: steps between two copies of the net to its target
    exploration: float = number(0.2, above=0, most=1)  # dqn: the share of training in which epsilon falls from 1
    exploration_final: float = number(0.05, least=0, most=1)  # dqn: the epsilon it falls to

    def __post_init__(self) -> None:
        super().__post_init__()
        taken = self.rollout * self.environments
        if taken > self.steps_per_epoch:
            raise BadTrainer(
                f"rollout: {self.rollout} steps of {self.environments} environments are {taken}, more than an epoch; "
                f"give less, or steps_per_epoch {taken} or more"
            )
        if self.algorithm == "ppo" and taken == 1:
            raise BadTrainer("rollout: 1 step of 1 environment is too little for ppo; give 2 or more")
        if importlib.util.find_spec("gymnasium"):  # where it is missing, the trainer's `needs` says so
            from goodfit.trainers.builtin.rl.environments import check_playable

            check_playable(self.environment, self.algorithm)
