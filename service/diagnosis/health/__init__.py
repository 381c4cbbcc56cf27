"""The health of a search: what is found about it, each with its numbers and an edit of the study file.

table.py            the study as arrays
surface.py          how parameters go with the score, by least squares
selection_bias.py   how far the best of many noisy scores is from their mean

The others are the checks, a module each.

A check yields nothing where too little is known to conclude. Its threshold stands beside its reason in its module.
On simulated healthy studies (tests/service/diagnosis/made_studies.py; 150 seeds each of 15 to 200 trials) at most 2% of
random searches got any warning, and 7% of searches that learn. Most of these said of a short search that it still
improved, which may be so; any other warning came in at most 2%.
"""

from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity
from goodfit.service.diagnosis.health.table import Facts, Table

__all__ = ["Edit", "Facts", "Finding", "Severity", "Table"]
