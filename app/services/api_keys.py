"""API keys: read-only access for management's programs, shown once and kept as a hash."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import CommandFailed
from app.models import ApiKey, Organisation
from app.services import audit
from app.services.access import KEY_PREFIX, token_hash

SHOWN_CHARACTERS = 10


async def create(
    session: AsyncSession, organisation: Organisation, *, name: str | None, now: datetime
) -> str:
    """A new key for the organisation's subtree; this is the only time anybody sees it."""
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
        None,
        "create-api-key",
        f"api-key:{row.id}",
        now=now,
        via="cli",
        after={"prefix": row.prefix, "name": name, "organisation": organisation.code},
    )
    return key


async def every(session: AsyncSession) -> Sequence[tuple[ApiKey, Organisation]]:
    """All keys ever made, the newest first."""
    rows = await session.execute(
        select(ApiKey, Organisation)
        .join(Organisation, Organisation.id == ApiKey.organisation_id)
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    )
    return [(key, organisation) for key, organisation in rows]


async def revoke(session: AsyncSession, named: str, *, now: datetime) -> ApiKey:
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
            None,
            "revoke-api-key",
            f"api-key:{key.id}",
            now=now,
            via="cli",
            before={"prefix": key.prefix, "name": key.name},
        )
    return key


def _named(named: str) -> ColumnElement[bool]:
    try:
        return ApiKey.id == UUID(named)
    except ValueError:
        # A whole key may be pasted as well; only its beginning is known here.
        return ApiKey.prefix == named[:SHOWN_CHARACTERS]
