"""Groups of people in the data: what a model does to each, and what training does about differences.

columns.py     columns of a table as groups
facts.py       the groups of a study, their names and intersections
names.py       the names of their metrics
metrics.py     rates by group and the differences between them
intervals.py   how sure these are
weights.py     re-weighting and group-balanced sampling
thresholds.py  a threshold for each group, after training
adversary.py   adversarial debiasing; imports torch
"""
