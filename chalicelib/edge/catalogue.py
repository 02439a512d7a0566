"""Every resource of the API."""

from __future__ import annotations

from chalicelib.edge.aliases import aliases
from chalicelib.edge.api_keys import api_keys
from chalicelib.edge.asking import asking
from chalicelib.edge.audit import audit
from chalicelib.edge.budgets import budgets
from chalicelib.edge.chat_completions import chat
from chalicelib.edge.components import components
from chalicelib.edge.documents import documents
from chalicelib.edge.feedback import feedback
from chalicelib.edge.health import health
from chalicelib.edge.indexes import indexes
from chalicelib.edge.ingestions import ingestions
from chalicelib.edge.jobs import jobs
from chalicelib.edge.me import me
from chalicelib.edge.openapi_document import describing
from chalicelib.edge.prompts import prompts
from chalicelib.edge.releases import releases
from chalicelib.edge.routes import routes
from chalicelib.edge.runs import runs
from chalicelib.edge.schedules import schedules
from chalicelib.edge.tenants import tenants
from chalicelib.edge.uploads import uploads
from chalicelib.edge.usage import usage

RESOURCES = describing(
    [
        indexes,
        documents,
        uploads,
        ingestions,
        schedules,
        jobs,
        asking,
        chat,
        runs,
        feedback,
        prompts,
        releases,
        aliases,
        routes,
        budgets,
        usage,
        audit,
        components,
        me,
        api_keys,
        tenants,
        health,
    ]
)
