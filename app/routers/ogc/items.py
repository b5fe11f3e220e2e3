"""The features of a collection, page by page and one by one."""

from datetime import timedelta

from fastapi import APIRouter, Response

from app.routers.deps import Now, Session
from app.routers.ogc.answers import answer
from app.routers.ogc.doors import Filtered, MapReader, Plain
from app.schemas.ogc import documents, queries
from app.schemas.ogc.documents import GEOJSON
from app.services import audit
from app.services.features import catalogue, finding

router = APIRouter(prefix="/ogc/collections/{collection}/items", include_in_schema=False)
_READ = ["GET", "HEAD"]
_OF_PAGES = frozenset({"limit", "cursor"})
# GDAL reads ten features a request; a map that is moved to and fro asks the same again.
_ONE_LOOK = timedelta(minutes=10)


@router.api_route("", methods=_READ)
async def items(
    collection: str, asking: Filtered, session: Session, reader: MapReader, now: Now
) -> Response:
    """A page of features."""
    one = catalogue.find(reader, collection)
    given = queries.once(asking.params, queries.known_of(one))
    page = await finding.page(session, reader, one, queries.wanted(one, given))
    if one.guarded and reader is not None:
        asked = [f"{name}={value}" for name, value in given.items() if name not in _OF_PAGES]
        about = "&".join(sorted(asked)) or None
        await audit.seen(session, reader, f"ogc:{one.id}", now=now, reason=about, once_in=_ONE_LOOK)
    cursor = queries.cursor_of(page.after) if page.after is not None else None
    document = documents.items(
        asking.addresses, asking.shown, one, asking.params, page, cursor, now
    )
    return answer(asking, document, "items.html", media_type=GEOJSON, collection=one)


@router.api_route("/{id:path}", methods=_READ)
async def feature(
    collection: str, id: str, asking: Plain, session: Session, reader: MapReader, now: Now
) -> Response:
    """One feature."""
    one = catalogue.find(reader, collection)
    found = await finding.one(session, reader, one, id)
    if one.guarded and reader is not None:
        await audit.seen(
            session, reader, f"ogc:{one.id}", now=now, reason=found.id, once_in=_ONE_LOOK
        )
    document = documents.feature(asking.addresses, asking.shown, one, found)
    return answer(
        asking,
        document,
        "feature.html",
        media_type=GEOJSON,
        collection=one,
        geometry=found.geometry,
    )
