"""A model that comes from a server: unpacked and loaded without running code, unless its sender is trusted."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from goodfit.service.errors import TrainerError

_OBJECT = "object.pt"
_PARTS = ("model.json", "weights.pt", "trainer.py", _OBJECT)


def unpacked(content: bytes, *, trust: bool) -> Any:
    """The model of a zip.

    Raises:
        TrainerError: the zip holds anything else than a model, or code that is not trusted.
    """
    from goodfit.trainers.errors import TrainersError
    from goodfit.trainers.prediction.model_folder import load_model
    from goodfit.trainers.registry import names

    with tempfile.TemporaryDirectory(prefix="goodfit-") as place:
        folder = Path(place)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                found = parts.namelist()
                if strange := sorted({part for part in found if not _is_part(part)}):
                    raise TrainerError(f"the model has parts that no model has: {', '.join(strange)}")
                for part in found:
                    (folder / part).parent.mkdir(parents=True, exist_ok=True)
                    (folder / part).write_bytes(parts.read(part))
            reference = str(json.loads((folder / "model.json").read_text(encoding="utf-8"))["trainer"])
        except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError) as error:
            raise TrainerError(f"what the server sent is no model: {error}") from error
        if ".py:" in reference and reference.rpartition(":")[0] in found:
            if not trust:
                raise TrainerError(
                    "the model's trainer is code that came with the study, and loading the model runs it: look at it, "
                    "then `model(trust_code=True)`"
                )
        elif _OBJECT in found and not trust:
            raise TrainerError(
                "the model is an object of the study's own, and loading it runs code that comes with it: trust the "
                "server, then `model(trust_code=True)`; its weights alone are `study.weights()`"
            )
        elif reference not in names() and not _is_installed(reference):
            raise TrainerError(f"the model is of trainer {reference!r}, which is not installed here")
        try:
            return load_model(folder)
        except TrainersError as error:
            raise TrainerError(str(error)) from error


def _is_part(name: str) -> bool:
    from goodfit.service.app.submission import is_plain

    folder, _, file = name.partition("/")
    return name in _PARTS or (folder == "code" and is_plain(file))


def _is_installed(reference: str) -> bool:
    from goodfit.service.app.submission import installed_trainers

    return reference in installed_trainers()
