"""API keys: read-only access for management's programs, shown once and kept as a hash."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import CommandFailed, NotFound, UnknownCode
from app.models import ApiKey, Organisation, Person, RateBucket
from app.services import audit
from app.services.access import KEY_PREFIX, token_hash

SHOWN_CHARACTERS = 10


async def create(
    session: AsyncSession,
    organisation: Organisation,
    *,
    name: str | None,
    now: datetime,
    actor: Person | None = None,
) -> str:
    """A new key for the organisation's subtree; this is the only time anybody sees it.

    Without an `actor` it is the operator at the shell.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(
        key_hash=token_hash(key),
        prefix=key[:SHOWN_CHARACTERS],
        name=name,
        organisation_id=organisation.id,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        actor,
        "create-api-key",
        f"api-key:{row.id}",
        now=now,
        via="web" if actor else "cli",
        after={"prefix": row.prefix, "name": name, "organisation": organisation.code},
    )
    return key


async def create_by(
    session: AsyncSession, actor: Person, organisation_code: str, *, name: str, now: datetime
) -> str:
    """As `create`, by an admin on a page. Raises `UnknownCode`."""
    organisation = await session.scalar(
        select(Organisation).where(
            Organisation.code == organisation_code, Organisation.retired_on.is_(None)
        )
    )
    if organisation is None:
        raise UnknownCode(errors=[{"pointer": "/organisation", "detail": "没有这个组织"}])
    return await create(session, organisation, name=name, now=now, actor=actor)


async def revoke_by(
    session: AsyncSession, actor: Person, id_: UUID, *, reason: str, now: datetime
) -> None:
    """As `revoke`, by an admin on a page. Raises `NotFound`."""
    if await session.get(ApiKey, id_) is None:
        raise NotFound
    await revoke(session, str(id_), now=now, actor=actor, reason=reason)


async def every(session: AsyncSession) -> Sequence[tuple[ApiKey, Organisation]]:
    """All keys ever made, the newest first."""
    rows = await session.execute(
        select(ApiKey, Organisation)
        .join(Organisation, Organisation.id == ApiKey.organisation_id)
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    )
    return [(key, organisation) for key, organisation in rows]


async def used_at(session: AsyncSession) -> Mapping[UUID, datetime]:
    """When each key last asked for something; known where requests of keys are limited."""
    rows = await session.execute(
        select(ApiKey.id, RateBucket.at).join(
            RateBucket, RateBucket.key == func.concat("key:", ApiKey.id)
        )
    )
    return {row[0]: row[1] for row in rows}


async def revoke(
    session: AsyncSession,
    named: str,
    *,
    now: datetime,
    actor: Person | None = None,
    reason: str | None = None,
) -> ApiKey:
    """End the one key that the prefix or id names; again is no failure.

    Raises `CommandFailed` when it names none, or several.
    """
    rows = (await session.scalars(select(ApiKey).where(_named(named)).with_for_update())).all()
    if len(rows) != 1:
        raise CommandFailed(
            f"没有这个密钥：{named}" if not rows else f"有 {len(rows)} 个密钥以此开头，请改用编号。"
        )
    key = rows[0]
    if key.revoked_at is None:
        key.revoked_at = now
        await audit.record(
            session,
            actor,
            "revoke-api-key",
            f"api-key:{key.id}",
            now=now,
            via="web" if actor else "cli",
            before={"prefix": key.prefix, "name": key.name},
            reason=reason,
        )
    return key


def _named(named: str) -> ColumnElement[bool]:
    try:
        return ApiKey.id == UUID(named)
    except ValueError:
        # A whole key may be pasted as well; only its beginning is known here.
        return ApiKey.prefix == named[:SHOWN_CHARACTERS]
