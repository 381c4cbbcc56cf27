"""Diagnosis: from curves to a verdict, a reason, advice and a picture. Pure: no files, no clock, no database.

    from goodfit.service.diagnosis import diagnose
    diagnose(train=[...], validation=[...], direction="minimize").verdict

The rule is in verdict.py; picture.py draws (`learning_curve_svg`, `sparkline`). Each name is imported when it is asked
for: what only ranks trials needs no NumPy.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goodfit.service.diagnosis.finding import Diagnosis
    from goodfit.service.diagnosis.trial import diagnose, diagnose_trial

_MODULES = {"Diagnosis": "finding", "diagnose": "trial", "diagnose_trial": "trial"}

__all__ = ["Diagnosis", "diagnose", "diagnose_trial"]


def __getattr__(name: str) -> Any:
    """The name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
