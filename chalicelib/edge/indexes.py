"""Indexes: the named knowledge bases of a tenant."""

from __future__ import annotations

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.documents import JobAccepted, Redriven
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.queries import NoQuery, PageQuery
from chalicelib.contracts.rendering import index_view
from chalicelib.domain.access import Permission, may_use_index
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict, NotFound

indexes = Resource("indexes", "Named knowledge bases, and the recipes they are built with")


@indexes.post(
    "/indexes",
    permission=Permission.INDEXES_WRITE,
    body=IndexCreate,
    returns=IndexView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Make an empty index",
)
def create_index(call: Call[IndexCreate]) -> IndexView:
    """A recipe that is left out takes its defaults. Fails with 409 if an index of that name exists."""
    return call.edge.wait(call.edge.ingestor.create_index(call.principal, call.input))


@indexes.get(
    "/indexes", permission=Permission.ASK, query=PageQuery, returns=ListOf[IndexView], summary="List the indexes"
)
def list_indexes(call: Call[PageQuery]) -> ListOf[IndexView]:
    """Those within the caller's reach, by name."""
    found, cursor = call.edge.indexes.list(call.principal.tenant, limit=call.input.limit, cursor=call.input.cursor)
    reached = [index_view(index) for index in found if may_use_index(call.principal, index.name)]
    return ListOf[IndexView](items=reached, next_cursor=cursor)


@indexes.get("/indexes/{index}", permission=Permission.ASK, query=NoQuery, returns=IndexView, summary="Read an index")
def get_index(call: Call[NoQuery]) -> IndexView:
    """The path holds the index's name."""
    return index_view(call.edge.indexes.permitted(call.principal, call.path["index"]))


@indexes.delete(
    "/indexes/{index}",
    permission=Permission.INDEXES_WRITE,
    returns=JobAccepted,
    status=202,
    summary="Delete an index with all its documents",
)
def delete_index(call: Call[NoQuery]) -> JobAccepted:
    """No question is answered from it any more at once; the job removes what was stored."""
    return call.edge.wait(call.edge.ingestor.delete_index(call.principal, call.path["index"]))


@indexes.act(
    "/indexes/{index}/sweep",
    permission=Permission.DOCUMENTS_WRITE,
    returns=JobAccepted,
    summary="Sweep an index for what nobody owns",
)
def sweep_index(call: Call[NoQuery]) -> JobAccepted:
    """
    Looks through documents, vectors and blobs for what no document accounts for, and removes it; the job's result says
    how much that was. Every index is swept once a day without being asked for.
    """
    return call.edge.wait(call.edge.ingestor.sweep(call.principal, call.path["index"]))


@indexes.act(
    "/indexes/{index}/redrive",
    permission=Permission.DOCUMENTS_WRITE,
    returns=Redriven,
    summary="Queue again what was given up",
)
def redrive_index(call: Call[NoQuery]) -> Redriven:
    """Every job on the index that failed with the code `internal`, once its cause is mended."""
    return call.edge.wait(call.edge.ingestor.redrive(call.principal, call.path["index"]))
