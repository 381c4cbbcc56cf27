"""A worker's trials kept apart: what one changes in its process does not reach the next.

settings.py          what a process has one of: read, and put back
python_settings.py   those of Python: working folder, environment, limits, ...
library_settings.py  those of libraries: torch's switches, pandas' options, ...
setting.py           what one of them is
libraries.py         functions and classes of libraries that a trainer has replaced: put back
modules.py           the user's own modules: imported anew where a trial has changed them
fingerprint.py       whether data or modules have changed
trials.py            all of it around one trial; and what nothing but a new process takes back
"""

from goodfit.trainers.worker.isolation.fingerprint import fingerprint
from goodfit.trainers.worker.isolation.trials import Isolation, start_thread

__all__ = ["Isolation", "fingerprint", "start_thread"]
