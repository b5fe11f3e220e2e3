"""Access tokens and tickets: one row each in the database, one refresh at a time anywhere.

Vendor's page: "获取稳定版接口调用凭据".
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import WechatToken
from app.wechat.errors import TryAgain, WeChatError

REFRESH_AHEAD = timedelta(seconds=300)
_FORCED_APART = timedelta(seconds=30)
_LAST_MOMENT = timedelta(seconds=10)
_LOCK_WAIT = "15s"


@dataclass(frozen=True)
class Held:
    """A token and when it ends; never in a repr."""

    token: str = field(repr=False)
    expires_at: datetime


Fetch = Callable[[bool], Awaitable[tuple[str, timedelta]]]


class Tokens:
    """The token of one app and kind.

    `fetch(force)` asks WeChat. It runs with a connection of its own held, for the advisory lock in
    its transaction: should we die, the lock is free. At most one such connection a process. What
    is kept in memory may be outdated by another process: WeChat lets old and new work side by
    side for minutes, and says 40001 after that, whereupon `replace` reads the row first.
    """

    def __init__(
        self,
        app_id: str,
        kind: str,
        sessions: async_sessionmaker[AsyncSession],
        fetch: Fetch,
        now: Callable[[], datetime],
    ) -> None:
        self._app_id = app_id
        self._kind = kind
        self._sessions = sessions
        self._fetch = fetch
        self._now = now
        self._held: Held | None = None
        self._forced_at: datetime | None = None
        self._one_at_a_time = asyncio.Lock()

    async def get(self) -> str:
        """A token with life left in it.

        Raises `TryAgain` when WeChat gives none.
        """
        if not self._is_young(self._held):
            async with self._one_at_a_time:
                if not self._is_young(self._held):
                    self._held = await self._renew()
        assert self._held is not None  # noqa: S101  for mypy
        return self._held.token

    async def replace(self, refused: str) -> str:
        """Another token than the one WeChat `refused`: somebody else's newer one, or a new one."""
        async with self._one_at_a_time:
            if self._held is None or self._held.token == refused:
                self._held = None
                self._held = await self._renew(refused)
            return self._held.token

    def _is_young(self, held: Held | None) -> bool:
        return held is not None and held.expires_at - self._now() >= REFRESH_AHEAD

    async def _renew(self, refused: str | None = None) -> Held:
        async with self._sessions() as session:
            stored = await self._stored(session)
        if stored and self._is_young(stored) and stored.token != refused:
            return stored
        spare = stored if stored and stored.token != refused else None
        if spare and spare.expires_at - self._now() < _LAST_MOMENT:
            spare = None
        try:
            if renewed := await self._renew_alone(refused, wait=spare is None):
                return renewed
        except WeChatError:
            # It is old but works: WeChat's trouble need not be ours yet.
            if spare is None:
                raise
        if spare is None:
            raise self._missing()
        return spare

    async def _renew_alone(self, refused: str | None, *, wait: bool) -> Held | None:
        """Fetch under the lock; None when somebody else is at it and we need not wait."""
        async with self._sessions() as session, session.begin():
            if not await self._lock(session, wait=wait):
                return None
            stored = await self._stored(session)
            if stored and self._is_young(stored) and stored.token != refused:
                return stored
            token, lifetime = await self._fetch(False)
            if token == refused:
                token, lifetime = await self._force()
            now = self._now()
            row = {"token": token, "expires_at": now + lifetime, "refreshed_at": now}
            await session.execute(
                insert(WechatToken)
                .values(app_id=self._app_id, kind=self._kind, **row)
                .on_conflict_do_update(index_elements=["app_id", "kind"], set_=row)
            )
            return Held(token, now + lifetime)

    async def _force(self) -> tuple[str, timedelta]:
        """WeChat insists on a token that it refuses: a new one, which it gives 20 times a day."""
        now = self._now()
        if self._forced_at and now - self._forced_at < _FORCED_APART:
            raise self._missing()
        self._forced_at = now
        return await self._fetch(True)

    async def _lock(self, session: AsyncSession, *, wait: bool) -> bool:
        key = func.hashtextextended(f"wechat token {self._app_id} {self._kind}", 0)
        if not wait:
            return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(key))))
        await session.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
        try:
            await session.execute(select(func.pg_advisory_xact_lock(key)))
        except OperationalError as error:
            raise self._missing() from error
        return True

    async def _stored(self, session: AsyncSession) -> Held | None:
        row = (
            await session.execute(
                select(WechatToken.token, WechatToken.expires_at).where(
                    WechatToken.app_id == self._app_id, WechatToken.kind == self._kind
                )
            )
        ).one_or_none()
        return Held(row.token, row.expires_at) if row else None

    def _missing(self) -> TryAgain:
        return TryAgain(self._kind, reason="no token to be had", after=_FORCED_APART)
