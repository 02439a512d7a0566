"""Feedback by id, a tenant's newest first, and by run; every version of it, and how much of it pages may send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.access import Tenant
from chalicelib.domain.feedback import (
    MAX_WRITES_PER_TOKEN,
    Feedback,
    FeedbackFilter,
    FeedbackScope,
    Revision,
    Source,
    Triage,
    changed,
    feedback_id,
    first_feedback,
)
from chalicelib.domain.identifiers import DocumentId, FeedbackId, RunId
from chalicelib.domain.runs import Run, mentioned
from chalicelib.errors import ConditionFailed, Conflict, NotFound, RateLimited
from chalicelib.ports.table import MAX_BATCH_GET, MAX_WRITE_OPERATIONS, Delete, IndexName, Item, Key, Put, Query, Table
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

TRIES = 10
ROUNDS = 10
"""How many pages of rows one page of a filtered list looks through."""

_feedback = Codec(Feedback)
_revisions = Codec(Revision)


class FeedbackBook:
    """The feedback of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def give(self, tenant: Tenant, run: Run, subject: str, said: Revision, *, days: int) -> Feedback:
        """
        Store what a hashed *subject* said about *run*, whatever the number in *said*; the same again changes nothing.

        It is kept for *days* from then on, and never shorter than it was to be kept already. Raises `Conflict` when it
        goes on changing meanwhile.
        """
        wanted = feedback_id(tenant, run.run_id, subject)
        until = int(said.at.timestamp()) + days * 86_400
        before = self._table.get(keys.feedback(tenant, wanted))
        if before and before.expires_at:
            until = max(until, before.expires_at)
        self._link(tenant, run, wanted, until)

        def change(standing: Feedback | None) -> Feedback:
            if standing is None:
                return first_feedback(tenant, run, subject, said)
            merged = changed(standing, said.at, said.source, said.opinion)
            return replace(merged, documents=tuple(sorted({*merged.documents, *mentioned(run)})))

        given = self._changed(tenant, wanted, change, until)
        assert given is not None
        return given

    def retract(self, tenant: Tenant, wanted: FeedbackId, at: datetime, source: Source) -> Feedback | None:
        """Take back what was said, if anything was; earlier versions are kept."""
        return self._changed(tenant, wanted, lambda standing: standing and changed(standing, at, source, opinion=None))

    def triage(self, tenant: Tenant, wanted: FeedbackId, change: Callable[[Feedback], Triage]) -> Feedback:
        """Store what *change* makes of the triage. Raises `NotFound`, and what *change* raises."""

        def triaged(standing: Feedback | None) -> Feedback:
            if standing is None:
                raise missing(wanted)
            return replace(standing, triage=change(standing))

        changed_one = self._changed(tenant, wanted, triaged)
        assert changed_one is not None
        return changed_one

    def get(self, tenant: Tenant, wanted: FeedbackId) -> Feedback:
        """Give the feedback. Raises `NotFound`."""
        item = self._table.get(keys.feedback(tenant, wanted))
        if item is None:
            raise missing(wanted)
        return _feedback.load(item)

    def history(self, tenant: Tenant, wanted: FeedbackId) -> list[Revision]:
        """Give everything that was said, oldest first."""
        return [_revisions.load(item) for item in self._past(tenant, wanted)]

    def list(
        self, tenant: Tenant, wanted: FeedbackFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[Feedback], str | None]:
        """Give at most *limit* pieces of feedback, newest first, and the cursor of the next page; of one run, by id."""
        found: list[Feedback] = []
        query = _listing(tenant, wanted)
        for _ in range(ROUNDS):
            page = self._table.query(replace(query, limit=limit - len(found), cursor=cursor))
            rows = page.items if wanted.run is None else self._linked(tenant, page.items)
            found += [one for one in map(_feedback.load, rows) if wanted.admits(one)]
            cursor = page.cursor
            if cursor is None or len(found) == limit:
                break
        return found, cursor

    def of_document(self, tenant: Tenant, document_id: DocumentId) -> Iterator[FeedbackId]:
        """Give every piece of feedback whose writer may have seen text of the document."""
        anywhere = keys.feedback_mention(tenant, document_id, FeedbackId(""))
        for item in self._rows(anywhere.partition, anywhere.sort):
            yield FeedbackId(item.key.sort.removeprefix(anywhere.sort))

    def forget(self, tenant: Tenant, document_id: DocumentId) -> None:
        """Take every text out of feedback that may repeat the document; ratings and reasons stay."""
        for wanted in list(self.of_document(tenant, document_id)):
            self._redact(tenant, wanted)
            self._table.write(Delete(keys.feedback_mention(tenant, document_id, wanted)))

    def _redact(self, tenant: Tenant, wanted: FeedbackId) -> None:
        def bare(standing: Feedback | None) -> Feedback | None:
            if standing is None:
                return None
            opinion = standing.opinion and standing.opinion.without_texts()
            return replace(standing, opinion=opinion, redacted=True, triage=replace(standing.triage, note=None))

        redacted = self._changed(tenant, wanted, bare)
        for item in list(self._past(tenant, wanted)) if redacted else ():
            self._table.write(Put(replace(item, data=_revisions.dump(_without_texts(_revisions.load(item))))))

    def _changed(
        self,
        tenant: Tenant,
        wanted: FeedbackId,
        change: Callable[[Feedback | None], Feedback | None],
        until: int | None = None,
    ) -> Feedback | None:
        """
        Store what *change* makes of the feedback and, where something new was said, that as a version.

        Both are kept *until* then (Unix time, s); where it is None, for as long as what stands there.
        """
        for _ in range(TRIES):
            item = self._table.get(keys.feedback(tenant, wanted))
            standing = _feedback.load(item) if item else None
            made = change(standing)
            if made is None or made == standing:
                return made
            stored = replace(made, version=made.version + 1)
            ends_at = until if until is not None or item is None else item.expires_at
            row = _item(tenant, stored, ends_at)
            put = Put(row, if_version=standing.version) if standing else Put(row, if_absent=True)
            try:
                self._table.write(put, Put(_revision(tenant, wanted, stored.latest(), ends_at)))
            except ConditionFailed:
                continue
            return stored
        raise Conflict(f"Feedback {wanted} changed {TRIES} times meanwhile; send it again.")

    def _past(self, tenant: Tenant, wanted: FeedbackId) -> Iterator[Item]:
        return self._rows(keys.feedback_revision(tenant, wanted, 0).partition, "revision#")

    def _link(self, tenant: Tenant, run: Run, wanted: FeedbackId, until: int) -> None:
        """Write what leads to the feedback, before it is there: a deletion must find all that it has to look at."""
        places = [keys.feedback_on_run(tenant, run.run_id, wanted)]
        places += [keys.feedback_mention(tenant, one, wanted) for one in sorted(mentioned(run))]
        for start in range(0, len(places), MAX_WRITE_OPERATIONS):
            part = places[start : start + MAX_WRITE_OPERATIONS]
            self._table.write(*(Put(Item(key, {}, expires_at=until)) for key in part))

    def _linked(self, tenant: Tenant, links: Sequence[Item]) -> Sequence[Item]:
        prefix = keys.feedback_on_run(tenant, RunId(""), FeedbackId("")).sort
        places = [keys.feedback(tenant, FeedbackId(link.key.sort.removeprefix(prefix))) for link in links]
        rows = [
            row
            for start in range(0, len(places), MAX_BATCH_GET)
            for row in self._table.batch_get(places[start : start + MAX_BATCH_GET])
        ]
        return sorted(rows, key=lambda row: places.index(row.key))

    def _rows(self, partition: str, prefix: str) -> Iterator[Item]:
        cursor: str | None = None
        while True:
            page = self._table.query(Query(keys.FEEDBACK, partition, prefix=prefix, limit=500, cursor=cursor))
            yield from page.items
            if page.cursor is None:
                return
            cursor = page.cursor


class FeedbackLimits:
    """How much a token, and all pages of a tenant together, may send."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def charge(self, scope: FeedbackScope, daily_cap: int, at: datetime) -> None:
        """Count one more write. Raises `RateLimited` where the token or the tenant's day has no room for it."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        token = keys.feedback_writes_of_token(scope.tenant, scope.token_id)
        day = keys.feedback_writes_of_day(scope.tenant, at.date())
        for _ in range(TRIES):
            found = {item.key: item for item in self._table.batch_get([token, day])}
            if _writes(found.get(token)) >= MAX_WRITES_PER_TOKEN:
                rest_s = (scope.expires_at - at).total_seconds()
                raise RateLimited(
                    "This answer's feedback was changed too often; it stays as it is.", retry_after_s=rest_s
                )
            if _writes(found.get(day)) >= daily_cap:
                rest_s = (midnight - at).total_seconds()
                raise RateLimited("No more feedback is taken today; try again tomorrow.", retry_after_s=rest_s)
            ends = {token: scope.expires_at, day: midnight + timedelta(days=1)}
            try:
                self._table.write(*(_one_more(key, found.get(key), ends[key]) for key in (token, day)))
            except ConditionFailed:
                continue
            return
        raise RateLimited("Much feedback comes in at once; try again in a moment.", retry_after_s=1)


def missing(wanted: FeedbackId) -> NotFound:
    """Give what is raised for feedback that does not exist."""
    return NotFound(f"There is no feedback {wanted}.")


def _listing(tenant: Tenant, wanted: FeedbackFilter) -> Query:
    if wanted.run is not None:
        of_run = keys.feedback_on_run(tenant, RunId(wanted.run), FeedbackId(""))
        return Query(keys.FEEDBACK, of_run.partition, prefix=of_run.sort)
    first = keys.feedback_since(wanted.first) if wanted.first else "0"
    last = keys.feedback_since(wanted.last) if wanted.last else "~"
    partition = keys.feedback_of(tenant, wanted.status)
    index = IndexName.GSI1 if wanted.status is None else IndexName.GSI2
    return Query(keys.FEEDBACK, partition, index, first=first, last=last, descending=True)


def _item(tenant: Tenant, one: Feedback, expires_at: int | None) -> Item:
    listed = f"{keys.feedback_since(one.created_at)}#{one.feedback_id}"
    return Item(
        keys.feedback(tenant, one.feedback_id),
        _feedback.dump(one),
        version=one.version,
        expires_at=expires_at,
        gsi1=(keys.feedback_of(tenant, None), listed),
        gsi2=(keys.feedback_of(tenant, one.triage.status), listed),
    )


def _revision(tenant: Tenant, wanted: FeedbackId, said: Revision, expires_at: int | None) -> Item:
    return Item(keys.feedback_revision(tenant, wanted, said.number), _revisions.dump(said), expires_at=expires_at)


def _without_texts(revision: Revision) -> Revision:
    return replace(revision, opinion=revision.opinion and revision.opinion.without_texts())


def _writes(item: Item | None) -> int:
    return item.version if item else 0


def _one_more(key: Key, item: Item | None, ends: datetime) -> Put:
    counted = Item(key, {}, version=_writes(item) + 1, expires_at=int(ends.timestamp()))
    return Put(counted, if_version=item.version) if item else Put(counted, if_absent=True)
