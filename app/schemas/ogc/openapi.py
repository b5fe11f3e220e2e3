"""The OpenAPI 3.0 document of what is under `/ogc`, made from the collections themselves."""

from collections.abc import Sequence
from typing import Any

from app.schemas.ogc.documents import (
    DESCRIPTION,
    GEOJSON,
    HTML,
    JSON,
    OPENAPI,
    TITLE,
    Addresses,
    Format,
)
from app.schemas.ogc.queries import LIMIT, MOST
from app.services.features.collection import Collection, Kind, Property

Part = dict[str, Any]

_KINDS: dict[Kind, Part] = {
    Kind.text: {"type": "string"},
    Kind.number: {"type": "number"},
    Kind.flag: {"type": "boolean"},
    Kind.day: {"type": "string", "format": "date"},
    Kind.instant: {"type": "string", "format": "date-time"},
}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_DEPTH = {
    "Point": 0,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


def document(addresses: Addresses, collections: Sequence[Collection]) -> Part:
    """All of it."""
    paths: Part = {
        "/": _get("landing", "首页", "总览", JSON, _of("Landing")),
        "/conformance": _get("conformance", "所符合的标准", "总览", JSON, _of("Conformance")),
        "/api": _get("api", "本文件", "总览", OPENAPI, {"type": "object"}),
        "/collections": _get(
            "collections", "图层清单", "总览", JSON, _of("Collections"), asks_who=True
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
            "parameters": _parameters(),
            "responses": {"Problem": _problem()},
            "schemas": _schemas(collections),
        },
    }


def _of(schema: str) -> Part:
    return {"$ref": f"#/components/schemas/{schema}"}


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
        path: get("collection", f"图层：{each.title}", JSON, _of("Collection")),
        f"{path}/items": get(
            "items", each.title, GEOJSON, _of(f"{each.id}_collection"), *common, *filters
        ),
        f"{path}/items/{{featureId}}": get(
            "feature",
            f"一项{each.title}",
            GEOJSON,
            _of(f"{each.id}_feature"),
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


def _parameters() -> Part:
    def query(name: str, title: str, schema: Part) -> Part:
        return {
            "name": name,
            "in": "query",
            "description": title,
            "required": False,
            "schema": schema,
            "style": "form",
            "explode": False,
        }

    return {
        "f": query(
            "f",
            "格式；不写时按请求头 Accept",
            {"type": "string", "enum": [each.value for each in Format]},
        ),
        "bbox": query(
            "bbox",
            "范围：西,南,东,北（WGS-84 经纬度）；西大于东表示跨 180° 经线",
            {
                "type": "array",
                "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
                "items": {"type": "number"},
            },
        ),
        "datetime": query(
            "datetime",
            "时间或时间段（RFC 3339，带时区），一端可写 ..；没有时间的图层不受影响",
            {"type": "string"},
        ),
        "limit": query(
            "limit",
            f"每页最多多少项，超过 {MOST} 按 {MOST}",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
        ),
        "cursor": query("cursor", "翻页标记，来自上一页的 next 链接", {"type": "string"}),
        "featureId": {
            "name": "featureId",
            "in": "path",
            "description": "编码或编号",
            "required": True,
            "schema": {"type": "string"},
        },
    }


def _problem() -> Part:
    return {
        "description": "没有成功；code 说明原因",
        "content": {"application/problem+json": {"schema": _of("Problem")}},
    }


def _schemas(collections: Sequence[Collection]) -> Part:
    schemas = _common()
    for each in collections:
        schemas[f"{each.id}_feature"] = _object(
            {
                "type": {"type": "string", "enum": ["Feature"]},
                "id": {"type": "string"},
                "geometry": _geometry(each.geometry_types),
                "properties": {
                    "type": "object",
                    "properties": {one.name: _value(one) for one in each.properties},
                },
                "links": {"type": "array", "items": _of("Link")},
            },
            required=("type", "id", "geometry", "properties"),
        )
        schemas[f"{each.id}_collection"] = _object(
            {
                "type": {"type": "string", "enum": ["FeatureCollection"]},
                "features": {"type": "array", "items": _of(f"{each.id}_feature")},
                "links": {"type": "array", "items": _of("Link")},
                "timeStamp": {"type": "string", "format": "date-time"},
                "numberMatched": {"type": "integer", "minimum": 0},
                "numberReturned": {"type": "integer", "minimum": 0},
            },
            required=("type", "features", "links", "timeStamp", "numberReturned"),
        )
    return schemas


def _value(each: Property) -> Part:
    schema = _KINDS[each.kind] | {"title": each.title, "nullable": True}
    # With `nullable` an enumeration has to name null too.
    return schema | ({"enum": [*each.choices, None]} if each.choices else {})


def _geometry(types: Sequence[str]) -> Part:
    each = [
        _object(
            {"type": {"type": "string", "enum": [type_]}, "coordinates": _nested(_DEPTH[type_])},
            required=("type", "coordinates"),
        )
        for type_ in types
    ]
    return {"oneOf": each} if len(each) > 1 else each[0]


def _nested(depth: int) -> Part:
    if depth == 0:
        return {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    return {"type": "array", "items": _nested(depth - 1)}


def _object(properties: Part, *, required: Sequence[str]) -> Part:
    return {"type": "object", "required": list(required), "properties": properties}


def _common() -> Part:
    text, links = {"type": "string"}, {"type": "array", "items": _of("Link")}
    return {
        "Link": _object(
            {"href": text, "rel": text, "type": text, "title": text, "hreflang": text},
            required=("href", "rel", "type"),
        ),
        "Landing": _object(
            {"title": text, "description": text, "links": links}, required=("links",)
        ),
        "Conformance": _object({"links": links, "conformsTo": _TEXTS}, required=("conformsTo",)),
        "Collections": _object(
            {"links": links, "collections": {"type": "array", "items": _of("Collection")}},
            required=("links", "collections"),
        ),
        "Collection": _object(
            {
                "id": text,
                "title": text,
                "description": text,
                "links": links,
                "itemType": text,
                "crs": _TEXTS,
                "storageCrs": text,
                "extent": _object({"spatial": {"type": "object"}}, required=("spatial",)),
            },
            required=("id", "links"),
        ),
        "Problem": _object(
            {
                "type": text,
                "title": text,
                "status": {"type": "integer"},
                "code": text,
                "detail": text,
            },
            required=("type", "title", "status", "code"),
        ),
    }
