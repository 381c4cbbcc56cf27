"""The trainer `rl`: reinforcement learning.

Training and environments are imported when a trial starts, because they need torch, Gymnasium and
Stable-Baselines3: `pip install 'goodfit[rl]'`.
"""

from __future__ import annotations

from goodfit.trainers.builtin.rl.config import RLConfig
from goodfit.trainers.registry import register
from goodfit.trainers.trial import Trial

METRICS = {"reinforcement learning": ("return", "length")}


@register(
    "rl",
    config=RLConfig,
    shapes=["environment", "algorithm", "environments", "depth", "width", "activation"],
    metrics=METRICS,
    needs=["gymnasium", "stable_baselines3"],
)
def rl(trial: Trial) -> None:
    """DQN, PPO and A2C by Stable-Baselines3, in any Gymnasium environment; needs no data.

    An epoch is `steps_per_epoch` steps of all copies of the environment together, counted to the end of
    the rollout that completes them. What is reported after each:

    - train/return, train/length: means over the episodes that ended in this epoch, played with
      exploration; left out where none ended.
    - val/return, val/length: means of the policy without exploration, as it is after the epoch, over
      `episodes` episodes whose seeds training never plays; they are the same in every epoch and trial.
    - train/loss: the critic's mean squared error over the epoch's updates (dqn: the Huber loss of its
      values); left out before the first update. It tells divergence, not progress: its target moves.

    The gap is in units of return: what the policy earns less on unseen seeds than in training. It is
    often negative, because exploration costs return. There is no dropout, L1 or weight decay: what they do
    to a policy changes what it plays, and with that what it learns from; early stopping is as for all.
    Nets for vectors train on the CPU, where they are
    fastest; nets for images on the GPU, in float32.
    """
    from goodfit.trainers.builtin.rl.training import fit

    fit(trial)
