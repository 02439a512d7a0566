"""The public REST API as Python calls: contracts in, contracts out, problems raised as the errors they were."""

from __future__ import annotations

from chalicelib.client.administration import Administration
from chalicelib.client.asking import Asking
from chalicelib.client.configuration import Configuration
from chalicelib.client.feedback import Feedback
from chalicelib.client.knowledge import Knowledge


class Client(Knowledge, Asking, Feedback, Configuration, Administration):
    """
    A client of one platform in the name of one API key (or user token). Safe from any thread; `close` it in the end.

    Every call raises what the platform raised (`chalicelib.errors`), `Unavailable` when it cannot be reached and
    `DeadlineExceeded` after *timeout_s*. Reading, and creating (which always carries an idempotency key), is repeated
    when the platform asks to wait; see `retrying.send`.
    """
