"""
How an operation of the API is declared: data beside the function that does it.

Every operation names the permission it needs; the only other way is to declare it open to everybody, in so many words.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.access import Permission, Principal
from chalicelib.domain.feedback import FeedbackScope
from chalicelib.edge.dependencies import Edge
from chalicelib.errors import Conflict, RagError
from chalicelib.repositories.audit import Note

InputT = TypeVar("InputT", bound=BaseModel)
ResultT = TypeVar("ResultT", bound=BaseModel)


class Method(StrEnum):
    """The HTTP methods in use."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


_WITH_BODY = frozenset({Method.POST, Method.PUT, Method.PATCH})

MAX_BODY_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Visit(Generic[InputT]):
    """A request by anybody: *input* is its validated body (if it takes one) or query; *path* holds well-formed ids."""

    edge: Edge
    input: InputT
    path: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PageCall(Visit[InputT]):
    """A request of a page of any origin, by somebody whose feedback token opens *scope* and nothing else."""

    scope: FeedbackScope


@dataclass(frozen=True, slots=True)
class Call(Visit[InputT]):
    """
    A request by somebody who was authenticated and has the operation's permission; *if_match* is the revision that the
    request is for, None for any.
    """

    principal: Principal
    if_match: int | None = None

    def note(self, action: str, resource: str) -> Note:
        """Give what tells the audit log of a change; see `AuditEvent`."""
        return self.edge.audit.note(self.principal, action, resource)

    def check_version(self, of: str, current: int) -> None:
        """Raise `Conflict` where the request is for another version than the *current* one of what *of* names."""
        if self.if_match not in {None, current}:
            raise Conflict(f"{of} has version {current} by now; read it again.")


@dataclass(frozen=True, slots=True)
class Repeat(Generic[InputT, ResultT]):
    """
    How a request is answered that is sent again under the same `Idempotency-Key`.

    *keep* gives what is remembered of the first answer; *again* makes the answer of it, or raises.
    """

    keep: Callable[[ResultT], Mapping[str, Any]]
    again: Callable[[Call[InputT], Mapping[str, Any]], ResultT | Mapping[str, Any]]


SAME_ANSWER: Repeat[Any, Any] = Repeat(
    keep=lambda result: result.model_dump(mode="json"), again=lambda _call, kept: kept
)
"""Remember the answer itself; for answers that hold neither a secret nor a document's text."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; *permission* None means that it is open to everybody, or *for_pages*."""

    name: str
    tag: str
    method: Method
    path: str
    permission: Permission | None
    input: type[BaseModel]
    returns: type[BaseModel]
    status: int
    summary: str
    description: str
    view: Callable[[Any], BaseModel]
    repeat: Repeat[Any, Any] | None = None
    raises: Sequence[type[RagError]] = ()
    events: Sequence[type[BaseModel]] = ()
    revision: Callable[[Any], int] | None = None
    """Gives the revision of what is answered, which becomes its `ETag`."""
    for_pages: bool = False
    """Whether pages of other origins call it, for which a feedback token stands in place of a credential."""
    max_body_bytes: int = MAX_BODY_BYTES
    one_revision: bool = False
    """Whether it takes something away that the caller can name the revision of."""

    @property
    def takes_body(self) -> bool:
        """Say whether *input* is the body; otherwise it is the query."""
        return self.method in _WITH_BODY and self.input is not NoQuery

    @property
    def streams_on_request(self) -> bool:
        """Say whether the field `stream` of the body decides between an answer and its *events*."""
        return bool(self.events) and "stream" in self.input.model_fields

    @property
    def takes_if_match(self) -> bool:
        """Say whether it changes something that has revisions."""
        return self.one_revision or (self.method is Method.PATCH and self.revision is not None)

    @property
    def path_parameters(self) -> list[str]:
        """Give the names between braces in the path."""
        return re.findall(r"{(\w+)}", self.path)


@dataclass(frozen=True, slots=True)
class Resource:
    """A group of operations, declared in one module; *title* is its heading in the API's documentation."""

    tag: str
    title: str
    operations: list[Operation] = field(default_factory=list)

    def get(
        self,
        path: str,
        *,
        permission: Permission,
        query: type[InputT],
        returns: type[ResultT],
        summary: str,
        revision: Callable[[ResultT], int] | None = None,
    ) -> Callable[[Callable[[Call[InputT]], ResultT]], Callable[[Call[InputT]], ResultT]]:
        """Declare an operation that only reads."""
        return self._declare(Method.GET, path, _checked(permission), query, returns, summary, revision=revision)

    def delete(
        self,
        path: str,
        *,
        permission: Permission,
        returns: type[ResultT],
        summary: str,
        status: int = 200,
        one_revision: bool = False,
    ) -> Callable[[Callable[[Call[NoQuery]], ResultT]], Callable[[Call[NoQuery]], ResultT]]:
        """
        Declare an operation that takes something away; doing it again changes nothing more.

        With *one_revision*, only if it still has the revision the caller names.
        """
        more: dict[str, Any] = {"status": status, "one_revision": one_revision}
        return self._declare(Method.DELETE, path, _checked(permission), NoQuery, returns, summary, **more)

    def post(
        self,
        path: str,
        *,
        permission: Permission,
        body: type[InputT],
        returns: type[ResultT],
        summary: str,
        status: int = 200,
        repeat: Repeat[InputT, ResultT] | None = None,
        raises: Sequence[type[RagError]] = (),
        events: Sequence[type[BaseModel]] = (),
    ) -> Callable[[Callable[[Call[InputT]], ResultT]], Callable[[Call[InputT]], ResultT]]:
        """
        Declare an operation with a body. One that creates says how a *repeat* is answered.

        *raises* are the errors beside those that every such operation may answer; *events* those of a stream.
        """
        more: dict[str, Any] = {"status": status, "repeat": repeat, "raises": raises, "events": events}
        return self._declare(Method.POST, path, _checked(permission), body, returns, summary, **more)

    def patch(
        self,
        path: str,
        *,
        permission: Permission,
        body: type[InputT],
        returns: type[ResultT],
        summary: str,
        revision: Callable[[ResultT], int],
        status: int = 200,
    ) -> Callable[[Callable[[Call[InputT]], ResultT]], Callable[[Call[InputT]], ResultT]]:
        """Declare an operation that changes what is there, if it still has the revision the caller names."""
        more: dict[str, Any] = {"status": status, "revision": revision}
        return self._declare(Method.PATCH, path, _checked(permission), body, returns, summary, **more)

    def act(
        self, path: str, *, permission: Permission, returns: type[ResultT], summary: str, status: int = 202
    ) -> Callable[[Callable[[Call[NoQuery]], ResultT]], Callable[[Call[NoQuery]], ResultT]]:
        """Declare an operation that lets something happen to what the path names, and takes no body."""
        return self._declare(Method.POST, path, _checked(permission), NoQuery, returns, summary, status=status)

    def for_pages(
        self,
        method: Method,
        path: str,
        *,
        takes: type[InputT],
        returns: type[ResultT],
        summary: str,
        max_body_bytes: int,
        raises: Sequence[type[RagError]] = (),
    ) -> Callable[[Callable[[PageCall[InputT]], ResultT]], Callable[[PageCall[InputT]], ResultT]]:
        """Declare an operation that a feedback token opens, from the pages that the token is for."""
        more: dict[str, Any] = {"for_pages": True, "max_body_bytes": max_body_bytes, "raises": raises}
        return self._declare(method, path, None, takes, returns, summary, **more)

    def open_to_everybody(
        self, path: str, *, returns: type[ResultT], summary: str
    ) -> Callable[[Callable[[Visit[NoQuery]], ResultT]], Callable[[Visit[NoQuery]], ResultT]]:
        """Declare an operation that needs no credential."""
        return self._declare(Method.GET, path, None, NoQuery, returns, summary)

    def _declare(
        self,
        method: Method,
        path: str,
        permission: Permission | None,
        sent: type[BaseModel],
        returns: type[BaseModel],
        summary: str,
        **more: Any,
    ) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        def register(view: Callable[[Any], Any]) -> Callable[[Any], Any]:
            self.operations.append(
                Operation(
                    name=view.__name__,
                    tag=self.tag,
                    method=method,
                    path=path,
                    permission=permission,
                    input=sent,
                    returns=returns,
                    summary=summary,
                    description=inspect.cleandoc(view.__doc__ or ""),
                    view=view,
                    **{"status": 200, **more},
                )
            )
            return view

        return register


def _checked(permission: Permission) -> Permission:
    """Give *permission*; a declaration without one must fail when its module is imported, not when it is called."""
    if not isinstance(permission, Permission):
        raise TypeError(f"an operation needs a Permission, not {permission!r}")
    return permission
