"""Stele codes: the prints of a stele's QR code, and what a scanned one is worth."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.stele_code import token_of, version_of
from app.errors import Forbidden
from app.keys import Keys
from app.models import Person, Stele, StelePrint, uuid7
from app.services import access, audit, steles
from app.services.access import Caller

PURPOSE = "stele-code"
SCENE_PREFIX = "s_"


class Standing(StrEnum):
    """What a token says: ours and in force, not ours, or of a print that was called in."""

    valid = "valid"
    bad = "bad"
    revoked = "revoked"


async def check(
    session: AsyncSession, keys: Keys, scanned: Collection[tuple[UUID, str]]
) -> Mapping[tuple[UUID, str], Standing]:
    """How each scanned (stele id, token) stands; one statement for all of them.

    A print that we signed and have no record of (a database put back from before) is in force.
    """
    if not scanned:
        return {}
    ids = {stele_id for stele_id, _ in scanned}
    rows = await session.execute(
        select(Stele.id, Stele.code, StelePrint.version)
        .outerjoin(
            StelePrint, (StelePrint.stele_id == Stele.id) & StelePrint.revoked_at.is_not(None)
        )
        .where(Stele.id.in_(ids))
    )
    codes: dict[UUID, str] = {}
    revoked: set[tuple[UUID, int]] = set()
    for stele_id, code, version in rows:
        codes[stele_id] = code
        if version is not None:
            revoked.add((stele_id, version))
    key = keys.key(PURPOSE)
    found = {}
    for stele_id, token in scanned:
        signed = version_of(key, codes[stele_id], token) if stele_id in codes else None
        if signed is None:
            found[stele_id, token] = Standing.bad
        elif (stele_id, signed) in revoked:
            found[stele_id, token] = Standing.revoked
        else:
            found[stele_id, token] = Standing.valid
    return found


async def tokens(
    session: AsyncSession, keys: Keys, steles: Sequence[Stele], *, now: datetime
) -> Mapping[UUID, str]:
    """The token to print on each stele, by its id; the first print is noted when it is made."""
    if not steles:
        return {}
    await session.execute(
        insert(StelePrint)
        .values(
            [
                {"id": uuid7(), "stele_id": stele.id, "version": 1, "printed_at": now}
                for stele in steles
            ]
        )
        .on_conflict_do_nothing()
    )
    current = await session.execute(
        select(StelePrint.stele_id, func.max(StelePrint.version))
        .where(StelePrint.stele_id.in_([stele.id for stele in steles]))
        .group_by(StelePrint.stele_id)
    )
    versions = dict(current.all())
    key = keys.key(PURPOSE)
    return {stele.id: token_of(key, stele.code, versions[stele.id]) for stele in steles}


async def print_anew(
    session: AsyncSession, caller: Caller, code: str, *, reason: str, now: datetime
) -> StelePrint:
    """`new_print` by a manager of the organisation that the stele is in the care of.

    Raises `NotFound`, and `Forbidden` where the stele is somebody else's.
    """
    stele = await steles.find(session, code)
    if not await access.manages(session, caller, stele.organisation_id):
        raise Forbidden("这块界碑不归您管理。")
    return await new_print(session, stele, by=access.person_of(caller), reason=reason, now=now)


async def new_print(
    session: AsyncSession,
    stele: Stele,
    *,
    by: Person | None,
    reason: str | None,
    now: datetime,
) -> StelePrint:
    """Call in every print of the stele so far and begin the next: who scans an old one is flagged.

    Without `by` it was the operator's shell.
    """
    await session.get_one(Stele, stele.id, with_for_update={"key_share": True})
    last = (
        await session.scalar(
            select(func.max(StelePrint.version)).where(StelePrint.stele_id == stele.id)
        )
    ) or 0
    if last == 0:
        # What hangs out there was never noted, but it would be the first.
        session.add(StelePrint(stele_id=stele.id, version=1, printed_at=now, revoked_at=now))
        last = 1
    await session.execute(
        update(StelePrint)
        .where(StelePrint.stele_id == stele.id, StelePrint.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    print_ = StelePrint(stele_id=stele.id, version=last + 1, printed_at=now)
    session.add(print_)
    await session.flush()
    await audit.record(
        session,
        by,
        "new-stele-print",
        f"stele:{stele.code}",
        now=now,
        via="api" if by else "cli",
        before={"version": last},
        after={"version": last + 1},
        reason=reason,
    )
    return print_
