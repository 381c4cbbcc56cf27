"""The handle that a trainer gets: its configuration, its data, and the loop's three calls.

handle.py            the trial as its trainer sees it
config.py            its parameters, where the trainer has no config dataclass
metrics.py           what it reports
checkpoint.py        what is saved of it
meter.py             what its training costs
inside.py            what adapters of other libraries need besides
other_libraries.py   what to write in the place of what other libraries' trials have
"""

from goodfit.trainers.trial.config import Config, NoParameter
from goodfit.trainers.trial.handle import AGAIN, ARTIFACTS, Channel, NotANumber, Stateful, Trial
from goodfit.trainers.trial.inside import Inside

__all__ = ["AGAIN", "ARTIFACTS", "Channel", "Config", "Inside", "NoParameter", "NotANumber", "Stateful", "Trial"]
