"""The landing page, conformance, the API's definition and the collections."""

import orjson
from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html

from app.routers.deps import Limited, Session
from app.routers.ogc.answers import answer
from app.routers.ogc.doors import MapReader, Plain
from app.schemas.ogc import documents, openapi
from app.schemas.ogc.documents import OPENAPI, TITLE, Format
from app.services.features import catalogue, finding

router = APIRouter(prefix="/ogc", include_in_schema=False)
_READ = ["GET", "HEAD"]


@router.api_route("", methods=_READ, dependencies=[Limited])
@router.api_route("/", methods=_READ, dependencies=[Limited])
async def landing(asking: Plain) -> Response:
    """Where everything begins."""
    return answer(asking, documents.landing(asking.addresses, asking.shown), "landing.html")


@router.api_route("/conformance", methods=_READ, dependencies=[Limited])
async def conformance(asking: Plain) -> Response:
    """The classes of the standard that we conform to."""
    document = documents.conformance(asking.addresses, asking.shown)
    return answer(asking, document, "conformance.html")


@router.api_route("/api", methods=_READ, dependencies=[Limited])
async def definition(asking: Plain) -> Response:
    """The OpenAPI 3.0 document, and the same to read."""
    if asking.shown is Format.html:
        return get_swagger_ui_html(
            openapi_url="api?f=json",
            title=TITLE,
            swagger_js_url="/static/vendor/swagger-ui-bundle.js",
            swagger_css_url="/static/vendor/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
    document = openapi.document(asking.addresses, catalogue.COLLECTIONS)
    headers = {"Vary": "Accept"}
    return Response(orjson.dumps(document), headers=headers, media_type=OPENAPI)


@router.api_route("/collections", methods=_READ)
async def collections(asking: Plain, session: Session, reader: MapReader) -> Response:
    """The collections that are open to whoever asks."""
    found = [(each, await finding.extent(session, each)) for each in catalogue.open_to(reader)]
    document = documents.collections(asking.addresses, asking.shown, found)
    return answer(asking, document, "collections.html")


@router.api_route("/collections/{collection}", methods=_READ)
async def collection(
    collection: str, asking: Plain, session: Session, reader: MapReader
) -> Response:
    """One of them."""
    one = catalogue.find(reader, collection)
    extent = await finding.extent(session, one)
    document = documents.collection(asking.addresses, asking.shown, one, extent)
    return answer(asking, document, "collection.html", collection=one)
