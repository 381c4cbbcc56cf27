"""StudyHandle: one study, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.client.arguments import mapping_of, path_of, text_of, texts_of, whole_number_of
from goodfit.service.client.study_models import StudyModels
from goodfit.service.errors import InputError
from goodfit.service.progress import Progress
from goodfit.service.records import StudyState

if TYPE_CHECKING:
    from goodfit.service.app.cards import Cards


class StudyHandle(StudyModels):
    """One study: what is known of it, its models, and what can be done with it. All is read anew at each call."""

    def watch(self) -> Iterator[Progress]:
        """How far the study is, whenever that has changed, until it is over."""
        return self._source.watch(self.name)

    def stop(self) -> str:
        """Ask whoever runs it to save its running trials and stop; says what was done."""
        return self._source.stop(self.name)

    def edit(self, *overrides: str) -> list[str]:
        """Change it, also while it runs; says what has changed, and when that holds.

        Args:
            overrides: KEY=VALUE each, as for `--set`: budget.trials=40, space.learning_rate.high=0.3.

        Raises:
            InputError: what is to change is wrong, or may not be changed in a study that has begun.
        """
        return self._source.edit(self.name, texts_of("overrides", overrides, "budget.trials=40"))

    def note(self, text: str | None = None, *, tags: Mapping[str, Any] | None = None) -> str:
        """Keep a text and tags with the study; MLflow shows them, too.

        Args:
            text: takes the place of the one before; empty: none any more; None: it stays.
            tags: by key; an empty value or None takes the tag away, keys that are not named stay.

        Returns:
            Its note; empty where it has none.

        Raises:
            InputError: the note or a tag is too long, or the key of a tag is not a plain name.
        """
        if text is not None:
            text_of("text", text, "for the report")
        wanted = {} if tags is None else mapping_of("tags", tags, '{"release": "2026.11"}')
        given = {str(key): "" if value is None else str(value) for key, value in wanted.items()}
        if text is not None or given:
            self.annotate(text, given)
        return self.record.note or ""

    def annotate(self, text: str | None, tags: Mapping[str, str]) -> list[str]:
        """As note; says what it has then."""
        return self._source.annotate(self.name, text, tags)

    def approve(self, by: str | None = None, note: str | None = None) -> list[str]:
        """Release its best model: it gets the alias `champion`; says what that comes to.

        Where gates of `release:` fail, the record says that they were overruled, and the note is needed.

        Args:
            by: who decides; on a server the token says so, and this for whom.
            note: why.

        Raises:
            InputError: it is not done, or has no model.
        """
        return self._decide("approve", by, note)

    def reject(self, by: str | None = None, note: str | None = None) -> list[str]:
        """Keep its best model from being released; where it is, the one released before gets the alias again.

        Args:
            by: as of approve.
            note: why.
        """
        return self._decide("reject", by, note)

    def _decide(self, action: str, by: str | None, note: str | None) -> list[str]:
        for name, value, example in (("by", by, "ann"), ("note", note, "checked with the credit team")):
            if value is not None:
                text_of(name, value, example)
        return self._source.decide(self.name, action, by, note)

    def card(self, folder: str | Path | None = None, *, force: bool = False) -> Cards:
        """Its model card (README.md, as on the Hugging Face hub) and its data card (croissant.json).

        Args:
            folder: where both are written; None: nowhere.
            force: files that are there and say something else are replaced.

        Returns:
            study, trial, files (texts by name) and notes: what is missing, and what is to be written by people.

        Raises:
            InputError: it has no model, or a file is there and says something else.
        """
        from goodfit.service.app.cards import CROISSANT

        place = None if folder is None else path_of("folder", folder, "cards/churn")
        found = self._source.cards(self.name)
        if place is not None:
            _write_texts(place, found["files"], force=force)
            left = place / CROISSANT
            if CROISSANT not in found["files"] and left.exists():
                found["notes"] = [*found["notes"], f"{left} is of an earlier card, and not of these data: take it away"]
        return found

    def resume(
        self,
        *,
        overrides: Sequence[str] = (),
        retry_failed: bool = False,
        priority: int | None = None,
        changed: bool = False,
    ) -> str:
        """Go on with it where it ran: here, with its progress shown, or in the service's queue if it was submitted.

        Says what was done. Ctrl-C saves here.

        Args:
            overrides: KEY=VALUE each, as for `--set`: budget.trials=40. What decided on its trials stays as it is.
            retry_failed: train its failed trials again, with the same parameters.
            priority: of the queue.
            changed: it goes on though its data have changed.

        Raises:
            InputError: what is to change is wrong, or may not be changed.
            StudyHeld: it runs; stop it first.
        """
        changes = tuple(texts_of("overrides", overrides, "budget.trials=40"))
        queue = None if priority is None else whole_number_of("priority", priority)
        wanted = app.Reopening(changes, retry_failed, queue, changed)
        from goodfit.service.queries.local import LocalSource

        if not isinstance(self._source, LocalSource) or self.record.queued is not None:
            return self._source.resume(self.name, wanted)
        from goodfit.service.client.running import resume_here

        return resume_here(self._source.settings, self.name, wanted)

    def confirm(self, top: int = 3, seeds: int = 3) -> str:
        """Train its best configurations again, where it ran: here, or in the service's queue; says how it is then.

        Args:
            top: how many of the best configurations.
            seeds: fresh seeds for each, all scored on the test split.

        Raises:
            InputError: its search has not ended.
        """
        return self.resume(overrides=self.confirmation(top, seeds))

    def confirmation(self, top: int, seeds: int) -> list[str]:
        """What to resume it with, so that its best are confirmed; InputError where its search has not ended."""
        if (state := self.listed.state) is not StudyState.DONE:
            then = self.hint(f"resume {self.name} --set confirm.top={top} --set confirm.seeds={seeds}")
            raise InputError(
                f"study {self.name} is {state}, and only the best of a search that has ended are confirmed; {then} "
                "goes on with it and confirms its best at the end"
            )
        return [f"confirm={{top: {top}, seeds: {seeds}}}"]

    def remove(self) -> list[str]:
        """Take it out, with its trials, curves, checkpoints and runs in MLflow; says what was left and why."""
        return self._source.remove(self.name)


def _write_texts(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """Write texts by their names; InputError, before any is written, where another text is there."""
    from goodfit.trainers.files import replacing

    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {name: folder / name for name in files if (folder / name).exists()}
        others = [str(path) for name, path in there.items() if path.read_bytes() != files[name].encode()]
        if others and not force:
            raise InputError(f"{', '.join(others)}: there already, with another text; name another folder, or --force")
        for name, text in files.items():
            with replacing(folder / name) as part:
                part.write(text.encode())
    except (OSError, ValueError) as error:  # a folder's name with NUL is no OSError
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write to {folder}: {why}; name another folder") from error
