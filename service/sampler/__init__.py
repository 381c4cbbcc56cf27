"""The Sampler on Optuna, and the only room that knows Optuna.

search.py          OptunaSampler: proposes configurations, judges running trials
pruning.py         a study's pruning as an Optuna pruner, and what pruners remember of a curve
sorted_pruners.py  Optuna's pruners that compare trials, without reading every trial at every report
history.py         records as Optuna trials; the export to a real optuna.Study
making.py          the sampler of a study, as its file says
auto/              the search that needs no choosing, and pauses trials
methods.py         the search methods, each by one of Optuna's samplers | tpe_trials.py  the trials that TPE is shown
observed.py        a study's trials ranked, as models see them | scores.py  ranks as normal scores
guide.py           proposals near what earlier studies and priors hold for good
optuna_storage.py  the trials of an Optuna storage, as an earlier study
axes.py            a search space as Optuna's distributions | cube.py  as the unit cube

What a space is stands in search_spaces/space.py; what becomes of a judged trial is decided in scheduler/.
"""

from goodfit.service.sampler.history import to_optuna_study
from goodfit.service.sampler.making import sampler_of
from goodfit.service.sampler.pruning import PRUNING_METHODS, Pruning
from goodfit.service.sampler.search import SEARCH_METHODS, OptunaSampler

__all__ = ["PRUNING_METHODS", "SEARCH_METHODS", "OptunaSampler", "Pruning", "sampler_of", "to_optuna_study"]
