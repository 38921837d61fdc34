"""The reference as one page of HTML, made of the OpenAPI document: no script, nothing from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

from depthcast.api.documents import Document

__all__ = ["reference_page"]

Json = dict[str, Any]

_CODE: Final = re.compile(r"`([^`]+)`")
_OK: Final = 400


def reference_page(document: Json) -> Document:
    """The page of an OpenAPI document, with a policy that allows its one style sheet and nothing else."""
    style = (files("depthcast.api") / "reference.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    page = "".join(_page(document, style))
    return Document.of(page.encode(), "text/html; charset=utf-8", policy=policy)


def _page(document: Json, style: str) -> Iterator[str]:
    info = document["info"]
    groups = {tag["name"]: _operations(document, tag["name"]) for tag in document["tags"]}
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(info['title'])} API reference</title><style>{style}</style></head><body>"
    yield '<a class="skip" href="#content">To the content</a><div class="page">'
    yield '<nav aria-label="Operations">'
    for group, operations in groups.items():
        yield f"<h2>{escape(group)}</h2><ul>"
        for _, operation in operations:
            yield f'<li><a href="#{operation["operationId"]}">{escape(operation["summary"])}</a></li>'
        yield "</ul>"
    yield '<h2>Types</h2><ul><li><a href="#types">Types of the answers</a></li></ul></nav>'
    yield f'<main id="content"><h1>{escape(info["title"])} API</h1>'
    yield f'<p class="lead">{escape(info["summary"])}</p>{_paragraphs(info["description"])}'
    yield f'<p class="soft">Version {escape(info["version"])}. As a document for programs: '
    yield '<a href="/v1/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>{_paragraphs(tag['description'])}"
        for path, operation in groups[tag["name"]]:
            yield from _operation(document, path, operation)
    yield '<h2 id="types">Types</h2>'
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _type(name, schema)
    yield "</main></div></body></html>\n"


def _operations(document: Json, tag: str) -> list[tuple[str, Json]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if tag in operation["tags"]
    ]


def _operation(document: Json, place: str, operation: Json) -> Iterator[str]:
    method, _, path = place.partition(" ")
    parameters = [_resolved(document, each) for each in operation["parameters"]]
    yield f'<section aria-labelledby="{operation["operationId"]}">'
    yield f'<h3 id="{operation["operationId"]}">{escape(operation["summary"])}</h3>'
    yield f'<p class="path"><b>{method}</b><code>{escape(path)}</code></p>'
    yield _paragraphs(operation["description"])
    if not operation["security"]:
        yield '<p class="soft">Needs no key.</p>'
    if parameters:
        yield '<h4>Parameters</h4><div class="scroll"><table><thead><tr><th scope="col">Name</th>'
        yield '<th scope="col">In</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>'
        for each in parameters:
            yield f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
            yield f"<td>{_schema_text(each['schema'])}</td><td>{_inline(each['description'])}</td></tr>"
        yield "</table></div>"
    yield f'<h4>Request</h4><pre class="alone"><code>{escape(_curl(method, path, parameters))}</code></pre>'
    yield "<h4>Answers</h4>"
    for status, answer in operation["responses"].items():
        if status != "default":
            yield from _answer(status, answer)
    yield "</section>"


def _answer(status: str, answer: Json) -> Iterator[str]:
    examples = [
        (media_type, example)
        for media_type, content in answer.get("content", {}).items()
        for example in content.get("examples", {}).values()
    ]
    kind = "ok" if int(status) < _OK else "no"
    if not examples:
        yield f'<p><b class="{kind}">{status}</b> {_inline(answer["description"])}</p>'
    for media_type, example in examples:
        value = example["value"]
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        title = _type_name(answer, media_type) or example["summary"]
        yield f'<details><summary><b class="{kind}">{status}</b>{title}</summary>'
        yield f"<pre><code>{escape(text)}</code></pre></details>"


def _type_name(answer: Json, media_type: str) -> str:
    """A link to the answer's type; problems are named by their example instead."""
    reference = str(answer["content"][media_type]["schema"].get("$ref", ""))
    name = reference.rpartition("/")[2]
    return f'<a href="#type-{name}">{name}</a>' if name and name != "Problem" else ""


def _type(name: str, schema: Json) -> Iterator[str]:
    yield f'<section aria-labelledby="type-{name}"><h3 id="type-{name}">{name}</h3>'
    yield f'{_paragraphs(schema.get("description", ""))}<div class="scroll"><table><thead><tr>'
    yield '<th scope="col">Member</th><th scope="col">Type</th></tr></thead>'
    required = schema.get("required", [])
    for member, described in schema.get("properties", {}).items():
        optional = "" if member in required else ' <span class="soft">(may be absent)</span>'
        yield f"<tr><td><code>{escape(member)}</code></td><td>{_schema_text(described)}{optional}</td></tr>"
    yield "</table></div></section>"


def _schema_text(schema: Json) -> str:
    """A schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_schema_text(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"]) + _default(schema)
    kind = schema.get("type", "anything")
    if kind == "array" and "prefixItems" in schema:
        return "list of " + ", ".join(_schema_text(each) for each in schema["prefixItems"])
    if kind == "array":
        return f"list of {_schema_text(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_schema_text(schema['additionalProperties'])}"
    text = escape(kind)
    if "minimum" in schema and "maximum" in schema:
        text += f" from {schema['minimum']} to {schema['maximum']}"
    return text + _default(schema)


def _default(schema: Json) -> str:
    return f", default <code>{escape(str(schema['default']).lower())}</code>" if "default" in schema else ""


def _curl(method: str, path: str, parameters: list[Json]) -> str:
    """The request as a command that can be tried."""
    query = {}
    for each in parameters:
        if each["in"] == "path":
            example = each.get("example", each["schema"].get("enum", ["starting"])[-1])
            path = path.replace(f"{{{each['name']}}}", str(example))
        elif each["in"] == "query" and "example" in each:
            query[each["name"]] = each["example"]
    how = "" if method == "GET" else f"-X {method} "
    if method == "POST":
        how = '-H "Idempotency-Key: $(uuidgen)" --json @request.json '
    asked = f"{path}?{urlencode(query)}" if query else path
    return f'curl {how}"$DEPTHCAST{asked}"'


def _resolved(document: Json, parameter: Json) -> Json:
    reference = parameter.get("$ref")
    if reference is None:
        return parameter
    found: Json = document["components"]["parameters"][reference.rpartition("/")[2]]
    return found


def _paragraphs(text: str) -> str:
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "".join(f"<p>{_inline(part)}</p>" for part in parts if part)


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
