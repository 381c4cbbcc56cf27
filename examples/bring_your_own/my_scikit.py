from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier

from goodfit.scikit import fit, grow


def linear(trial):
    """A linear classifier: one pass over the rows an epoch, by partial_fit."""
    config = trial.config
    fit(trial, SGDClassifier(loss="log_loss", alpha=config.alpha, learning_rate="constant", eta0=config.learning_rate))


def boosting(trial):
    """Boosted trees on a fixed budget: 10 more trees an epoch, by warm_start."""
    grow(trial, GradientBoostingRegressor(**trial.config), step=10)
