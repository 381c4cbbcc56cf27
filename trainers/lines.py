"""Where in the user's own code an error rose."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

_LIBRARIES = (str(Path(__file__).parent), str(Path(os.__file__).parent), "<")


def users_line(error: BaseException) -> str:
    """The innermost line of the user's own code, else of a built-in trainer: " (my_net.py:7)"; empty where none is."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/site-packages/" not in frame.filename]
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
    frame = next(iter((own or frames)[-1:]), None)
    return f" ({Path(frame.filename).name}:{frame.lineno})" if frame else ""
