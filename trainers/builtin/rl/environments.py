"""The environments of the trainer `rl`: made by their ids, played by seed, and brought back after a resume.

Imports Gymnasium, and neither torch nor Stable-Baselines3: `goodfit check` looks an environment's id up here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, TimeLimit

from goodfit.spelling import close
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.seeding import mixed_seed

ENDLESS = 10_000  # steps after which an episode ends where neither the environment nor the study sets a limit
TRAINING_SEEDS = 1 << 31  # training plays seeds from here on, validation and test below: they never meet
TEST_SEEDS = 1 << 30

Env = gymnasium.Env[Any, Any]
Act = Callable[[np.ndarray], np.ndarray]  # a batch of observations -> their actions
_VECTORS = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


@dataclass(frozen=True, slots=True)
class Episode:
    """One finished episode: the sum of its rewards, and its steps."""

    total: float
    length: int


@functools.cache
def known(environment: str) -> None:
    """BadTrainer names the nearest environment where none is registered by this id.

    `my_module:MyEnv-v0` is not looked up: its module registers it when a trial starts.
    """
    if ":" in environment:
        return
    try:
        gymnasium.spec(environment)
    except gymnasium.error.Error:
        near = close(environment, gymnasium.registry)
        hint = f"did you mean {near}? " if near else ""
        raise BadTrainer(
            f"environment: {environment!r} is unknown; {hint}give an id that Gymnasium has registered, "
            "or my_module:MyEnv-v0 for one of your own"
        ) from None


@functools.cache
def check_playable(environment: str, algorithm: str) -> None:
    """BadTrainer says what keeps this algorithm from playing this environment, as far as one copy of it shows that."""
    known(environment)
    if ":" in environment:
        return
    env = make(environment)
    try:
        check_actions(environment, algorithm, env.action_space)
    finally:
        env.close()


def make(environment: str, episode_steps: int = 0) -> Env:
    """A copy of an environment, with observations that a net takes: dictionaries and tuples become one vector.

    An episode ends after `episode_steps`; 0 leaves the environment's own limit, or ENDLESS where it has none.

    Raises:
        BadTrainer: there is no such environment, it cannot be made, or no net here takes what it gives.
    """
    known(environment)
    try:
        env: Env = gymnasium.make(environment, max_episode_steps=episode_steps or None, disable_env_checker=True)
    except (gymnasium.error.Error, ImportError) as error:
        raise BadTrainer(f"environment: {environment} cannot be made: {error}") from error
    if env.spec is None or env.spec.max_episode_steps is None:
        env = TimeLimit(env, ENDLESS)
    seen = env.observation_space
    shifted = isinstance(seen, spaces.Discrete) and seen.start != 0  # one-hot by a net's front would be off
    if seen.is_np_flattenable and (shifted or isinstance(seen, (spaces.Dict, spaces.Tuple))):
        env = FlattenObservation(env)
    if not isinstance(env.observation_space, _VECTORS):
        env.close()
        raise BadTrainer(f"environment: {environment} gives observations that no net here takes: {seen}")
    return env


def check_actions(environment: str, algorithm: str, actions: spaces.Space[Any]) -> None:
    """BadTrainer says which algorithm takes the actions of this environment, where this one does not."""
    if algorithm == "dqn" and not isinstance(actions, spaces.Discrete):
        kind = "continuous" if isinstance(actions, spaces.Box) else "several at once"
        raise BadTrainer(
            f"algorithm: dqn takes one discrete action a step, and those of {environment} are {kind}; give ppo or a2c"
        )
    wrong = None
    if isinstance(actions, spaces.Discrete) and actions.start != 0:
        wrong = "counts its actions from another number than 0"
    elif isinstance(actions, spaces.Box) and not actions.is_bounded():
        wrong = "has actions without bounds to explore between"
    elif not isinstance(actions, _VECTORS):
        wrong = "has actions that no net here gives"
    if wrong:
        raise BadTrainer(f"environment: {environment} {wrong}: {actions}")


class Copy(gymnasium.Wrapper[Any, Any, Any, Any]):
    """One copy of an environment in training: it seeds each episode, counts it, and can come back to where it was.

    The seed of an episode follows from the trial's, the copy's number and the episode's. So the
    episode's number and the actions taken in it are all that a checkpoint needs: `restore` plays
    them again.

    Attributes:
        ended: the episodes since it was last emptied.
    """

    def __init__(self, env: Env, seed: int, number: int) -> None:
        super().__init__(env)
        self.ended: list[Episode] = []
        self._seed = mixed_seed(seed, number)
        self._episode = 0
        self._actions: list[np.ndarray] = []
        self._total = 0.0
        self._resumed: Any = None  # the observation after a restore, for the next reset to give

    @property
    def fresh(self) -> bool:
        """Whether its episode has just begun."""
        return not self._actions

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        if self._resumed is not None:
            observation, self._resumed = self._resumed, None
            return observation, {}
        return self._begin(self._episode + 1)

    def _begin(self, episode: int) -> tuple[Any, dict[str, Any]]:
        self._episode, self._actions, self._total = episode, [], 0.0
        return self.env.reset(seed=TRAINING_SEEDS | mixed_seed(self._seed, episode))

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._actions.append(np.array(action))
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._total += float(reward)
        if terminated or truncated:
            self.ended.append(Episode(self._total, len(self._actions)))
        return observation, reward, terminated, truncated, info

    def state(self) -> tuple[int, np.ndarray]:
        """The number of its episode, and the actions taken in it."""
        return self._episode, np.stack(self._actions) if self._actions else np.empty(0)

    def restore(self, episode: int, actions: np.ndarray) -> None:
        """Be where `state` was taken: the next `reset` goes on with that episode."""
        observation, _ = self._begin(episode)
        for action in actions:
            observation, *_ = self.step(action)
        self._resumed = observation


def play(copies: Sequence[Env], act: Act, seeds: Sequence[int]) -> list[Episode]:
    """One episode for each seed, in the order of the seeds; the copies are played side by side."""
    episodes: dict[int, Episode] = {}
    waiting = list(enumerate(seeds))[::-1]
    running = [_Running.begin(env, *waiting.pop()) for env in copies[: len(seeds)]]
    while running:
        actions = act(np.stack([one.observation for one in running]))
        for one, action in zip(running, actions, strict=True):
            one.step(action)
        for one in [one for one in running if one.over]:
            episodes[one.place] = Episode(one.total, one.length)
            running.remove(one)
            if waiting:
                running.append(_Running.begin(one.env, *waiting.pop()))
    return [episodes[place] for place in range(len(seeds))]


@dataclass(slots=True, eq=False)
class _Running:
    """An episode that is being played; `place` is that of its seed."""

    env: Env
    place: int
    observation: Any
    total: float = 0.0
    length: int = 0
    over: bool = False

    @classmethod
    def begin(cls, env: Env, place: int, seed: int) -> _Running:
        return cls(env, place, env.reset(seed=seed)[0])

    def step(self, action: Any) -> None:
        self.observation, reward, terminated, truncated, _ = self.env.step(action)
        self.total += float(reward)
        self.length += 1
        self.over = terminated or truncated
