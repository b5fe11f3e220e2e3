"""Rate limits: token buckets in the database, taken from by all processes in small leases."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import TooManyRequests

# A process takes this part of a minute's tokens at a time: one statement per so many requests.
_LEASE_PART = 60
_LEASE_S = 10

_TAKE = text(
    """
    INSERT INTO rate_buckets AS bucket (key, tokens, at)
    VALUES (:key, :per_minute - :wanted, :now)
    ON CONFLICT (key) DO UPDATE SET
      at = greatest(bucket.at, excluded.at),
      tokens = least(:per_minute, bucket.tokens + :per_minute / 60.0
                 * greatest(0, extract(epoch FROM excluded.at - bucket.at))) - :wanted
    WHERE least(:per_minute, bucket.tokens + :per_minute / 60.0
                 * greatest(0, extract(epoch FROM excluded.at - bucket.at))) >= :wanted
    RETURNING tokens
    """
).bindparams(bindparam("per_minute"), bindparam("wanted"))


@dataclass(slots=True)
class _Lease:
    tokens: int
    taken_at: datetime


class RateLimiter:
    """One per process; `sessions` should have a small pool of its own.

    A lease is at most 1/60 of a minute's tokens, so that small limits are exact and large ones cost
    a statement only now and then; what a process leaves over of a lease is lost after ten seconds.
    """

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._leases: dict[str, _Lease] = {}

    async def take(self, key: str, per_minute: int, now: datetime) -> None:
        """Use up one token of the bucket. Raises `TooManyRequests`, which costs none."""
        if per_minute == 0:
            return
        if self._unused(key, now) > 0:
            self._leases[key].tokens -= 1
            return
        for wanted in {max(1, per_minute // _LEASE_PART): None, 1: None}:
            async with self._sessions() as session, session.begin():
                left = await session.scalar(
                    _TAKE, {"key": key, "per_minute": per_minute, "wanted": wanted, "now": now}
                )
            if left is not None:
                self._forget_stale(now)
                # Requests of the same moment may each have taken a lease: none of it gets lost.
                unused = self._unused(key, now)
                self._leases[key] = _Lease(unused + wanted - 1, now)
                return
        raise TooManyRequests(retry_after=-(-60 // per_minute))

    def _unused(self, key: str, now: datetime) -> int:
        lease = self._leases.get(key)
        if lease is None or (now - lease.taken_at).total_seconds() >= _LEASE_S:
            return 0
        return lease.tokens

    def _forget_stale(self, now: datetime) -> None:
        if len(self._leases) < 10_000:
            return
        self._leases = {
            key: lease
            for key, lease in self._leases.items()
            if (now - lease.taken_at).total_seconds() < _LEASE_S
        }
