"""The only place where adapters are built from settings.

checking.py   what can be known before training     opening.py   the store of a home
studies.py    made, stopped, removed                running.py   a run, from its adapters to its end
tracking.py   the mirror beside it                  models.py    trained models
diagnosing.py what is known of a study      reporting.py it as a page
"""

from service.app.checking import Checked, check
from service.app.diagnosing import diagnose_of
from service.app.models import load_model
from service.app.opening import PATIENCE, open_home, spec_of
from service.app.reporting import report_of
from service.app.running import Options, run_study
from service.app.studies import new_study, remove_study, stop_study
from service.app.tracking import catch_up

__all__ = [
    "PATIENCE",
    "Checked",
    "Options",
    "catch_up",
    "check",
    "diagnose_of",
    "load_model",
    "new_study",
    "open_home",
    "remove_study",
    "report_of",
    "run_study",
    "spec_of",
    "stop_study",
]
