"""Photos: images on check-ins; how they join, and who may look at them in which size."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import queue
from app.errors import Conflict, Forbidden, Invalid, NotFound, NotReady
from app.models import CheckIn, Image, Person, Photo, Source
from app.services import access, chain, credits, images, judging, visibility
from app.services.access import Caller
from app.settings import Settings
from app.storage import Store, original_key, rendition_key

MOST_PER_CHECK_IN = 30
_RETRY_AFTER_S = 2
_ENDINGS: Mapping[str, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
}


class Size(StrEnum):
    """As it came, for looking at, for lists."""

    original = "original"
    large = "large"
    small = "small"


@dataclass(frozen=True, slots=True)
class Attached:
    """A photo on its check-in, which now has `received` of them; `created` by this call or not."""

    photo: Photo
    received: int
    expected: int | None
    created: bool


@dataclass(frozen=True, slots=True)
class View:
    """Where the bytes lie that may be shown, and what to call them."""

    key: str
    content_type: str
    etag: str
    download_as: str | None


async def find_own_check_in(session: AsyncSession, person: Person, id_: UUID) -> CheckIn:
    """The check-in, if the person may add photos to it: its owner. Raises `NotFound`."""
    check_in = await session.get(CheckIn, id_)
    if check_in is None or check_in.person_id != person.id:
        raise NotFound
    return check_in


async def receive(
    session: AsyncSession,
    store: Store,
    check_in: CheckIn,
    content: bytes,
    *,
    photo_id: UUID,
    taken_at: datetime | None,
    settings: Settings,
    now: datetime,
) -> Attached:
    """Keep what its owner's phone sent and put it on the check-in. Raises as `keep`, `attach`."""
    image = await images.keep(session, store, content, now=now)
    return await attach(
        session,
        check_in,
        image,
        photo_id=photo_id,
        person_id=check_in.person_id,
        source=Source.mini_program,
        taken_at=taken_at,
        settings=settings,
        now=now,
    )


async def attach(
    session: AsyncSession,
    check_in: CheckIn,
    image: Image,
    *,
    photo_id: UUID,
    person_id: UUID,
    source: Source,
    taken_at: datetime | None,
    settings: Settings,
    now: datetime,
) -> Attached:
    """Put a kept image on a check-in, once by id and by content; the verdict follows at once.

    Raises `Conflict` when the id stands for anything else, `Invalid` beyond 30 photos.
    """
    await credits.hold(session, check_ins=[check_in.id])
    # One after the other on each check-in: the count is right, and the same content comes once.
    await session.scalar(select(CheckIn.id).where(CheckIn.id == check_in.id).with_for_update())
    there = await _there(session, photo_id, check_in.id, image.sha256)
    created = there is None
    if there is None:
        if await _count(session, check_in.id) >= MOST_PER_CHECK_IN:
            sentence = f"一条巡河记录最多{MOST_PER_CHECK_IN}张照片。"
            raise Invalid(sentence, errors=[{"pointer": "/file", "detail": sentence}])
        there = Photo(
            id=photo_id,
            check_in_id=check_in.id,
            person_id=person_id,
            sha256=image.sha256,
            source=source,
            taken_at=taken_at,
            received_at=now,
        )
        try:
            async with session.begin_nested():
                session.add(there)
        except IntegrityError:
            # Somebody used this id on another check-in a moment ago.
            raise Conflict from None
        if image.renditions_at is None and image.fault is None:
            await queue.defer(session, "make_renditions", sha256=image.sha256.hex())
        await chain.append(session, {chain.PHOTO: [there.id]}, now=now)
        await judging.rejudge(session, [check_in.id], settings, now=now)
    received = await _count(session, check_in.id)
    return Attached(there, received, check_in.photos_expected, created)


async def _there(
    session: AsyncSession, photo_id: UUID, check_in_id: UUID, sha256: bytes
) -> Photo | None:
    by_id = await session.get(Photo, photo_id, populate_existing=True)
    if by_id is not None:
        if (by_id.check_in_id, by_id.sha256) != (check_in_id, sha256):
            raise Conflict
        return by_id
    return await session.scalar(
        select(Photo).where(Photo.check_in_id == check_in_id, Photo.sha256 == sha256)
    )


async def _count(session: AsyncSession, check_in_id: UUID) -> int:
    return (
        await session.scalar(
            select(func.count()).select_from(Photo).where(Photo.check_in_id == check_in_id)
        )
        or 0
    )


async def look_at(session: AsyncSession, caller: Caller, id_: UUID, size: Size) -> View:
    """The photo in this size, for whoever may see its check-in; as it came for fewer.

    Raises `NotFound`, `Forbidden` (the original), `NotReady` (renditions not made yet).
    """
    row = (
        await session.execute(
            select(Photo, Image, CheckIn.person_id)
            .join(Image, Image.sha256 == Photo.sha256)
            .join(CheckIn, CheckIn.id == Photo.check_in_id)
            .where(Photo.id == id_, await visibility.check_ins_for(session, caller))
        )
    ).first()
    if row is None:
        raise NotFound
    photo, image, owner_id = row
    if size is Size.original and not await _may_have_original(
        session, caller, photo.check_in_id, owner_id
    ):
        raise Forbidden("原图只有本人和主管的管理员可以查看。")
    return view_of(image, size, name=str(photo.id))


def view_of(image: Image, size: Size, *, name: str) -> View:
    """Where an image lies in this size; `name` is what a download is called, without its ending.

    Raises `NotFound` for one that cannot be shown, `NotReady` (renditions not made yet).
    """
    etag = f'"{image.sha256.hex()}-{size}"'
    if size is Size.original:
        ending = _ENDINGS[image.content_type]
        return View(original_key(image.sha256), image.content_type, etag, f"{name}.{ending}")
    if image.fault is not None:
        raise NotFound(f"这张照片无法显示：{image.fault}")
    if image.renditions_at is None:
        raise NotReady(retry_after=_RETRY_AFTER_S)
    return View(rendition_key(image.sha256, size), "image/jpeg", etag, None)


async def _may_have_original(
    session: AsyncSession, caller: Caller, check_in_id: UUID, owner_id: UUID
) -> bool:
    if caller.api_key is not None or caller.person is None:
        return False
    if caller.person.id == owner_id:
        return True
    scope = await access.scope_of(session, caller)
    if scope is None:
        return True
    managed: ColumnElement[bool] = visibility.check_ins_in(scope)
    return bool(scope) and bool(
        await session.scalar(
            select(select(CheckIn.id).where(CheckIn.id == check_in_id, managed).exists())
        )
    )
