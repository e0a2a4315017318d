"""The OpenAPI document as a page for people: plain HTML, no script."""

from html import escape
from typing import Any

_ACCESS = {"public": "open", "session": "key or session token", "admin": "API key"}


def page(document: dict[str, Any]) -> str:
    """The page; its style is `docs.css` beside it."""
    info, schemas = document["info"], document["components"]["schemas"]
    operations = [
        _operation(method.upper(), path, operation, schemas)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    about = "".join(f"<p>{_prose(part)}</p>" for part in info["description"].split("\n\n"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} HTTP</title>"
        '<link rel="icon" href="icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="docs.css"></head><body><main>'
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>{about}"
        '<p><a href="openapi.json">openapi.json</a></p>'
        f"{''.join(operations)}</main></body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parameters = [
        (f"{p['name']} ({p['in']})", p["schema"].get("type", ""), p["description"]) for p in operation["parameters"]
    ]
    body = operation.get("requestBody", {}).get("content", {})
    sections = (
        _table("Parameters", parameters),
        _table("Body", _fields(body, schemas)),
        _table(f"Answer: {', '.join(_content(operation))}", _fields(_content(operation), schemas)),
    )
    return (
        f'<section id="{escape(operation["operationId"])}"><h2><b>{method}</b> <code>{escape(path)}</code></h2>'
        f"<p>{_prose(operation['summary'])} <em>{_ACCESS[operation['x-access']]}</em></p>{''.join(sections)}</section>"
    )


def _content(operation: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = operation["responses"]["200"]["content"]
    return content


def _fields(content: dict[str, Any], schemas: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of name, type and meaning of a JSON object's fields, nested ones with their path."""
    schema = content.get("application/json", {}).get("schema")
    return [] if schema is None else list(_walk("", schema, schemas))


def _walk(prefix: str, schema: dict[str, Any], schemas: dict[str, Any]) -> list[tuple[str, str, str]]:
    schema = _resolved(schema, schemas)
    if schema.get("type") == "array":
        return _walk(f"{prefix}[]", schema.get("items", {}), schemas)
    rows = []
    for name, part in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        rows.append((path, _type(part, schemas), part.get("description", "")))
        rows += _walk(path, part, schemas)
    return rows


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = schemas[schema["$ref"].rsplit("/", 1)[1]]
    return found


def _type(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        return " or ".join(_type(part, schemas) for part in schema["anyOf"])
    return str(schema.get("const", schema.get("type", "any")))


def _table(title: str, rows: list[tuple[str, str, str]]) -> str:
    lines = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{_prose(about)}</td></tr>"
        for name, kind, about in rows
    )
    if not rows and not title.startswith("Answer"):
        return ""
    return f"<h3>{escape(title)}</h3>" + (f"<table>{lines}</table>" if lines else "")


def _prose(text: str) -> str:
    """Text with `code` in it."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
