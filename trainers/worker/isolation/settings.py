"""What a process has one of, and a trainer may set: read before a trial, and put back after it.

Threads have settings of their own (torch's gradient mode, numpy's errors, decimal's context, active runs of
libraries): each trial has a thread of its own, so these are not here.
"""

from __future__ import annotations

import sys

from goodfit.trainers.seeding import is_loading
from goodfit.trainers.worker.isolation.library_settings import LIBRARIES
from goodfit.trainers.worker.isolation.python_settings import OWN_PROCESS, PYTHON


class Snapshot:
    """The settings as they are now.

    Args:
        own_process: with those that other threads of a shared process may set meanwhile.
    """

    def __init__(self, *, own_process: bool = True) -> None:
        settings = [*PYTHON, *(OWN_PROCESS if own_process else ())]
        self._values = [(setting, setting.read()) for setting in settings]
        self._libraries: set[str] = set()
        self.note_new()

    def note_new(self) -> None:
        """Add the settings of libraries that have been imported since."""
        for library, settings in LIBRARIES.items():
            if library in sys.modules and library not in self._libraries and not is_loading(library):
                self._libraries.add(library)
                self._values += [(setting, setting.read()) for setting in settings()]

    def restore(self) -> list[str]:
        """Put back what has changed since; what cannot be."""
        stuck = []
        for setting, value in self._values:
            try:
                if setting.read() != value:
                    setting.write(value)
            except (OSError, ValueError, RuntimeError) as error:
                stuck.append(f"{setting.name} cannot be put back: {error}")
        return stuck
