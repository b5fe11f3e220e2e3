"""Photographs: draws the planned pictures and puts them on their check-ins, renditions and all."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from app.demo.pictures import Album
from app.demo.plan import Outing, Picture, Visit, id_of
from app.models import CheckIn, Image, Photo, Source
from app.services import images, photos, renditions
from app.state import State

_AT_ONCE = 4


async def add(state: State, outings: Sequence[Outing], *, at_once: int = _AT_ONCE) -> None:
    """Add those pictures that are not there yet, so many at once (1 = in order).

    Each is a transaction of its own.
    """
    wanted = [
        (visit, number, picture)
        for outing in outings
        for visit in outing.visits
        for number, picture in enumerate(visit.pictures)
    ]
    async with state["sessions"]() as session:
        ids = [_id(visit, number) for visit, number, _ in wanted]
        there = set(await session.scalars(select(Photo.id).where(Photo.id.in_(ids))))
        known = await session.scalars(
            select(Image.perceptual_hash).where(Image.perceptual_hash.is_not(None))
        )
        album = Album(hash_ for hash_ in known if hash_ is not None)
    free = asyncio.Semaphore(at_once)
    async with asyncio.TaskGroup() as group:
        for visit, number, picture in wanted:
            if _id(visit, number) in there:
                continue
            await free.acquire()
            # One after the other: each must differ from those drawn before.
            content = await asyncio.to_thread(album.draw, picture)
            group.create_task(_attach(state, free, visit, number, picture, content))


def _id(visit: Visit, number: int) -> UUID:
    return id_of("photo", f"{visit.key}/{number}")


async def _attach(
    state: State,
    free: asyncio.Semaphore,
    visit: Visit,
    number: int,
    picture: Picture,
    content: bytes,
) -> None:
    received_at = visit.received_at + timedelta(seconds=20 + 7 * number)
    try:
        async with state["sessions"].begin() as session:
            image = await images.keep(session, state["store"], content, now=received_at)
            # Here and now, so that the verdict stands as soon as the photo does.
            await renditions.make(
                session, state["store"], image.sha256, state["settings"], now=received_at
            )
            check_in = await session.get_one(CheckIn, visit.id)
            await photos.attach(
                session,
                check_in,
                image,
                photo_id=_id(visit, number),
                person_id=check_in.person_id,
                source=Source.chat if visit.datum == "gcj02" else Source.mini_program,
                taken_at=picture.taken_at,
                settings=state["settings"],
                now=received_at,
            )
    finally:
        free.release()
