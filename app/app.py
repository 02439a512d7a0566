"""The Lambda's entry: the Chalice app, and its authorizer under the name that Chalice's packager gives the handler."""

from chalicelib.edge.application import create_app
from chalicelib.edge.assembly import edge_from_environment
from chalicelib.edge.auth import AUTHORIZER

app = create_app(edge_from_environment())
authorize = app.handler_map[AUTHORIZER]
