"""`goodfit import`: the study file, and what of the other tool's file does not carry over."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from goodfit.service.errors import InputError
from goodfit.service.screen.live import say

if TYPE_CHECKING:
    from goodfit.service.exchange.draft import Draft


def write_imported(draft: Draft, file: Path, *, force: bool) -> None:
    """Write the study file; InputError where there is one already."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(draft.to_yaml())
    except FileExistsError:
        raise InputError(f"{file} is there already; name another file, or replace it by --force") from None
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}; name another file") from error


def print_imported(draft: Draft, file: Path | None) -> None:
    """What does not carry over on standard error; the study file on standard output, or where it is."""
    for one in draft.lost:
        say(str(one))
    if file is None:
        sys.stdout.write(draft.to_yaml())
    else:
        print(f"{file}: a study of {len(draft.space)} parameters; check it by `goodfit check {file}`")
