"""Studies: what `connect` gives, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goodfit.service.client.arguments import text_of
from goodfit.service.client.handles import StudyHandle
from goodfit.service.client.study_records import PAGE
from goodfit.service.errors import UnknownStudy
from goodfit.service.queries.source import Listed, Source
from goodfit.service.records import StudyState

if TYPE_CHECKING:
    from goodfit.service.client.upload import StudyFile


class Studies(Mapping[str, StudyHandle]):
    """The studies of a home or a server, by name; newest first."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, name: str) -> StudyHandle:
        self.source.study(text_of("the name of a study", name, "digits-cnn"))
        return StudyHandle(self.source, name)

    def __iter__(self) -> Iterator[str]:
        return iter([listed.study.name for listed in self.listed()])

    def __len__(self) -> int:
        return sum(1 for _ in self.listed())

    def __contains__(self, name: object) -> bool:
        try:
            self.source.study(str(name))
        except UnknownStudy:
            return False
        return True

    def __repr__(self) -> str:
        return f"<studies of {self.source.place}: {', '.join(self) or 'none'}>"

    def listed(self, states: Sequence[StudyState] = (), submitter: str | None = None) -> Iterator[Listed]:
        """The studies with their states and counts, in one of these states, of this submitter."""
        offset = 0
        while True:
            page = self.source.page(states=states, submitter=submitter, limit=PAGE, offset=offset)
            yield from page
            offset += len(page)
            if len(page) < PAGE:
                return

    def compare(self, *names: str) -> dict[str, Any]:
        """Studies side by side: best values with intervals, verdicts, configurations, costs; plain JSON values.

        `comparable` says whether their values are of one metric, direction and data set, and `reasons` why not;
        `answer` and `leads` which is better and by how much, with an interval; `params` and `settings` what differs.
        """
        from goodfit.service.queries.comparing import comparison

        found = [self[name] for name in names]
        return comparison([(one.listed, list(one.pages(parts=())), next(iter(one.best(1)), None)) for one in found])

    def submit(
        self, file: StudyFile, *, overrides: Sequence[str] = (), priority: int = 0, new: bool = False
    ) -> StudyHandle:
        """Put a study into the queue.

        Args:
            file: a study file, or the values that one would hold.
            overrides: KEY=VALUE each, as for `--set`.
            priority: the higher goes first.
            new: under a new name (name-2, name-3, ...) if it is taken.

        Raises:
            InputError: it cannot run, or may not be run there; NameTaken: there is a study of that name.
        """
        from goodfit.service.client.upload import submission_of

        given = submission_of(file, overrides=overrides, priority=priority, fresh=new)
        return StudyHandle(self.source, self.source.submit(given).name)
