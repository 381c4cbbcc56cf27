"""What can be wrong with what a user brings to the trainers.

TrainersError
├── UnknownTrainer     no such name, module, file or attribute
├── BadTrainer         it is there and cannot be used as asked
│   ├── MetricMissing  it does not report the study's objective
│   ├── NotResumable   it does not go on from checkpoints, which the study needs
│   └── RangeChanged   it asks for a parameter of another range than before
├── DataProblem        the data are missing, broken or do not suit the trainer
├── UnknownPlace       files cannot be kept there: no such kind of store, or its library is missing
├── PlaceAway          the store or the folder that keeps files does not answer
└── Damaged            a file of a trial is cut off or overwritten
    └── Mismatch       a checkpoint does not fit what its trainer restores now
"""

from __future__ import annotations


class TrainersError(Exception):
    """What, which one, and what to do, in one line."""


class UnknownTrainer(TrainersError):
    """No such name, module, file or attribute."""


class BadTrainer(TrainersError):
    """The trainer is there and cannot be used as asked."""


class MetricMissing(BadTrainer):
    """The reports lack what the study is judged by: those of every other trial would lack it too."""


class NotResumable(BadTrainer):
    """The study needs a trainer that goes on from a checkpoint, and this one never calls `trial.restore`."""


class RangeChanged(BadTrainer):
    """It asks for one parameter of two ranges: what it was in one trial says nothing of it in another."""


class DataProblem(TrainersError):
    """The data are missing, broken or do not suit the trainer."""


class UnknownPlace(TrainersError):
    """Files cannot be kept there: no such kind of store, or its library is missing."""


class PlaceAway(TrainersError):
    """The store or the folder that keeps files does not answer, or refuses."""


class Damaged(TrainersError):
    """A file of a trial is cut off or overwritten."""


class Mismatch(Damaged):
    """A checkpoint does not fit what its trainer restores now: one of the two has changed."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, the machine's or a GPU's: torch's error by its name, for not all import torch."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
