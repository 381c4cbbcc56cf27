"""Where people look while a study runs here: a terminal, or the cell of a notebook."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from goodfit.service.screen.live import Live, Plain, Scale, say, waiting_for

if TYPE_CHECKING:
    from goodfit.service.progress import Progress, TrialProgress

LogPlace = Callable[["TrialProgress"], str | None]


class View(Protocol):
    """A study as it runs."""

    def __call__(self, progress: Progress) -> None:
        """Show how far it is."""

    def phase(self, text: str | None) -> None:
        """Show what is waited for; None: nothing is any more."""

    def close(self) -> None:
        """Nothing more comes."""


class Screen(Protocol):
    """Where a person looks."""

    def say(self, line: str) -> None:
        """A line of its own."""

    def waiting_for(self, text: str) -> AbstractContextManager[None]:
        """Show what is waited for, as long as it takes."""

    def view(self, scale: Scale, log: LogPlace) -> View:
        """A new picture of a study."""


class Terminal:
    """Standard error, so that standard output stays for the answer; plain lines where it is no terminal."""

    def say(self, line: str) -> None:
        say(line)

    def waiting_for(self, text: str) -> AbstractContextManager[None]:
        return waiting_for(text)

    def view(self, scale: Scale, log: LogPlace) -> View:
        from goodfit.service.screen.console import SafeConsole

        console = SafeConsole(stderr=True)
        return Live(scale, log, console) if console.is_terminal else Plain(scale, log, console)


def screen_here() -> Screen:
    """The cell of the notebook that calls, or else the terminal."""
    if _in_notebook():
        _leave_out_hints()
        from goodfit.service.screen.notebook import Notebook

        return Notebook()
    return Terminal()


def _leave_out_hints() -> None:
    """Keep what tqdm and Ray say of widgets out of the cell: nothing of ours is drawn by them."""
    warnings.filterwarnings("ignore", message="IProgress not found")
    logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this; its front end shows HTML."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
