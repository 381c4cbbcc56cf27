"""A study's note and tags: checked, kept in the store, and brought to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from goodfit.service import errors
from goodfit.service.settings import BY_HERE
from goodfit.trainers.readable import one_line, readable

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.records import Study
    from goodfit.service.settings import Settings

NOTE_LENGTH = 5000  # characters; a tag of MLflow has 8,000
KEY_LENGTH, VALUE_LENGTH = 100, 500
MOST_TAGS = 50
RESERVED = ("mlflow.", "goodfit.")  # tags that others write, and read


def annotate(
    settings: Settings, store: Store, name: str, note: str | None, tags: Mapping[str, str], by: str = BY_HERE
) -> list[str]:
    """Give a study a note and tags; says what it has then.

    Args:
        settings: the home, for MLflow.
        store: where.
        name: of the study.
        note: takes the place of the one before; empty: none any more; None: it stays.
        tags: by key; an empty value takes the tag away, keys that are not named stay.
        by: who does it.

    Raises:
        InputError: the note or a tag cannot be kept; names all that is wrong.
    """
    study = store.study(name)
    if problems := _problems(study, note, tags):
        raise errors.InputError(f"study {name}: {'; '.join(problems)}")
    study = store.annotate(study.id, note, tags, by)
    return [_said(study), *_mirrored(settings, study, tags)]


def _problems(study: Study, note: str | None, tags: Mapping[str, str]) -> list[str]:
    found = []
    if note is not None and len(readable(note)) > NOTE_LENGTH:
        found.append(f"the note has {len(readable(note))} characters; at most {NOTE_LENGTH} are kept")
    for key, value in tags.items():
        shown = one_line(key[:KEY_LENGTH])
        if not key.strip() or len(key) > KEY_LENGTH or one_line(key) != key or "=" in key:
            found.append(f"tag {shown!r}: a key has 1 to {KEY_LENGTH} printable characters, and no =")
        elif key.startswith(RESERVED):
            found.append(f"tag {shown!r}: keys that begin with {' or '.join(RESERVED)} are taken; use another")
        if len(readable(value)) > VALUE_LENGTH:
            found.append(f"tag {shown!r}: its value has {len(readable(value))} characters; at most {VALUE_LENGTH}")
    after = {**(study.tags or {}), **tags}
    if (count := sum(map(bool, after.values()))) > MOST_TAGS:
        found.append(f"it would have {count} tags, and a study has at most {MOST_TAGS}; remove some by KEY=")
    return found


def _said(study: Study) -> str:
    tags = ", ".join(f"{key}={value}" for key, value in (study.tags or {}).items())
    return f"study {study.name} has {'a note' if study.note else 'no note'} and {f'tags {tags}' if tags else 'no tags'}"


def _mirrored(settings: Settings, study: Study, tags: Mapping[str, str]) -> list[str]:
    """Bring the run of a study that has one up to date; what is to be known where that cannot be."""
    if study.mlflow_run_id is None:
        return []
    from goodfit.service.tracker import keep_note

    try:
        keep_note(settings.tracking_uri, study, [key for key, value in tags.items() if not value])
    except errors.TrackingError as error:
        return [f"MLflow does not have it yet: {error}"]
    return []
