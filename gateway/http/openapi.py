"""The OpenAPI document, made from the table of endpoints."""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.http.endpoint import Access, Endpoint
from gateway.http.errors import ErrorAnswer

_PARAMETER: Final = re.compile(r"{(\w+)(?::(\w+))?}")
_TYPES: Final = {"int": "integer", "": "string"}
_ABOUT: Final = {
    "name": "name of an avatar",
    "index": "number of the template frame, from 0",
    "id": "id of a session, as `started` tells it",
    "job": "id of a background job, as its submission tells it",
}
_DESCRIPTION: Final = """\
Speech in, lip-synced video out. Sessions run over the WebSocket at `/ws` (protocol `lipstream.v1`).

Where the gateway has keys, send `Authorization: Bearer <API key or session token>`."""


def document(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the endpoints."""
    table = list(endpoints)
    schemas, definitions = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in table:
        operations = paths.setdefault(_PARAMETER.sub(r"{\1}", endpoint.path), {})
        for method in endpoint.methods:
            operations[method.lower()] = _operation(endpoint, method, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lipstream", "version": version, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(table: list[Endpoint]) -> tuple[dict[type[BaseModel], Any], dict[str, Any]]:
    """A reference for each model of the table, and the definitions that they point to."""
    models: dict[type[BaseModel], None] = {ErrorAnswer: None}
    for endpoint in table:
        for model in (endpoint.body, endpoint.response):
            if isinstance(model, type):
                models[model] = None
    template = "#/components/schemas/{model}"
    found, definitions = models_json_schema([(model, "serialization") for model in models], ref_template=template)
    return {model: found[model, "serialization"] for model in models}, definitions.get("$defs", {})


def _operation(endpoint: Endpoint, method: str, schemas: dict[type[BaseModel], Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name(method, endpoint.path),
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint.query)],
        "responses": {
            "200": {"description": "OK", "content": _content(endpoint.response, schemas)},
            "default": {"description": "An error", "content": _content(ErrorAnswer, schemas)},
        },
        "x-access": endpoint.access.value,
        "security": [] if endpoint.access is Access.PUBLIC else [{"bearer": []}],
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"content": _content(endpoint.body, schemas)}
    return operation


def _name(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"\w+", _PARAMETER.sub(r"\1", path))])


def _content(kind: type[BaseModel] | str, schemas: dict[type[BaseModel], Any]) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {}}
    return {"application/json": {"schema": schemas[kind]}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": _ABOUT[name], "schema": {"type": _TYPES[kind]}}
        for name, kind in _PARAMETER.findall(path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": part.get("description", ""),
            "schema": {key: value for key, value in part.items() if key not in ("title", "description")},
        }
        for name, part in schema["properties"].items()
    ]
