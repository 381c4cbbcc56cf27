"""`goodfit init DATA`: write a study file for a data file, and check it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from goodfit.service.errors import InputError


def write_study(data: str, target: str | None, name: str | None, output: Path | None) -> dict[str, Any]:
    """Write the study file; the file, the study's name and its trainer.

    Raises:
        InputError: there is such a file already, a target has to be chosen, or the data cannot be trained on.
    """
    from goodfit.service import app
    from goodfit.service.exchange.data_study import study_of_data
    from goodfit.service.spec import read

    words = ["goodfit", "init", data, *(["--target", target] if target is not None else [])]
    folder = Path.cwd() if output is None else output.parent
    name, text = study_of_data(data, target, name, folder, shlex.join(words))
    if str(output) == "-":
        raise InputError("the study file is checked where it lies: name a file with -o, or leave it out")
    file = Path(f"{name}.yaml") if output is None else output
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise InputError(f"{file} is there already; name another file with -o") from None
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}; name another file with -o") from error
    try:
        spec = app.check(read(file)).spec
    except BaseException:
        file.unlink()  # nothing is left behind that cannot be run
        raise
    return {"file": str(file), "study": spec.name, "trainer": spec.trainer}
