"""Which folder a study's files lie in: its own, whatever else lies at the place.

Beside a study of this home there may be one of another home that shares the place, or what a database that is
gone has left there. So a study marks its folder as its own, and takes another where that is somebody else's.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from goodfit.service import errors
from goodfit.service.records import Batch, Lease, Study
from goodfit.service.settings import Settings, make_folder

if TYPE_CHECKING:
    from goodfit.service.ports import Leases
    from goodfit.trainers.artifacts.places import Place

MARK = "study.json"  # in a study's folder: whose it is


def settle_place(settings: Settings, store: Leases, lease: Lease, study: Study) -> Study:
    """Give a study a folder that can be written and that no other study has; the study as the store has it then.

    Raises:
        HomeError: files cannot be kept there.
    """
    from goodfit.trainers.errors import PlaceAway

    root = settings.artifacts
    if study.folder is not None and isinstance(root, Path) and not root.is_dir():
        raise errors.HomeError(
            f"the folder {root} (GOODFIT_ARTIFACTS), which has the files of study {study.name!r}, does not exist; "
            f"restore it, or if its files are lost, create it by `mkdir -p {root}`: unfinished trials are "
            "then trained from their start"
        )
    try:
        own = (name for name in _names(study) if _has_marked(settings, replace(study, folder=name), study.folder))
        folder = next(own, None)
    except (PlaceAway, OSError) as error:
        where, again = settings.study_place(study).uri(), settings.hint(f"resume {study.name}")
        raise errors.HomeError(
            f"the files of study {study.name!r} cannot be kept at {where}: {error}; fix that, then {again} goes on"
        ) from error
    if folder is None:
        raise errors.HomeError(
            f"the folders {' and '.join(_names(study))} among the files of studies belong to other studies; "
            "move them away, or give GOODFIT_ARTIFACTS another place"
        )
    if folder != study.folder:
        study = replace(study, folder=folder)
        store.apply(lease, Batch(study=study))
    return study


def remove_files(settings: Settings, study: Study) -> None:
    """Remove a study's files, where they are its own; PlaceAway or OSError where they cannot be removed."""
    place = settings.study_place(study)
    owner = place.read(MARK)
    if owner == _mark(study) or (study.folder is not None and not _is_mark(owner)):
        place.remove()
    shutil.rmtree(settings.given_folder(study.name), ignore_errors=True)


def _names(study: Study) -> list[str]:
    """The folders that it may have, the one that it has first."""
    digest = blake2b(_mark(study), digest_size=4).hexdigest()
    return list(dict.fromkeys([study.folder or study.name, f"{study.name}-{digest}"]))


def _has_marked(settings: Settings, study: Study, had: str | None) -> bool:
    """Mark a folder as the study's; whether it is its own."""
    place = settings.study_place(study)
    _make(place)
    if study.folder != had and place.read(MARK) is None and place.names():
        return False  # left there by a study that marked no folders
    if study.folder == had and not _is_mark(place.read(MARK)):
        place.drop(MARK)  # a damaged one of a folder that the store knows to be this study's
    return place.claim(MARK, _mark(study)) or place.read(MARK) == _mark(study)


def _make(place: Place) -> None:
    if place.folder is None:
        place.check()
    else:
        make_folder(place.folder)


def _is_mark(content: bytes | None) -> bool:
    """Whether it says whose a folder is; a file that is cut off or overwritten does not."""
    try:
        return content is not None and set(json.loads(content)) >= {"study", "created"}
    except (ValueError, TypeError):
        return False


def _mark(study: Study) -> bytes:
    """Tells a study from others of its name, in other homes or at other times."""
    return json.dumps({"study": study.name, "created": study.created}).encode()
