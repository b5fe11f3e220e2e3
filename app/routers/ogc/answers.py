"""Answers under `/ogc`: the same document as JSON or as a page."""

import orjson
from fastapi import Response

from app.routers.ogc.doors import Asking
from app.routers.rendering import page
from app.schemas.ogc.documents import CRS84, GEOJSON, JSON, Document, Format

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def answer(
    asking: Asking,
    document: Document,
    template: str,
    *,
    media_type: str = JSON,
    **shown: object,
) -> Response:
    """The document in the format asked for; `shown` is what its page needs besides."""
    if asking.shown is Format.json:
        response = Response(orjson.dumps(document), media_type=media_type)
    else:
        root = asking.addresses.root
        response = page(
            f"ogc/{template}", 200, policy=_POLICY, document=document, root=root, **shown
        )
        if media_type == GEOJSON:
            response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept, Authorization, Cookie"
    if media_type == GEOJSON:
        response.headers["Content-Crs"] = f"<{CRS84}>"
    return response
