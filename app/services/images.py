"""Images: the bytes of a photo, proven and kept once, whoever sends them and how often."""

import asyncio
import hashlib
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import TooLarge
from app.models import Image
from app.services import pictures
from app.storage import Store, original_key


async def keep(session: AsyncSession, store: Store, content: bytes, *, now: datetime) -> Image:
    """The image of these bytes: whole, in the store for good, and one row by its sha256.

    A session that has not spoken yet takes no connection before the bytes are stored. Bytes whose
    row never follows are harmless: sent again, they are written again. Raises `TooLarge` (20 MiB),
    `PhotoUnreadable`, `StorageUnavailable`.
    """
    if len(content) > pictures.BYTES_LIMIT:
        raise TooLarge
    found = await pictures.inspect(content)
    sha256 = (await asyncio.to_thread(hashlib.sha256, content)).digest()
    await store.put(original_key(sha256), content)
    await session.execute(
        insert(Image)
        .values(
            sha256=sha256,
            size=len(content),
            content_type=found.content_type,
            width=found.width,
            height=found.height,
            taken_at=found.taken_at,
            received_at=now,
        )
        .on_conflict_do_nothing()
    )
    return await session.get_one(Image, sha256, populate_existing=True)
