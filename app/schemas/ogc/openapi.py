"""The OpenAPI 3.0 document of what is under `/ogc`, made from the collections themselves."""

from collections.abc import Sequence

from app.schemas.ogc.documents import (
    DESCRIPTION,
    GEOJSON,
    HTML,
    JSON,
    OPENAPI,
    TITLE,
    Addresses,
)
from app.schemas.ogc.openapi_parts import Part, of, parameters, problem, schemas
from app.services.features.collection import Collection, Property


def document(addresses: Addresses, collections: Sequence[Collection]) -> Part:
    """All of it."""
    paths: Part = {
        "/": _get("landing", "首页", "总览", JSON, of("Landing")),
        "/conformance": _get("conformance", "所符合的标准", "总览", JSON, of("Conformance")),
        "/api": _get("api", "本文件", "总览", OPENAPI, {"type": "object"}),
        "/collections": _get(
            "collections", "图层清单", "总览", JSON, of("Collections"), asks_who=True
        ),
    }
    for each in collections:
        paths |= _paths(each)
    return {
        "openapi": "3.0.3",
        "info": {"title": TITLE, "description": DESCRIPTION, "version": "1.0"},
        "servers": [{"url": addresses.root}],
        "tags": [
            {"name": "总览"},
            *({"name": each.id, "description": each.title} for each in collections),
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "程序密钥 xk_…"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "密码填程序密钥，用户名任意。",
                },
                "dashboard": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "xunhe_web",
                    "description": "管理员在看板登录以后。",
                },
            },
            "parameters": parameters(),
            "responses": {"Problem": problem()},
            "schemas": schemas(collections),
        },
    }


def _get(
    id_: str,
    title: str,
    tag: str,
    type_: str,
    schema: Part,
    *,
    parameters: Sequence[Part] = (),
    missing: bool = False,
    asks_who: bool = False,
    guarded: bool = False,
) -> Part:
    """A path that is read; `missing`: it may be about nothing, `asks_who`: credentials are read."""
    refusals = ["400", "429", "500", "503"]
    refusals += ["404"] * missing + ["401"] * asks_who + ["403"] * guarded
    ways: list[Part] = [{"key": []}, {"basic": []}, {"dashboard": []}]
    operation: Part = {
        "operationId": id_,
        "summary": title,
        "tags": [tag],
        "parameters": [{"$ref": "#/components/parameters/f"}, *parameters],
        "responses": {
            "200": {
                "description": title,
                "content": {type_: {"schema": schema}, HTML: {"schema": {"type": "string"}}},
            },
            **{each: {"$ref": "#/components/responses/Problem"} for each in sorted(refusals)},
        },
    }
    if asks_who:
        operation["security"] = ways if guarded else [{}, *ways]
    return {"get": operation}


def _paths(each: Collection) -> Part:
    def get(id_: str, title: str, type_: str, schema: Part, *parameters: Part) -> Part:
        return _get(
            f"{id_}_{each.id}",
            title,
            each.id,
            type_,
            schema,
            parameters=parameters,
            missing=id_ == "feature",
            asks_who=True,
            guarded=each.guarded,
        )

    path = f"/collections/{each.id}"
    common = [
        {"$ref": f"#/components/parameters/{name}"}
        for name in ("bbox", "datetime", "limit", "cursor")
    ]
    filters = [_filter(each.property_of(name)) for name in each.filters]
    return {
        path: get("collection", f"图层：{each.title}", JSON, of("Collection")),
        f"{path}/items": get(
            "items", each.title, GEOJSON, of(f"{each.id}_collection"), *common, *filters
        ),
        f"{path}/items/{{featureId}}": get(
            "feature",
            f"一项{each.title}",
            GEOJSON,
            of(f"{each.id}_feature"),
            {"$ref": "#/components/parameters/featureId"},
        ),
    }


def _filter(each: Property) -> Part:
    schema: Part = {"type": "string"}
    if each.choices:
        schema["enum"] = list(each.choices)
    return {
        "name": each.name,
        "in": "query",
        "description": each.title,
        "required": False,
        "schema": schema,
        "style": "form",
        "explode": False,
    }
