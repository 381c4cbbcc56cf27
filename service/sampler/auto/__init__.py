"""The search that needs no choosing: it proposes, pauses, takes up again, and learns from the study how early it may.

search.py       which of three arms a free worker serves, and what it does
curves.py       proposals by a model of all curves: new configurations against paused trials
finals.py       proposals by final values alone
curve_model.py  the Gaussian process behind both
ranks.py        normal scores, levels, and what early ranks are worth
runs.py         what is remembered of the trials
allocator.py    between the study's records and the search
"""

from goodfit.service.sampler.auto.allocator import AutoAllocator

__all__ = ["AutoAllocator"]
