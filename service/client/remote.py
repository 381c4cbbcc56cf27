"""The studies of a server, over HTTP: the same Source, the same errors."""

from __future__ import annotations

import json
import re
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from goodfit.retrying import backoff, retried
from goodfit.service import errors
from goodfit.service.app.best import Best
from goodfit.service.app.explaining import Why
from goodfit.service.app.logs import LogPiece
from goodfit.service.progress import Progress
from goodfit.service.queries import wire
from goodfit.service.queries.source import Kind, Listed
from goodfit.service.records import (
    AuditEntry,
    Decision,
    Report,
    Study,
    StudyRun,
    StudyState,
    Token,
    Trial,
    Verdict,
    Version,
)

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.service.app.cards import Cards
    from goodfit.service.app.explanations import OnRow, Wanted
    from goodfit.service.app.releasing import ReleaseFacts
    from goodfit.service.app.resumption import Reopening
    from goodfit.service.app.submission import Submission
    from goodfit.service.app.trail import Trail
    from goodfit.trainers.explaining.explanation import Explanation

TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
NODES_TIMEOUT = httpx2.Timeout(15.0, connect=3.0)  # the server asks its cluster for up to 10 s
TRIES = 4  # of what can be asked again
PAUSE = 0.5  # seconds before the second try; each further pause is twice as long
MOST_WAITED = 30.0  # seconds that a server may ask to be spared
AGAIN = (httpx2.TransportError,)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # what stands in a path as it is


class _Busy(Exception):
    """The server asks to be spared for a while."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer


class RemoteSource:
    """The Source of a server.

    Args:
        client: speaks to the server; its base URL is the server's.
        sleep: waits between two tries.
    """

    def __init__(self, client: httpx2.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._sleep = client, sleep

    @classmethod
    def at(cls, url: str, token: str) -> RemoteSource:
        """The server at a URL; InputError for a URL that is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise errors.InputError(f"{url} is not a server URL; write http://HOST:PORT or https://HOST")
        headers = {"Authorization": f"Bearer {token.strip()}"} if token else {}
        try:
            client = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT)
        except (ValueError, httpx2.InvalidURL) as error:
            raise errors.InputError(f"{url} or its token cannot be used: {error}") from error
        source = cls(client)
        weakref.finalize(source, client.close)  # its connections end with the last of those who hold it
        return source

    @property
    def place(self) -> str:
        return str(self._client.base_url).rstrip("/")

    @property
    def mlflow_uri(self) -> str:
        return str(self._get("/v1/about")["mlflow_uri"])

    def hint(self, words: str) -> str:
        return f"`goodfit --server {self.place} {words}`"

    def page(
        self, *, states: Sequence[StudyState] = (), submitter: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[Listed]:
        query: dict[str, Any] = {"state": [str(state) for state in states], "limit": limit, "offset": offset}
        if submitter is not None:
            query["submitter"] = submitter
        return [wire.listed(one) for one in self._get("/v1/studies", query)["studies"]]

    def study(self, name: str) -> Listed:
        return wire.listed(self._get(_path(name)))

    def trials(
        self,
        name: str,
        *,
        labels: Sequence[str] = (),
        verdict: Verdict | None = None,
        after: int = -1,
        limit: int = 100,
        parts: Collection[str] | None = None,
    ) -> list[Trial]:
        query: dict[str, Any] = {"state": list(labels), "after": after, "limit": limit}
        if parts is not None:
            query["parts"] = ",".join(parts)
        if verdict is not None:
            query["verdict"] = str(verdict)
        return [wire.received(Trial, one) for one in self._get(_path(name, "records"), query)["records"]]

    def trial(self, name: str, number: int) -> Trial:
        return wire.received(Trial, self._get(_path(name, "records", number)))

    def confirmations(self, name: str) -> list[Trial]:
        return [wire.received(Trial, one) for one in self._get(_path(name, "confirmations"))["records"]]

    def curve(self, name: str, number: int) -> list[Report]:
        return [wire.received(Report, one) for one in self._get(_path(name, "trials", number, "curve"))["reports"]]

    def reports(self, name: str, *, after: int = -1, trials: int = 100) -> list[Report]:
        found = self._get(_path(name, "reports"), {"after": after, "limit": trials})
        return [wire.received(Report, one) for one in found["reports"]]

    def why(self, name: str, number: int) -> Why:
        return wire.received(Why, self._get(_path(name, "trials", number, "why")))

    def decisions(self, name: str, *, after: int = -1, limit: int = 100) -> list[Decision]:
        found = self._get(_path(name, "decisions"), {"after": after, "limit": limit})
        return [wire.received(Decision, one) for one in found["decisions"]]

    def versions(self, name: str) -> list[Version]:
        return [wire.received(Version, one) for one in self._get(_path(name, "versions"))["versions"]]

    def runs(self, name: str) -> list[StudyRun]:
        return [wire.received(StudyRun, one) for one in self._get(_path(name, "runs"))["runs"]]

    def best(self, name: str, k: int, *, pareto: bool = False) -> list[Best]:
        query = {"k": k, "pareto": "true"} if pareto else {"k": k}
        found = [wire.received(Best, one) for one in self._get(_path(name, "best"), query)["best"]]
        return [replace(one, model_uri=self._whole(one.model_uri)) for one in found]

    def diagnosis(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._get(_path(name, "diagnosis"))
        return found

    def report_html(self, name: str) -> str:
        return self._request("GET", _path(name, "report")).text

    def log_place(self, name: str, number: int) -> str | None:
        return f"{self.place}{_path(name, 'trials', number, 'log')}"

    def log(self, name: str, number: int, offset: int = 0) -> LogPiece:
        answer = self._request("GET", _path(name, "trials", number, "log"), {"offset": offset})
        return LogPiece(answer.text, int(answer.headers["Goodfit-Log-Next"]))

    def model(self, name: str, number: int, *, trust: bool) -> Any:
        from goodfit.service.client.models import unpacked

        answer = self._request("GET", _path(name, "model"), {"trial": number})
        return unpacked(answer.content, trust=trust)

    def explain(self, name: str, number: int, wanted: Wanted, on_row: OnRow, *, trust: bool) -> Explanation:
        from goodfit.service.app.explanations import explain_predictor

        self.study(name)
        if wanted.data is None or wanted.model is not None:
            raise errors.InputError(
                f"a model is explained by rows of its data, and those of study {name} are on the server at "
                f"{self.place}: "
                "do it on that machine, from its home, or give rows of your own in Python: study.explain(data=frame)"
            )
        return explain_predictor(self.model(name, number, trust=trust), name, number, wanted, on_row)

    def rows(self, name: str, part: str, trial: int | None, fold: int | None) -> pd.DataFrame:
        query = {key: value for key, value in (("split", part), ("trial", trial), ("fold", fold)) if value is not None}
        return wire.received_frame(self._request("GET", _path(name, "rows"), query).content)

    def label_issues(self, name: str, trial: int | None, on_epoch: Callable[[int, int], None]) -> pd.DataFrame:  # noqa: ARG002
        raise self._trains_elsewhere(name)

    def growth(self, name: str, on_epoch: Callable[[int, int], None]) -> dict[str, Any]:  # noqa: ARG002
        raise self._trains_elsewhere(name)

    def _trains_elsewhere(self, name: str) -> errors.InputError:
        self.study(name)
        return errors.InputError(
            f"the data of study {name} are judged by training on them, and they are on the server at {self.place}: ask "
            "on that machine, from its home (connect(FOLDER))"
        )

    def checkpoint(self, name: str, number: int, file: IO[bytes]) -> None:
        try:
            with self._client.stream("GET", _path(name, "checkpoint"), params={"trial": number}) as answer:
                if not answer.is_success:
                    answer.read()
                    self._raise(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
        except AGAIN as error:
            raise self._away(error) from error

    def watch(self, name: str) -> Iterator[Progress]:
        failed = 0
        while True:
            try:
                for progress in self._events(name):
                    failed = 0
                    yield progress
                    if progress.over:
                        return
            except AGAIN as error:
                failed += 1
                if failed >= TRIES:
                    raise self._away(error) from error
            self._sleep(PAUSE * 2**failed)  # the server ended the stream: it starts anew, say

    def _events(self, name: str) -> Iterator[Progress]:
        timeout = httpx2.Timeout(TIMEOUT.connect, read=TIMEOUT.read)  # heartbeats come more often
        with self._client.stream("GET", _path(name, "events"), timeout=timeout) as answer:
            if answer.status_code != httpx2.codes.OK:
                answer.read()
                self._raise(answer)
            kind = "message"
            for line in answer.iter_lines():
                field, _, text = line.partition(": ")
                if field == "event":
                    kind = text
                elif field == "data" and kind == "error":
                    raise errors.from_dict(json.loads(text))
                elif field == "data":
                    yield wire.received(Progress, json.loads(text))

    def nodes(self) -> Sequence[Mapping[str, float]]:
        try:
            with self._client.stream("GET", "/v1/nodes", timeout=NODES_TIMEOUT) as answer:
                answer.read()
        except AGAIN as error:
            raise self._away(error) from error
        if not answer.is_success:
            self._raise(answer)
        found: list[Mapping[str, float]] = answer.json()["nodes"]
        return found

    def submit(self, submission: Submission) -> Study:
        from goodfit.service.client.upload import packed

        sent = packed(submission)
        body = {
            "spec": sent.spec,
            "set": list(sent.overrides),
            "files": dict(sent.files),
            "priority": sent.priority,
            "new": sent.fresh,
        }
        try:
            return wire.listed(self._request("POST", "/v1/studies", body=body).json()).study
        except errors.StudyFileError as error:  # it knows the file by another name
            raise errors.StudyFileError(submission.file, error.problems) from error

    def stop(self, name: str) -> str:
        return str(self._request("POST", _path(name, "stop")).json()["message"])

    def edit(self, name: str, overrides: Sequence[str]) -> list[str]:
        answer = self._request("POST", _path(name, "edit"), body={"set": list(overrides)})
        return [str(line) for line in answer.json()["messages"]]

    def annotate(self, name: str, note: str | None, tags: Mapping[str, str]) -> list[str]:
        answer = self._request("POST", _path(name, "note"), body={"note": note, "tags": dict(tags)})
        return [str(line) for line in answer.json()["messages"]]

    def release(self, name: str) -> ReleaseFacts:
        found: ReleaseFacts = self._get(_path(name, "release"))
        return found

    def decide(self, name: str, action: str, by: str | None, note: str | None) -> list[str]:
        answer = self._request("POST", _path(name, action), body={"by": by, "note": note})
        return [str(line) for line in answer.json()["messages"]]

    def cards(self, name: str) -> Cards:
        found: Cards = self._get(_path(name, "card"))
        return found

    def trail(self, name: str) -> Trail:
        found: Trail = self._get(_path(name, "audit"))
        return found

    def resume(self, name: str, wanted: Reopening) -> str:
        body = {
            "set": list(wanted.overrides),
            "retry_failed": wanted.retry_failed,
            "priority": wanted.priority,
            "changed": wanted.changed,
        }
        return str(self._request("POST", _path(name, "resume"), body=body).json()["message"])

    def remove(self, name: str) -> list[str]:
        return [str(line) for line in self._request("DELETE", _path(name)).json()["messages"]]

    def catalog(self, kind: Kind) -> list[dict[str, Any]]:
        return list(self._get(f"/v1/{kind}")[kind])

    def described(self, kind: Kind, name: str) -> dict[str, Any]:
        return dict(self._get(f"/v1/{kind}/{_word(name)}"))

    def make_token(self, name: str, role: str, expires: str | None) -> tuple[Token, str]:
        body = {"name": name, "role": role, "expires": expires}
        found = self._request("POST", "/v1/tokens", body=body).json()
        return wire.received(Token, found), str(found["secret"])

    def tokens(self) -> list[Token]:
        return [wire.received(Token, one) for one in self._get("/v1/tokens")["tokens"]]

    def revoke(self, token_id: str) -> Token:
        return wire.received(Token, self._request("DELETE", f"/v1/tokens/{_word(token_id)}").json())

    def audit(self, *, subject: str | None = None, limit: int = 100, offset: int = 0) -> list[AuditEntry]:
        query: dict[str, Any] = {"limit": limit, "offset": offset}
        if subject is not None:
            query["subject"] = subject
        return [wire.received(AuditEntry, one) for one in self._get("/v1/audit", query)["entries"]]

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self._request("GET", path, query).json()

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """An answer that is none of an error; what changes nothing is asked again where the server is away."""
        again, pauses = method == "GET", islice(backoff(PAUSE), TRIES - 1)

        def attempt() -> httpx2.Response:
            answer = self._client.request(method, path, params=query, json=_sendable(body))
            away = answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE and again
            if away or answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:
                raise _Busy(answer)
            return answer

        def pause(error: Exception) -> float | None:
            if not (isinstance(error, _Busy) or (isinstance(error, AGAIN) and again)):
                return None
            usual = next(pauses, None)
            return _spared(error.answer, usual) if usual is not None and isinstance(error, _Busy) else usual

        try:
            answer = retried(attempt, pause, self._sleep)
        except AGAIN as error:
            raise self._away(error) from error
        except _Busy as error:
            answer = error.answer
        if not answer.is_success:
            self._raise(answer)
        return answer

    def _whole(self, uri: str | None) -> str | None:
        """A model's address with the server's, where it is one of the server's own."""
        return f"{self.place}{uri}" if uri is not None and uri.startswith("/") else uri

    def _away(self, error: Exception) -> errors.ServerError:
        why = str(error) or type(error).__name__
        return errors.ServerError(f"the server at {self.place} cannot be reached: {why}; is `goodfit serve` running?")

    def _raise(self, answer: httpx2.Response) -> None:
        """The error that the server met, as if it had been met here."""
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or "error" not in found:
            raise errors.ServerError(f"{self.place} answers {answer.status_code} and is no Goodfit server, it seems")
        raise errors.from_dict(found)


def _sendable(value: Any) -> Any:
    """JSON values whose texts UTF-8 can hold: bytes of a command line that are no letters are written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_sendable(key): _sendable(item) for key, item in value.items()}
    return [_sendable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _path(name: str, *parts: str | int) -> str:
    """A path below a study's; UnknownStudy for what cannot be a study's name."""
    if not _WORD.fullmatch(name):
        raise errors.UnknownStudy(f"there is no study {name!r}: that is not a valid study name")
    return "/".join(["/v1/studies", name, *map(str, parts)])


def _word(text: str) -> str:
    """A name as part of a path; InputError for what cannot be one."""
    if not _WORD.fullmatch(text):
        raise errors.InputError(f"there is no {text!r}: that is not a valid study name")
    return text


def _spared(answer: httpx2.Response, usual: float) -> float:
    """The seconds that a server wants to be spared."""
    try:
        return min(MOST_WAITED, max(usual, float(answer.headers.get("Retry-After", usual))))
    except ValueError:
        return usual
