"""`make examples`: every study in examples/, in full, and what its winner does on rows that the search never saw.

Supervised winners are scored on the test split, the policy of `rl` on 20 test episodes. For the two
generators the figure is the Frechet distance to the validation images, also as a share of that of a
Gaussian fitted to the pixels: they have no predictions to score.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figures
from benchmarks.figures import run as run_command
from goodfit import connect
from goodfit.service.client import StudyHandle

if TYPE_CHECKING:
    from goodfit.trainers.data import Split
    from goodfit.trainers.prediction.predictor import Predictor

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(file: Path, home: Path) -> float:
    """Run one study as a user would; the seconds it took."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "goodfit.service.cli", "--home", str(home), "run", str(file)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return time.monotonic() - begun


def figures(study: StudyHandle) -> Mapping[str, float]:
    """The winner's metrics on what the search never saw."""
    spec = study.spec
    if spec.trainer == "rl":
        return {"return": _test_return(study)}
    if spec.trainer in ("gan", "diffusion"):
        distance = study.best().value
        return {"frechet (validation)": distance, "of a Gaussian's": distance / _gaussian_distance(study)}
    from goodfit.trainers.data import load_test
    from goodfit.trainers.training.loop import Tensors, evaluate

    predictor = study.model()
    data = spec.data_spec(study.best().params)
    assert data is not None
    if predictor.facts.task == "translation":
        return _test_translations(predictor, load_test(data))
    return evaluate(predictor.module, Tensors.of(load_test(data), _cpu()), predictor.facts, by_group=False)


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def _test_translations(predictor: Predictor, test: Split) -> Mapping[str, float]:
    """As in training, but all rows are written out."""
    from goodfit.trainers.builtin.seq2seq.nets import Seq2Seq
    from goodfit.trainers.builtin.seq2seq.training import Pairs, evaluate, exact_match

    model, pairs, facts = predictor.module, Pairs.of(test, _cpu()), predictor.facts
    assert isinstance(model, Seq2Seq)
    return {**evaluate(model, pairs, facts), "exact_match": exact_match(model, pairs, facts, model.beam)}


def _gaussian_distance(study: StudyHandle) -> float:
    """The Frechet distance to the validation images of a Gaussian fitted to the pixels of the training images."""
    import numpy as np
    import torch

    from goodfit.trainers.builtin.generative.frechet import frechet_distance, learn_features
    from goodfit.trainers.data import load

    spec = study.spec.data_spec()
    assert spec is not None
    data = load(spec)
    known, held = np.asarray(data.train.x), np.asarray(data.validation.x)
    flat = known.reshape(len(known), -1).astype(np.float64)
    drawn = np.random.default_rng(0).multivariate_normal(
        flat.mean(0), np.cov(flat, rowvar=False), len(held), method="eigh"
    )
    low, high = known.min(), known.max()
    made, real, trained = (
        torch.from_numpy((2 * (part.reshape(-1, *known.shape[1:]) - low) / (high - low) - 1).astype(np.float32))
        for part in (drawn, held, known)
    )
    features = learn_features(data, trained)
    return frechet_distance(features(made), features(real))


def _test_return(study: StudyHandle) -> float:
    import torch

    from goodfit.trainers.builtin.rl.config import RLConfig
    from goodfit.trainers.builtin.rl.training import play_test

    best = study.best()
    known = {field.name for field in dataclasses.fields(RLConfig)}
    config = RLConfig(**{name: value for name, value in best.params.items() if name in known})
    weights = torch.load(Path(str(best.model_uri).removeprefix("file://")), weights_only=True)["model"]
    episodes = play_test(config, weights, 20)
    return sum(episode.total for episode in episodes) / len(episodes)


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="examples/NAME.yaml; without names all of them")


def main(measured: Figures, names: Sequence[str] = ()) -> None:
    files = [EXAMPLES / f"{name}.yaml" for name in names] or sorted(EXAMPLES.glob("*.yaml"))
    print(f"{'study':<20} {'trainer':<12} {'trials':>6} {'longest trial':>13} {'whole':>7}  winner, on unseen data")
    for file in files:
        with tempfile.TemporaryDirectory(prefix="goodfit-examples-") as folder:
            seconds = run(file, Path(folder))
            study = next(iter(connect(folder).values()))
            trials = study.trials()
            longest = (trials["ended"] - trials["started"]).dt.total_seconds().max()
            scores = figures(study)
            measured.add(f"{study.name}: whole", seconds, "s")
            for name, value in scores.items():
                measured.add(f"{study.name}: {name}", value, "")
            listed = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
            head = f"{study.name:<20} {study.spec.trainer:<12} {len(trials):>6}"
            print(f"{head} {longest:>11.0f} s {seconds:>5.0f} s  {listed}", flush=True)


if __name__ == "__main__":
    run_command("examples", main, options)
