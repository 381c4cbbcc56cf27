"""What of an environment is not for the code of studies: where Goodfit's and MLflow's databases are, tokens, passwords.

The code of a study of the service is somebody else's, perhaps: it gets no keys of an object store either. Those go
from the runner to its workers beside the environment, to be used for the trials' own files alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Collection, Iterator, MutableMapping, Sequence

PRIVATE = ("GOODFIT_", "MLFLOW_")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # of s3
STORES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")  # where s3 is: no secrets
SERVICE = (*PRIVATE, *KEYS, "PGPASSWORD", "POSTGRES_PASSWORD")  # what the code of the service's studies does not get
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_OPEN = ("GOODFIT_HOME", "GOODFIT_STACK_ID")  # messages go by the one; by the other a stack knows its processes


def take(environ: MutableMapping[str, str], prefixes: Sequence[str]) -> dict[str, str]:
    """Take the variables whose names begin so out of an environment."""
    names = [name for name in environ if name.startswith(tuple(prefixes)) and name not in _OPEN]
    return {name: environ.pop(name) for name in names}


@contextlib.contextmanager
def without(environ: MutableMapping[str, str], names: Collection[str]) -> Iterator[None]:
    """Have an environment lack these variables for a while."""
    taken = {name: environ.pop(name) for name in names if name in environ}
    try:
        yield
    finally:
        environ.update(taken)


def hide(environ: MutableMapping[str, str] = os.environ) -> None:
    """Keep what is withheld of this process's environment out of /proc, on Linux, and its memory from its user.

    /proc shows to all processes of the user an environment as it lies where the process began, whatever was taken
    out of it since: so it is overwritten there, and kept elsewhere. To be called before there are threads.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    for name in [name for name in environ if name.startswith(SERVICE) and name not in _OPEN]:
        value = environ[name]
        place = libc.getenv(os.fsencode(name))
        if place:
            ctypes.memset(place, ord("x"), len(os.fsencode(value)))  # zeros would end the block for its readers
            environ[name] = value
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
