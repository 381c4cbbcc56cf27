"""The scheduler: machine.py decides, events.py has what it hears and says.

ending.py: what is left of a study, and what becomes of a trial that is trained again.
epoch_budget.py: how many epochs are left.
failure_limit.py: when failures alike say that nothing can succeed.
"""

from goodfit.service.scheduler.ending import again, confirmations_due, is_over, reaches_target
from goodfit.service.scheduler.events import (
    MORE,
    Action,
    Ask,
    Close,
    CloseAsked,
    Event,
    Examine,
    Examined,
    GoOn,
    Judge,
    Judged,
    Keep,
    Kill,
    Launch,
    Learn,
    OpenTest,
    Overtime,
    Plan,
    Proposed,
    Reach,
    Reason,
    Record,
    Settle,
    Slots,
    Stop,
    Turn,
    Unresponsive,
)
from goodfit.service.scheduler.machine import Scheduler

__all__ = [
    "MORE",
    "Action",
    "Ask",
    "Close",
    "CloseAsked",
    "Event",
    "Examine",
    "Examined",
    "GoOn",
    "Judge",
    "Judged",
    "Keep",
    "Kill",
    "Launch",
    "Learn",
    "OpenTest",
    "Overtime",
    "Plan",
    "Proposed",
    "Reach",
    "Reason",
    "Record",
    "Scheduler",
    "Settle",
    "Slots",
    "Stop",
    "Turn",
    "Unresponsive",
    "again",
    "confirmations_due",
    "is_over",
    "reaches_target",
]
