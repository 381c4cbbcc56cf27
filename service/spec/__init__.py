"""The study file: YAML -> StudySpec, with errors that carry the line and the key.

study.py            StudySpec, the study as it is kept
study_file.py       the keys of a study file as they are written, and its JSON Schema
sections.py         its sections | pruning.py  the pruning methods | fields.py  kinds of values
requirements.py     packages, and whether they are installed
reading.py          the file, the paths in it, all problems at once | overrides.py  --set
checks.py           what only shows when the parts meet | hyperparameters.py  space and trainer
validation_messages.py   pydantic's errors in words | key_origin.py  where a key was written
param_space.py      the search space of a Ray Tune script
start_from.py       configurations to begin with | data_parameters.py  hyperparameters that reach into the data
schedule.py         parameters that change at an epoch
population.py       a population: which parameters change, what it needs
changes.py          what may be changed of a study that has begun | proposals.py  edits that a diagnosis proposes

No torch, no Optuna; a trainer in a user's own file is imported when its study is read.
"""

from goodfit.service.spec.changes import changed, why_fixed
from goodfit.service.spec.checks import check_metric
from goodfit.service.spec.data import Augment, Data, Prepare, Split
from goodfit.service.spec.data_parameters import for_trainer, variants, written
from goodfit.service.spec.pruning import Pruning
from goodfit.service.spec.reading import from_mapping, look_for_modules, read, read_foreign
from goodfit.service.spec.requirements import absent_packages
from goodfit.service.spec.schedule import stretches
from goodfit.service.spec.sections import Budget, Objective, Resources, Search, Training
from goodfit.service.spec.study import StudySpec
from goodfit.service.spec.study_file import json_schema

__all__ = [
    "Augment",
    "Budget",
    "Data",
    "Objective",
    "Prepare",
    "Pruning",
    "Resources",
    "Search",
    "Split",
    "StudySpec",
    "Training",
    "absent_packages",
    "changed",
    "check_metric",
    "for_trainer",
    "from_mapping",
    "json_schema",
    "look_for_modules",
    "read",
    "read_foreign",
    "stretches",
    "variants",
    "why_fixed",
    "written",
]
