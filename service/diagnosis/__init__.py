"""Diagnosis: from curves to a verdict, a reason, advice and a picture. Pure: no files, no clock, no database.

    from goodfit.service.diagnosis import diagnose
    diagnose(train=[...], validation=[...], direction="minimize").verdict

The rule is in verdict.py; picture.py draws (`learning_curve_svg`, `sparkline`).
"""

from goodfit.service.diagnosis.finding import Diagnosis
from goodfit.service.diagnosis.trial import diagnose, diagnose_trial

__all__ = ["Diagnosis", "diagnose", "diagnose_trial"]
