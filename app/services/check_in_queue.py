"""The short queue in front of check-ins: those waiting at one moment share one commit."""

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import (
    Busy,
    DatabaseUnavailable,
    Unauthenticated,
    Unexpected,
    XunheError,
)
from app.keys import Keys
from app.models import App, NoticeKind, Person
from app.services import access, check_ins, consents, subscriptions
from app.services.check_in_lists import Recorded
from app.services.new_check_in import NewCheckIn
from app.services.rate_limits import RateLimiter
from app.settings import Settings

log = structlog.get_logger(__name__)

_MOST_TOGETHER = 64
_MOST_WAITING = 2000
_GATHER_S = 0.01

Make = Callable[[Person], NewCheckIn]


@dataclass(slots=True)
class _Waiting:
    token: str
    make: Make
    now: datetime
    answer: asyncio.Future[Recorded]


class CheckInQueue:
    """One per process. It owns its transactions and answers each caller after COMMIT."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        limiter: RateLimiter,
        settings: Settings,
        keys: Keys,
    ) -> None:
        self._sessions = sessions
        self._limiter = limiter
        self._settings = settings
        self._keys = keys
        self._waiting: deque[_Waiting] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._lately = 1
        self._enough = asyncio.Event()

    async def record(self, token: str | None, make: Make, now: datetime) -> Recorded:
        """Record the check-in that `make` makes for the token's person.

        Raises what its caller may hear: `Unauthenticated`, `NotBound`, `ConsentNeeded`, `Conflict`,
        `UnknownCode`, `TooManyRequests`, `DatabaseUnavailable`, and `Busy` when the queue is full.
        """
        if not token:
            raise Unauthenticated
        if len(self._waiting) >= _MOST_WAITING:
            raise Busy(retry_after=2)
        waiting = _Waiting(token, make, now, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._waiting) >= self._lately:
            self._enough.set()
        if self._drain is None or self._drain.done():
            # A task of its own: the first caller may hang up, the others' records must not suffer.
            self._drain = asyncio.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        while self._waiting:
            await self._gather()
            count = min(_MOST_TOGETHER, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            try:
                answers = await self._together(batch)
            except Exception as error:  # noqa: BLE001  one bad row must not fail its neighbours
                answers = await self._one_by_one(batch, error)
            for waiting, answer in zip(batch, answers, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(answer, XunheError):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)

    async def _gather(self) -> None:
        """Under load, wait a moment for those whose last answer has just left to come again.

        Without it every second batch is the first of them alone, and the others wait behind it.
        """
        if len(self._waiting) < self._lately:
            self._enough.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GATHER_S):
                    await self._enough.wait()
        self._lately = min(_MOST_TOGETHER, len(self._waiting))

    async def _one_by_one(
        self, batch: Sequence[_Waiting], error: Exception
    ) -> list[Recorded | XunheError]:
        if len(batch) == 1 or _is_about_the_database(error):
            return [_explained(error)] * len(batch)
        answers: list[Recorded | XunheError] = []
        for waiting in batch:
            try:
                answers += await self._together([waiting])
            except Exception as alone:  # noqa: BLE001
                answers.append(_explained(alone))
        return answers

    async def _together(self, batch: Sequence[_Waiting]) -> list[Recorded | XunheError]:
        async with self._sessions() as session, session.begin():
            now = max(waiting.now for waiting in batch)
            callers = await access.identify_many(
                session, {waiting.token for waiting in batch}, now=now
            )
            people = {caller.person.id for caller in callers.values() if caller.person is not None}
            agreed = await consents.agreed(session, people, NoticeKind.position)
            answers: list[Recorded | XunheError | None] = []
            news: list[NewCheckIn] = []
            for waiting in batch:
                try:
                    person = await self._admit(callers.get(waiting.token), agreed, waiting.now)
                except XunheError as refusal:
                    answers.append(refusal)
                else:
                    answers.append(None)
                    news.append(waiting.make(person))
            recorded = iter(await check_ins.record_many(session, news, self._settings, self._keys))
            told = [next(recorded) if answer is None else answer for answer in answers]
            return await self._with_asking(session, batch, callers, told, now)

    async def _with_asking(
        self,
        session: AsyncSession,
        batch: Sequence[_Waiting],
        callers: Mapping[str, access.Caller],
        answers: list[Recorded | XunheError],
        now: datetime,
    ) -> list[Recorded | XunheError]:
        """The answers, some of which ask for leave to be reminded: it is given after a record."""
        template = self._settings.templates.reminder_mini_program
        if template is None:
            return answers
        users = {}
        for n, (waiting, answer) in enumerate(zip(batch, answers, strict=True)):
            user = callers[waiting.token].wechat_user if isinstance(answer, Recorded) else None
            if user is not None and user.app is App.mini_program:
                users[user.id] = n
        asked = await subscriptions.ask(
            session,
            users,
            template.id,
            few=subscriptions.FEW_PERMITS,
            apart=subscriptions.ASKED_APART,
            now=now,
        )
        for user_id in asked:
            answer = answers[users[user_id]]
            if isinstance(answer, Recorded):
                answers[users[user_id]] = dataclasses.replace(answer, ask_for=[template.id])
        return answers

    async def _admit(
        self, caller: access.Caller | None, agreed: Collection[UUID], now: datetime
    ) -> Person:
        if caller is None:
            raise Unauthenticated
        await self._limiter.take(caller.bucket, self._settings.rate_limit.per_person, now)
        person = access.person_of(caller)
        if person.id not in agreed:
            raise consents.needed(NoticeKind.position)
        return person


def _is_about_the_database(error: Exception) -> bool:
    return isinstance(error, OSError | TimeoutError | SQLAlchemyTimeout | InterfaceError) or (
        isinstance(error, OperationalError) and not isinstance(error.orig, DeadlockDetected)
    )


def _explained(error: Exception) -> XunheError:
    if isinstance(error, XunheError):
        return error
    if _is_about_the_database(error):
        log.warning("check-in not recorded", error=type(error).__name__)
        return DatabaseUnavailable()
    log.error("check-in not recorded", exc_info=error)
    return Unexpected()
