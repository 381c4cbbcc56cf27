"""What every Access must do: tokens by their hashes, and a log of who did what."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from goodfit.service.errors import Fenced, InputError, NameTaken
from goodfit.service.ports import Access, Store
from goodfit.service.records import Batch, Role, Study, StudyState, Token
from goodfit.testing.stores.opening import Opened, remove

ADMIN = Token("t1", "ana", Role.ADMIN, created=10.0, created_by="root@host", expires=100.5)


VIEWER = Token("t2", "bo", Role.VIEWER, created=5.0, created_by="ana")


def log(access: Access, subject: str | None = None) -> list[tuple[str, str, str, str]]:
    """Who did what to whom, oldest first."""
    return [(one.who, one.action, one.subject, one.detail) for one in access.audit(subject=subject)][::-1]


class AccessContract(Opened):
    """Tokens by their hashes, and a log of who did what."""

    @pytest.fixture
    def access(self, store: Store) -> Access:
        """The Access beside the store under test."""
        raise NotImplementedError("override the fixture `access`: it returns the Access beside your store")

    def test_a_token_is_found_by_its_hash_alone(self, access: Access) -> None:
        access.add_token(ADMIN, "hash-1")
        assert access.token_of("hash-1") == ADMIN
        assert isinstance(getattr(access.token_of("hash-1"), "role", None), Role)
        for wrong in ("hash-2", "", "t1", "' OR 1=1 --", "HASH-1", "hash\x00"):
            assert access.token_of(wrong) is None

    def test_tokens_are_listed_oldest_first(self, access: Access) -> None:
        assert access.tokens() == []
        access.add_token(ADMIN, "hash-1")
        access.add_token(VIEWER, "hash-2")
        assert access.tokens() == [VIEWER, ADMIN]

    def test_a_revoked_token_is_still_known_and_opens_nothing(self, access: Access) -> None:
        access.add_token(ADMIN, "hash-1")
        revoked = access.revoke("t1", 50.0, by="bo")
        assert revoked == replace(ADMIN, revoked=50.0)
        assert access.token_of("hash-1") == revoked
        assert not revoked.valid(51.0)
        assert access.revoke("t1", 60.0, by="eve") == revoked  # it stays as it was
        assert log(access)[-1] == ("bo", "revoke-token", "ana", "t1")
        with pytest.raises(InputError, match=r"'t9'.*token ls"):
            access.revoke("t9", 50.0, by="bo")

    def test_a_token_has_its_time(self) -> None:
        assert ADMIN.valid(100.0)
        assert not ADMIN.valid(100.5)
        assert VIEWER.valid(1e12)

    def test_two_tokens_cannot_have_one_hash(self, access: Access) -> None:
        access.add_token(ADMIN, "hash-1")
        with pytest.raises(Exception, match=r".+"):
            access.add_token(VIEWER, "hash-1")
        assert access.tokens() == [ADMIN]
        assert len(log(access)) == 1

    def test_whoever_changes_a_study_stands_in_the_log(self, store: Store, access: Access) -> None:
        study = store.add_study(Study("digits", {}, "f", 1.0, queued=1.0, submitter="ana"))
        store.add_study(Study("mine", {}, "f", 1.0))
        lease = store.acquire(study.id, "host:1:1", 0.0, 30.0, lambda _: False)
        running = study.to(StudyState.RUNNING)
        store.apply(lease, Batch(study=running))
        store.apply(lease, Batch(study=replace(running, seconds=3.0)))  # no other state: nothing to tell
        store.ask_stop(study.id, True, by="bo")
        store.apply(lease, Batch(study=running.to(StudyState.STOPPED)))
        stopped = store.study("digits")
        store.reopen(lease, stopped.to(StudyState.QUEUED, queued=2.0), by="ana")
        store.reopen(lease, replace(stopped, state=StudyState.QUEUED, priority=3), by="ana", detail="priority: 0 -> 3")
        store.release(lease)
        store.annotate(study.id, "for the paper", {"paper": "v2"}, by="dan")
        remove(store, "digits", by="carla")
        assert log(access, "digits") == [
            ("ana", "submit", "digits", ""),
            ("host:1:1", "state", "digits", "QUEUED -> RUNNING"),
            ("bo", "stop", "digits", ""),
            ("host:1:1", "state", "digits", "RUNNING -> STOPPED"),
            ("ana", "resume", "digits", "STOPPED -> QUEUED"),
            ("ana", "resume", "digits", "priority: 0 -> 3"),
            ("dan", "note", "digits", "paper"),
            ("carla", "remove", "digits", ""),
        ]
        assert log(access, "mine") == [("local", "create", "mine", "")]

    def test_what_did_not_happen_is_not_in_the_log(self, store: Store, access: Access) -> None:
        study = store.add_study(Study("digits", {}, "f", 1.0, submitter="ana"))
        old = store.acquire(study.id, "a", 0.0, 30.0, lambda _: False)
        store.hand_over(old, "b", 0.0, 30.0)
        with pytest.raises(Fenced):
            store.apply(old, Batch(study=study.to(StudyState.RUNNING)))
        with pytest.raises(NameTaken):
            store.add_study(Study("digits", {}, "other", 1.0, submitter="bo"))
        assert log(access) == [("ana", "create", "digits", "")]

    def test_the_log_comes_in_pages_newest_first_with_times(self, store: Store, access: Access) -> None:
        before = time.time()
        for number in range(5):
            store.add_study(Study(f"s{number}", {}, "f", 1.0))
        assert [one.subject for one in access.audit(limit=2)] == ["s4", "s3"]
        assert [one.subject for one in access.audit(limit=2, offset=3)] == ["s1", "s0"]
        assert [one.subject for one in access.audit(subject="s2")] == ["s2"]
        assert all(before <= one.at <= time.time() for one in access.audit())
