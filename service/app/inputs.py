"""Whether the code and the data of a study are still those that its trials were trained with.

Data that have changed are refused unless the user says to go on: trials on different rows cannot be ranked together.
Code that has changed is used: whoever mends a trainer and resumes means it. Both mark the trials from there on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goodfit.service import errors
from goodfit.service.records import Batch, Lease, Study

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.code import Code
    from goodfit.trainers.messages import DataSpec

FORMAT = 1  # of Study.inputs; of another one nothing can be said
SHOWN = 3  # files that a message names


def inputs_of(spec: StudySpec, code: Code | None) -> dict[str, Any]:
    """What a study would be trained with now: `code` and `data`, each a digest and those of its files, or None."""
    from goodfit.trainers.data.fingerprint import fingerprint
    from goodfit.trainers.data.fingerprint import to_dict as plain

    data = spec.data_spec()
    found = None if data is None else fingerprint(data)
    digests = {} if code is None else code.digests
    return {
        "format": FORMAT,
        "code": {"digest": code_digest(digests), "files": digests} if digests else None,
        "data": None if found is None else {**plain(found), **_function(data)},
    }


def code_digest(digests: Mapping[str, str]) -> str:
    """The digest of all of a study's own code, from those of its files."""
    return hashlib.blake2b(repr(sorted(digests.items())).encode(), digest_size=4).hexdigest()


def _function(data: DataSpec | None) -> dict[str, str]:
    """The name of the function that data come from, for messages."""
    from goodfit.trainers.data.reading.functions import function_file, is_function

    if data is None or not is_function(data.source):
        return {}
    return {"function": f"{function_file(data.source).name}:{data.source.rpartition(':')[2]}"}


def settle_inputs(
    hint: Callable[[str], str],
    store: Store,
    lease: Lease,
    study: Study,
    found: Mapping[str, Any],
    *,
    accept: bool,
    say: Callable[[str], None],
) -> None:
    """Note what a study is trained with from here on.

    Args:
        hint: makes a command for the user to type.
        store: where the study is.
        lease: the right to write it.
        study: as the store has it.
        found: what it would be trained with now.
        accept: changed data are the user's will.
        say: gets what has changed, where the study goes on.

    Raises:
        InputError: the data have changed since other trials were trained on them.
    """
    before = study.inputs
    if before is not None and before.get("format") == FORMAT and _has_results(store, study):
        code, data = (difference_of(before.get(part), found.get(part)) for part in ("code", "data"))
        if data and not accept:
            resume, anew = hint(f"resume {study.name} --changed"), "--new"
            raise errors.DataError(
                f"the data of study {study.name} have changed since its trials were trained: {data}; put them back as "
                f"they were, start a new search under another name with `{anew}`, or go on with them by {resume}: "
                "trials on other data are marked, and their values cannot be compared"
            )
        if data:
            say(
                f"the data have changed: {data}; trials from here on are marked, and cannot be compared with the others"
            )
        if code:
            say(f"the code has changed: {code}; trials from here on are trained with it, and marked")
    if before != found:
        store.apply(lease, Batch(study=replace(study, inputs=dict(found))))


def _has_results(store: Store, study: Study) -> bool:
    """Whether a trial has been trained, or is on its way, and did not merely fail."""
    states = store.tally(study.id).states
    return any(count and not label.startswith(("FAILED", "CANCELLED")) for label, count in states.items())


def difference_of(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    """What is otherwise, in words; empty where nothing is, or where it is not known."""
    if before is None or now is None or before["digest"] == now["digest"]:
        return ""
    old, new = before.get("files") or {}, now.get("files") or {}
    if not old or not new:
        then, since = before.get("count", 0), now.get("count", 0)
        if then != since:
            return f"{since:,} files, {then:,} before"
        return f"{now['function']} returns other data" if now.get("function") else "their content differs"
    words = [f"{name} was edited" for name in old if name in new and old[name] != new[name]]
    words += [f"{name} is gone" for name in old if name not in new]
    words += [f"{name} is new" for name in new if name not in old]
    more = f", and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
