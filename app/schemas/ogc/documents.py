"""The documents under `/ogc`, each a dict: JSON as it is, and what the pages are drawn from."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from app.services.features.collection import Collection
from app.services.features.drawing import Feature
from app.services.features.finding import Page
from app.services.features.place import Box

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_CLASSES = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/"
CONFORMS_TO = [_CLASSES + each for each in ("core", "geojson", "html", "oas30")]

TITLE = "巡河地图数据"
DESCRIPTION = (
    "水体、河段、网格、界碑对所有人开放；巡河记录和问题需要管理员登录或程序密钥。"
    "所有位置都是 WGS-84 经纬度。"
)

JSON, GEOJSON, HTML = "application/json", "application/geo+json", "text/html"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"

Document = dict[str, Any]


class Format(StrEnum):
    """`?f=`: how an answer is written."""

    json = "json"
    html = "html"


class Addresses:
    """Absolute links: from the address by which the world knows us, never from a request."""

    def __init__(self, public_url: str) -> None:
        self.root = f"{public_url.rstrip('/')}/ogc"

    def of(
        self,
        path: str,
        format_: Format | None = None,
        params: Iterable[tuple[str, str]] = (),
    ) -> str:
        """The address of a path below `/ogc`."""
        query = [*params, *([("f", format_.value)] if format_ else [])]
        return self.root + path + ("?" + urlencode(query, quote_via=quote) if query else "")

    def both(
        self,
        path: str,
        shown: Format,
        json_type: str,
        title: str,
        params: Sequence[tuple[str, str]] = (),
    ) -> list[Document]:
        """A link to this document, and to the same in the other format."""
        return [
            link(
                self.of(path, each, params),
                "self" if each is shown else "alternate",
                type_of(each, json_type),
                f"{title}（{'JSON' if each is Format.json else '网页'}）",
            )
            for each in sorted(Format, key=lambda each: each is not shown)
        ]


def link(href: str, rel: str, type_: str, title: str) -> Document:
    """A link, always with its type."""
    return {"href": href, "rel": rel, "type": type_, "title": title, "hreflang": "zh-CN"}


def type_of(shown: Format, json_type: str = JSON) -> str:
    """The media type of a document in that format."""
    return json_type if shown is Format.json else HTML


def _back(addresses: Addresses, shown: Format, one: Collection) -> Document:
    address = addresses.of(f"/collections/{one.id}", shown)
    return link(address, "collection", type_of(shown), one.title)


def landing(addresses: Addresses, shown: Format) -> Document:
    """The landing page."""
    return {
        "title": TITLE,
        "description": DESCRIPTION,
        "links": [
            *addresses.both("", shown, JSON, "首页"),
            link(addresses.of("/api", Format.json), "service-desc", OPENAPI, "接口定义"),
            link(addresses.of("/api", Format.html), "service-doc", HTML, "接口说明"),
            link(
                addresses.of("/conformance", shown), "conformance", type_of(shown), "所符合的标准"
            ),
            link(addresses.of("/collections", shown), "data", type_of(shown), "图层"),
        ],
    }


def conformance(addresses: Addresses, shown: Format) -> Document:
    """The classes of the standard that we conform to."""
    return {
        "links": addresses.both("/conformance", shown, JSON, "所符合的标准"),
        "conformsTo": CONFORMS_TO,
    }


def collections(
    addresses: Addresses, shown: Format, each: Sequence[tuple[Collection, Box | None]]
) -> Document:
    """The list of the collections."""
    return {
        "links": addresses.both("/collections", shown, JSON, "图层"),
        "collections": [_described(addresses, one, extent) for one, extent in each],
    }


def collection(
    addresses: Addresses, shown: Format, one: Collection, extent: Box | None
) -> Document:
    """One of them, as it stands in the list, with links to itself."""
    described = _described(addresses, one, extent)
    own = addresses.both(f"/collections/{one.id}", shown, JSON, one.title)
    return described | {"links": [*own, *described["links"]]}


def _described(addresses: Addresses, one: Collection, extent: Box | None) -> Document:
    items = f"/collections/{one.id}/items"
    shown: Document = {
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "itemType": "feature",
        "crs": [CRS84],
        "storageCrs": CRS84,
        "links": [
            link(addresses.of(items, Format.json), "items", GEOJSON, f"{one.title}（GeoJSON）"),
            link(addresses.of(items, Format.html), "items", HTML, f"{one.title}（网页）"),
        ],
    }
    if extent is not None:
        shown["extent"] = {"spatial": {"bbox": [list(extent)], "crs": CRS84}}
    return shown


def items(
    addresses: Addresses,
    shown: Format,
    one: Collection,
    params: Sequence[tuple[str, str]],
    page: Page,
    cursor: str | None,
    now: datetime,
) -> Document:
    """A page of features; `params` are those of the request without `f`, `cursor` the next one."""
    path = f"/collections/{one.id}/items"
    links = addresses.both(path, shown, GEOJSON, one.title, params)
    if cursor is not None:
        kept = [(name, value) for name, value in params if name != "cursor"]
        following = addresses.of(path, shown, [*kept, ("cursor", cursor)])
        links.append(link(following, "next", type_of(shown, GEOJSON), "下一页"))
    links.append(_back(addresses, shown, one))
    document: Document = {
        "type": "FeatureCollection",
        "features": [_feature(each) for each in page.features],
        "links": links,
        "timeStamp": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "numberReturned": len(page.features),
    }
    if page.matched is not None:
        document["numberMatched"] = page.matched
    return document


def feature(addresses: Addresses, shown: Format, one: Collection, found: Feature) -> Document:
    """One feature."""
    path = f"/collections/{one.id}/items/{quote(found.id, safe='')}"
    return _feature(found) | {
        "links": [
            *addresses.both(path, shown, GEOJSON, found.id),
            _back(addresses, shown, one),
        ]
    }


def _feature(found: Feature) -> Document:
    return {
        "type": "Feature",
        "id": found.id,
        "geometry": orjson.Fragment(found.geometry),
        "properties": found.properties,
    }
