"""Verification: whether records hang together and are what was written, counts and photos right."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app.domain import geometry
from app.errors import StorageUnavailable
from app.services import bookkeeping, chain
from app.services.chat_media import attachment_key
from app.services.cursors import rows
from app.settings import Settings
from app.storage import Store, original_key, rendition_key

Progress = Callable[[str, int], None]

_FETCHED_TOGETHER = 8
# Added up stretch by stretch when it was recorded, in one go here: floats differ a little.
_TOLERANCE_M = 0.5

# What each finds wrong, as one id a row; all on the same snapshot.
_RULES: Mapping[str, str] = {
    "巡河记录没有所属的巡河": """
        SELECT c.id FROM check_ins c LEFT JOIN patrols p ON p.id = c.patrol_id WHERE p.id IS NULL
    """,
    "照片没有所属的巡河记录": """
        SELECT f.id FROM photos f LEFT JOIN check_ins c ON c.id = f.check_in_id WHERE c.id IS NULL
    """,
    "照片没有登记图像": """
        SELECT f.id FROM photos f LEFT JOIN images i ON i.sha256 = f.sha256 WHERE i.sha256 IS NULL
    """,
    "聊天照片没有登记图像": """
        SELECT m.id FROM chat_media m LEFT JOIN images i ON i.sha256 = m.sha256
        WHERE m.kind = 'image' AND m.state = 'fetched' AND i.sha256 IS NULL
    """,
    "自动生成的巡河没有任何巡河记录": """
        SELECT p.id FROM patrols p WHERE p.origin = 'self_made'
          AND NOT EXISTS (SELECT FROM check_ins c WHERE c.patrol_id = p.id)
    """,
    "核验结论与结论台账不符": """
        SELECT c.id FROM check_ins c LEFT JOIN check_in_verdicts v
          ON v.check_in_id = c.id AND v.revoked_at IS NULL
        GROUP BY c.id HAVING count(v.id) <> 1 OR min(v.verdict) <> c.verdict
    """,
}
_LINES = """
    SELECT p.id, p.distance_m, c.lon, c.lat FROM patrols p
    LEFT JOIN check_ins c ON c.patrol_id = p.id AND c.withdrawn_at IS NULL
    WHERE p.points_kept = 0 AND p.origin <> 'paper' ORDER BY p.id, c.at, c.id
"""
_IMAGES = """
    SELECT sha256, size, renditions_at IS NOT NULL AS rendered, large_sha256, small_sha256
    FROM images ORDER BY sha256
"""
_ATTACHMENTS = """
    SELECT DISTINCT sha256 FROM chat_media
    WHERE kind <> 'image' AND state = 'fetched' AND sha256 IS NOT NULL ORDER BY sha256
"""


async def verify(
    engine: AsyncEngine,
    store: Store,
    settings: Settings,
    *,
    now: datetime,
    progress: Progress = lambda _step, _done: None,
) -> AsyncIterator[str]:
    """What is wrong, one Chinese line each; nothing when all is well.

    Reads one snapshot through cursors on the server, so that a running system confuses nothing
    and a million rows take the memory of a thousand. Raises `StorageUnavailable` when the store
    itself cannot be asked.
    """
    async with engine.connect() as connection:
        await connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        for fault, rule in _RULES.items():
            progress(fault, 0)
            async for row in rows(connection, rule):
                yield f"{fault}：{row.id}"
        async for fault in chain.faults(connection, progress):
            yield fault
        async for fault in _wrong_distances(connection, progress):
            yield fault
        async with AsyncSession(connection, autoflush=False) as session:
            async for fault in bookkeeping.faults(session, settings, progress, now=now):
                yield fault
        async for fault in _wrong_bytes(connection, store, progress):
            yield fault


async def _wrong_distances(connection: AsyncConnection, progress: Progress) -> AsyncIterator[str]:
    current: Any = None
    lons: list[float] = []
    lats: list[float] = []
    done = 0
    async for row in rows(connection, _LINES):
        if current is not None and row.id != current.id:
            if fault := _wrong_distance(current, lons, lats):
                yield fault
            lons, lats = [], []
            done += 1
            progress("巡河里程", done)
        current = row
        if row.lon is not None:
            lons.append(row.lon)
            lats.append(row.lat)
    if current is not None and (fault := _wrong_distance(current, lons, lats)):
        yield fault


def _wrong_distance(patrol: Any, lons: list[float], lats: list[float]) -> str | None:
    metres = geometry.path_length_m(lons, lats)
    if abs(metres - patrol.distance_m) <= _TOLERANCE_M:
        return None
    return f"巡河里程不符：{patrol.id}，记为 {patrol.distance_m:.1f} 米，应为 {metres:.1f} 米"


async def _wrong_bytes(
    connection: AsyncConnection, store: Store, progress: Progress
) -> AsyncIterator[str]:
    done = 0
    for statement, look in ((_IMAGES, _look_at_image), (_ATTACHMENTS, _look_at_attachment)):
        together: list[Any] = []
        async for row in rows(connection, statement):
            together.append(row)
            if len(together) == _FETCHED_TOGETHER:
                for faults in await asyncio.gather(*(look(store, each) for each in together)):
                    for fault in faults:
                        yield fault
                done += len(together)
                progress("照片内容", done)
                together.clear()
        for faults in await asyncio.gather(*(look(store, each) for each in together)):
            for fault in faults:
                yield fault


async def _look_at_image(store: Store, row: Any) -> list[str]:
    faults = await _look(store, "原件", original_key(row.sha256), row.sha256, row.size)
    if row.rendered:
        for size, sha256 in (("large", row.large_sha256), ("small", row.small_sha256)):
            faults += await _look(store, "缩略图", rendition_key(row.sha256, size), sha256)
    return faults


async def _look_at_attachment(store: Store, row: Any) -> list[str]:
    return await _look(store, "原件", attachment_key(row.sha256), row.sha256)


async def _look(
    store: Store, what: str, key: str, sha256: bytes | None, size: int | None = None
) -> list[str]:
    """Whether the file is there and is what it was; without a digest, whether it is there."""
    if not await store.exists(key):
        return [f"{what}不见了：{key}"]
    if sha256 is None:
        return []
    digest, seen = hashlib.sha256(), 0
    try:
        _, pieces = await store.open(key)
        async for piece in pieces:
            digest.update(piece)
            seen += len(piece)
    except (StorageUnavailable, OSError):
        return [f"{what}读不出来：{key}"]
    if digest.digest() != sha256 or size not in {None, seen}:
        return [f"{what}内容与校验值不符：{key}"]
    return []
