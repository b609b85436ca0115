"""The API describes itself: every operation, with types, problems and an example that is right."""

import re
from typing import Any

import msgspec

from gateway import ingest, ops
from tests.gateway.conftest import Http

ALL = [*ingest.OPERATIONS, *ops.OPERATIONS]


async def test_every_operation_is_described_with_its_types(http: Http) -> None:
    status, document = await http.call("GET", "/openapi.json", key="")
    assert (status, document["openapi"]) == (200, "3.1.0")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(op.method, op.path) for op in ALL}
    ids = [item["operationId"] for path in document["paths"].values() for item in path.values()]
    assert len(ids) == len(set(ids))


async def test_every_reference_leads_somewhere(http: Http) -> None:
    document = (await http.call("GET", "/openapi.json", key=""))[1]
    references = set(re.findall(r"#/components/schemas/([^\"']+)", str(document)))
    assert references <= set(document["components"]["schemas"])


def test_every_operation_has_words_and_every_body_an_example_that_fits() -> None:
    for op in ALL:
        assert op.handler.__doc__, op.path
        if op.body is not None:
            assert op.example is not None, f"{op.method} {op.path} has no example"
            if op.body is not dict[str, Any] and op.content_types[0] == "application/json":
                example = op.example | {"id": "x"} if op.path == "/v1/offers/{offer_id}" else op.example
                msgspec.convert(example, op.body)


async def test_every_operation_can_be_tried_as_it_stands(http: Http) -> None:
    """Whoever has a key can copy each command: its path is filled in, and its body is an example."""
    async with http.request("GET", "/docs", key="") as answer:
        page = await answer.text()
    commands = re.findall(r"<pre>curl -X (\w+) &#x27;http://[^/]+(/[^&]*)&#x27;", page)
    assert len(commands) == len(ALL)
    assert not [path for _, path in commands if "{" in path]
    document = (await http.call("GET", "/openapi.json", key=""))[1]
    for path, item in document["paths"].items():
        for described in item.values():
            examples = [p["example"] for p in described["parameters"] if p["in"] == "path"]
            assert len(examples) == path.count("{")
            body = described.get("requestBody", {}).get("content", {})
            assert all("example" in content for kind, content in body.items() if "json" in kind)


async def test_every_answer_of_an_operation_is_described(http: Http) -> None:
    """A permission brings 401 and 403, a body 422, a condition 412: no answer hides behind a default."""
    paths = (await http.call("GET", "/openapi.json", key=""))[1]["paths"]
    assert set(paths["/v1/offers/{offer_id}"]["put"]["responses"]) == {
        "200", "400", "401", "403", "412", "413", "415", "422", "503",
    }  # fmt: skip
    assert set(paths["/v1/offers/{offer_id}"]["get"]["responses"]) == {"200", "304", "400", "401", "403", "404", "503"}
    assert set(paths["/readyz"]["get"]["responses"]) == {"200", "503"}


async def test_people_can_read_it_too(http: Http) -> None:
    async with http.request("GET", "/docs", key="") as answer:
        page = await answer.text()
    assert answer.status == 200
    assert all(op.path.replace("<", "") in page for op in ALL)
