"""All endpoints, in the order in which they are documented and matched."""

from importlib.resources import files as resources
from typing import Any, Final

from pydantic import ConfigDict, RootModel
from starlette.responses import HTMLResponse, JSONResponse, Response

from gateway.http import (
    avatars,
    capacity,
    jobs,
    loading,
    models,
    overview,
    probes,
    recordings,
    session_tokens,
    sessions,
    speech_token,
)
from gateway.http.docs import page
from gateway.http.endpoint import Access, Call, Endpoint
from gateway.http.openapi import document


class OpenApi(RootModel[dict[str, Any]]):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(title="OpenApi")


async def _openapi(call: Call) -> Response:
    return JSONResponse(document(ENDPOINTS, call.gateway.version))


async def _docs(call: Call) -> Response:
    return HTMLResponse(page(document(ENDPOINTS, call.gateway.version)))


async def _docs_style(_: Call) -> Response:
    return Response((resources("gateway.http") / "docs.css").read_bytes(), media_type="text/css")


ENDPOINTS: Final = (
    *avatars.ENDPOINTS,
    # Before `models`, whose `{name}` would take `load` and `status` for names.
    *loading.ENDPOINTS,
    *models.ENDPOINTS,
    *sessions.ENDPOINTS,
    *recordings.ENDPOINTS,
    *jobs.ENDPOINTS,
    *session_tokens.ENDPOINTS,
    *speech_token.ENDPOINTS,
    *capacity.ENDPOINTS,
    *overview.ENDPOINTS,
    *probes.ENDPOINTS,
    Endpoint("/openapi.json", _openapi, "This document.", OpenApi, access=Access.PUBLIC),
    Endpoint("/docs", _docs, "This document, to read.", "text/html", access=Access.PUBLIC),
    Endpoint("/docs.css", _docs_style, "The style of `/docs`.", "text/css", access=Access.PUBLIC),
)
