"""Studies from Python: what `from goodfit import connect` gives, and what the command line prints.

study = connect()["digits-cnn"]            # a home folder; or connect("http://host:8000", token="...")
study.best().params

studies.py  Studies, over a Source            handles.py  StudyHandle, one of them
remote.py   the source on a server, over HTTP upload.py   what is sent of a study file
models.py   a model that a server sent        run.py      `goodfit.run`: functions.py, given.py: what it is given
running.py  a study that runs in this process
arguments.py  what is wrong with an argument of another kind
"""

from __future__ import annotations

import os
from pathlib import Path

from goodfit.service.app.best import Best
from goodfit.service.client.arguments import path_of
from goodfit.service.client.handles import StudyHandle
from goodfit.service.client.studies import Studies
from goodfit.service.json_values import iso, moment
from goodfit.service.queries.rows import TRIAL_KEYS, trial_row
from goodfit.service.queries.source import Listed, Source

__all__ = ["TRIAL_KEYS", "Best", "Listed", "Source", "Studies", "StudyHandle", "connect", "iso", "moment", "trial_row"]


def connect(place: str | Path | None = None, token: str | None = None) -> Studies:
    """The studies of a home folder or of a server.

    Args:
        place: a folder, or a server's URL; None: GOODFIT_SERVER, GOODFIT_HOME or .goodfit here.
        token: for a server; None: GOODFIT_TOKEN.

    A folder without a home is an empty one: it is made when something is written.

    Raises:
        HomeError: the home belongs to another user, or its database cannot be used.
    """
    if not place and (server := os.environ.get("GOODFIT_SERVER")):
        place = server if "://" in server else f"http://{server}"
    if place is not None and "://" in str(place):
        from goodfit.service.client.remote import RemoteSource

        return Studies(RemoteSource.at(str(place), token or os.environ.get("GOODFIT_TOKEN") or ""))
    from goodfit.service import app
    from goodfit.service.queries.local import LocalSource
    from goodfit.service.settings import Settings

    settings = Settings.from_environment(path_of("place", place, ".goodfit") if place else None)
    return Studies(LocalSource(settings, app.open_home(settings) if app.is_made(settings) else None))
