"""Photos: received from a phone with one bar of signal, and shown again.

No database connection is held while a body arrives, an image is decoded, or the store is asked:
each of these doors opens its own short transactions instead of asking for `Session`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from app.errors import TooLarge
from app.models import CheckIn
from app.routers import forms
from app.routers.deps import AppSettings, Now, Sessions, Visitor, get_reader
from app.routers.middleware import PHOTO_LIMIT, matches
from app.schemas.photos import NewPhoto, PhotoReceipt
from app.services import access, photos
from app.services.photos import Size, View
from app.storage import Store

router = APIRouter(prefix="/api/v1", tags=["photos"])

# Whole bodies wait on disk; so many at a time are in memory.
in_memory = asyncio.Semaphore(4)

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["id", "file"],
                    "properties": {
                        "id": {"type": "string", "format": "uuid"},
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "taken_at": {"type": "string", "format": "date-time"},
                    },
                }
            }
        },
    }
}


def get_store(request: Request) -> Store:
    """Where the bytes are."""
    return cast("Store", request.state.store)


PhotoStore = Annotated[Store, Depends(get_store)]


async def get_own_check_in(check_in_id: UUID, visitor: Visitor, sessions: Sessions) -> CheckIn:
    """The caller's own check-in, looked up before the body is read."""
    person = access.person_of(visitor)
    async with sessions() as session, session.begin():
        return await photos.find_own_check_in(session, person, check_in_id)


OwnCheckIn = Annotated[CheckIn, Depends(get_own_check_in)]


async def get_upload(request: Request, _check_in: OwnCheckIn) -> AsyncIterator[NewPhoto]:
    """The form, once all of it is here."""
    form = await forms.read(request)
    try:
        # A form cannot say null: an empty field is one that is not there.
        yield NewPhoto.model_validate({name: part for name, part in form.items() if part != ""})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    finally:
        await form.close()


@router.post(
    "/check-ins/{check_in_id}/photos",  # noqa: FAST003  OwnCheckIn takes it
    status_code=201,
    responses={200: {"model": PhotoReceipt, "description": "It was here already"}},
    openapi_extra=_FORM,
)
async def post_photo(
    response: Response,
    check_in: OwnCheckIn,
    upload: Annotated[NewPhoto, Depends(get_upload)],
    sessions: Sessions,
    store: PhotoStore,
    now: Now,
    settings: AppSettings,
) -> PhotoReceipt:
    """Add a photo (JPEG, PNG, WebP, HEIC; at most 20 MiB) to one's own check-in.

    Idempotent by `id` and by content: the same again answers 200.
    """
    if (upload.file.size or 0) > PHOTO_LIMIT:
        raise TooLarge
    async with in_memory:
        content = await upload.file.read()
        async with sessions() as session, session.begin():
            attached = await photos.receive(
                session,
                store,
                check_in,
                content,
                photo_id=upload.id,
                taken_at=upload.taken_at,
                settings=settings,
                now=now,
            )
    response.status_code = 201 if attached.created else 200
    return PhotoReceipt.of(attached)


async def get_view(
    photo_id: UUID, visitor: Visitor, sessions: Sessions, size: Size = Size.large
) -> View:
    """What of the photo the caller may see."""
    reader = await get_reader(visitor)
    async with sessions() as session, session.begin():
        return await photos.look_at(session, reader, photo_id, size)


@router.get("/photos/{photo_id}", response_class=StreamingResponse)
async def get_photo(
    view: Annotated[View, Depends(get_view)],
    store: PhotoStore,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A photo: `large` (at most 1600 px) and `small` (480 px) as JPEG, `original` as it came."""
    return await sent(view, store, if_none_match)


async def sent(view: View, store: Store, if_none_match: str) -> Response:
    """The bytes of a view, or 304 for whoever has them."""
    headers = {
        "ETag": view.etag,
        "Cache-Control": "private, max-age=31536000, immutable",
        "Vary": "Authorization",
        "X-Content-Type-Options": "nosniff",
    }
    if matches(if_none_match, view.etag):
        return Response(status_code=304, headers=headers)
    if view.download_as:
        headers["Content-Disposition"] = f'attachment; filename="{view.download_as}"'
    size, pieces = await store.open(view.key)
    headers["Content-Length"] = str(size)
    return StreamingResponse(pieces, media_type=view.content_type, headers=headers)
