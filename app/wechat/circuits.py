"""Circuits: calls that WeChat refuses for a lasting reason are switched off for all processes."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import WechatCircuit
from app.wechat.errors import CircuitOpen

log = structlog.get_logger(__name__)

opened_total = Counter("xunhe_wechat_circuits_opened_total", "Calls switched off", ["path"])

_BELIEVED_FOR = timedelta(seconds=1)


class Circuits:
    """One app's open circuits; what another process opened is noticed within a second."""

    def __init__(
        self, app_id: str, sessions: async_sessionmaker[AsyncSession], now: Callable[[], datetime]
    ) -> None:
        self._app_id = app_id
        self._sessions = sessions
        self._now = now
        self._open: dict[str, tuple[int, datetime]] = {}
        self._read_at: datetime | None = None
        self._one_at_a_time = asyncio.Lock()

    async def require(self, *paths: str) -> None:
        """Raise `CircuitOpen` when one of the paths is switched off."""
        now = self._now()
        if not self._is_fresh(now):
            # One reads for all: a reader each would take every connection that there is.
            async with self._one_at_a_time:
                if not self._is_fresh(now):
                    await self._read(now)
        for path in paths:
            errcode, closes_at = self._open.get(path, (0, now))
            if closes_at > now:
                raise CircuitOpen(path, errcode, after=closes_at - now, reason="switched off")

    def _is_fresh(self, now: datetime) -> bool:
        return self._read_at is not None and now - self._read_at < _BELIEVED_FOR

    async def open(self, path: str, errcode: int, closes_at: datetime) -> None:
        """Switch `path` off until then; `errcode` is the reason an operator reads."""
        now = self._now()
        row = {"errcode": errcode, "opened_at": now, "closes_at": closes_at}
        async with self._sessions() as session, session.begin():
            await session.execute(
                insert(WechatCircuit)
                .values(app_id=self._app_id, path=path, **row)
                .on_conflict_do_update(index_elements=["app_id", "path"], set_=row)
            )
        self._open[path] = (errcode, closes_at)
        opened_total.labels(path.split("#")[0]).inc()
        log.error("wechat circuit opened", path=path, errcode=errcode, closes_at=str(closes_at))

    async def close(self) -> None:
        """Switch everything on again: an operator has put right what was wrong."""
        async with self._sessions() as session, session.begin():
            await session.execute(delete(WechatCircuit).where(WechatCircuit.app_id == self._app_id))
        self._open.clear()

    async def _read(self, now: datetime) -> None:
        async with self._sessions() as session:
            rows = await session.execute(
                select(WechatCircuit.path, WechatCircuit.errcode, WechatCircuit.closes_at).where(
                    WechatCircuit.app_id == self._app_id, WechatCircuit.closes_at > now
                )
            )
            self._open = {path: (errcode, closes_at) for path, errcode, closes_at in rows}
        self._read_at = now
