"""The parameters, answers and documents that the OpenAPI document refers to."""

from collections.abc import Sequence
from typing import Any

from app.schemas.ogc.documents import Format
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


def of(schema: str) -> Part:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{schema}"}


def parameters() -> Part:
    """What a query may say, whatever it is about."""

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


def problem() -> Part:
    """What every refusal looks like."""
    return {
        "description": "没有成功；code 说明原因",
        "content": {"application/problem+json": {"schema": of("Problem")}},
    }


def schemas(collections: Sequence[Collection]) -> Part:
    """The documents, and the features of each collection."""
    found = _common()
    for each in collections:
        found[f"{each.id}_feature"] = _object(
            {
                "type": {"type": "string", "enum": ["Feature"]},
                "id": {"type": "string"},
                "geometry": _geometry(each.geometry_types),
                "properties": {
                    "type": "object",
                    "properties": {one.name: _value(one) for one in each.properties},
                },
                "links": {"type": "array", "items": of("Link")},
            },
            required=("type", "id", "geometry", "properties"),
        )
        found[f"{each.id}_collection"] = _object(
            {
                "type": {"type": "string", "enum": ["FeatureCollection"]},
                "features": {"type": "array", "items": of(f"{each.id}_feature")},
                "links": {"type": "array", "items": of("Link")},
                "timeStamp": {"type": "string", "format": "date-time"},
                "numberMatched": {"type": "integer", "minimum": 0},
                "numberReturned": {"type": "integer", "minimum": 0},
            },
            required=("type", "features", "links", "timeStamp", "numberReturned"),
        )
    return found


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
    text, links = {"type": "string"}, {"type": "array", "items": of("Link")}
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
            {"links": links, "collections": {"type": "array", "items": of("Collection")}},
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
