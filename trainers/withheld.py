"""What of an environment is not for the code of studies: where Goodfit's and MLflow's databases are, tokens, passwords.

The code of a study of the service is somebody else's, perhaps: it gets no keys of an object store either. Those go
from the runner to its workers beside the environment, to be used for the trials' own files alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, MutableMapping, Sequence

PRIVATE = ("GOODFIT_", "MLFLOW_")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # of s3; regions and endpoints stay
_OPEN = ("GOODFIT_HOME",)  # messages go by it


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
