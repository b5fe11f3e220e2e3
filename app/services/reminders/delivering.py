"""Delivering: what is due goes out, at most once, by the first channel that takes it.

Claimed and written down before the call, booked after it, both in batches. Whoever dies between
leaves deliveries that another finds: a template is sent again under its `client_msg_id` while
WeChat would know it, all others are unknown and said so.
"""

import asyncio
import contextlib
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy.exc
import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain import reminder_texts
from app.models import Channel
from app.services.reminders import claiming, outcomes
from app.services.reminders.attempts import Send
from app.services.reminders.channels import template_of
from app.services.reminders.outcomes import Kind, Outcome
from app.settings import Settings
from app.wechat.client import WeChat
from app.wechat.errors import WeChatError

log = structlog.get_logger(__name__)

AT_ONCE = 64
# Few enough that not many are in doubt when a worker is killed: these, and as many claimed ahead.
# Half as many a claim nearly halve the rate: most of what a claim costs is the same for any number.
BATCH = 256
_BOOK_TRIES = 5
_BOOK_AFTER_S = 0.5
_LONGEST_RUN = timedelta(minutes=30)


async def deliver_due(
    sessions: async_sessionmaker[AsyncSession],
    wechat: WeChat,
    settings: Settings,
    *,
    now: datetime,
    only: Collection[UUID] | None = None,
) -> None:
    """Send the reminders whose time has come (of `only`, if given), and book what became of them.

    Any number of workers may be at it. What WeChat cannot take now waits for another call of this.
    """
    await _Run(sessions, wechat, settings, now, only).go()


class _Run:
    """One pass: a claimer, some senders, a booker, each waiting for the one before."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        wechat: WeChat,
        settings: Settings,
        now: datetime,
        only: Collection[UUID] | None,
    ) -> None:
        self._sessions = sessions
        self._wechat = wechat
        self._settings = settings
        self._began_at = now
        self._only = only
        self._holder = uuid4()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._claimed: asyncio.Queue[Send | None] = asyncio.Queue(maxsize=BATCH)
        self._made: list[Outcome] = []
        self._some_made = asyncio.Event()
        self._all_made = False
        self._in_hand = 0
        self._booked = asyncio.Event()

    def _now(self) -> datetime:
        """The door's present and what has passed since: a long run outlives a span of hours."""
        return self._began_at + timedelta(seconds=self._loop.time() - self._began)

    async def go(self) -> None:
        """Until nothing is due any more; what goes wrong with the database is raised."""
        self._booking = asyncio.create_task(self._book())
        try:
            async with asyncio.TaskGroup() as sending:
                for _ in range(AT_ONCE):
                    sending.create_task(self._send_claimed())
                await self._claim()
                for _ in range(AT_ONCE):
                    await self._claimed.put(None)
        finally:
            # Also when this is cancelled: what was sent must be written down.
            self._put_back()
            self._all_made = True
            self._some_made.set()
            await self._booking

    async def _claim(self) -> None:
        """Claim while the senders send; at the end, wait whether a refusal leaves another rung."""
        while self._now() - self._began_at < _LONGEST_RUN and not self._booking.done():
            self._booked.clear()
            async with self._sessions() as session, session.begin():
                found, sends = await claiming.claim(
                    session,
                    self._settings,
                    now=self._now(),
                    holder=self._holder,
                    most=BATCH,
                    only=self._only,
                )
            self._in_hand += len(sends)
            for send in sends:
                await self._claimed.put(send)
            if found:
                continue
            if not self._in_hand:
                return
            if not self._booking.done():
                await self._booked.wait()

    async def _send_claimed(self) -> None:
        while (send := await self._claimed.get()) is not None:
            outcome = await _send(self._wechat, self._settings, send)
            # Looked up only now: while we waited, the booker may have taken the list away.
            self._made.append(outcome)
            if len(self._made) >= AT_ONCE or len(self._made) >= self._in_hand:
                self._some_made.set()

    def _put_back(self) -> None:
        """What was claimed and not begun, should this run end early."""
        while not self._claimed.empty():
            if (send := self._claimed.get_nowait()) is not None:
                self._made.append(Outcome(send, Kind.later, None))

    async def _book(self) -> None:
        """Book in batches: when enough is made, or all that is in hand, or a moment has passed."""
        try:
            while not (self._all_made and not self._made):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._some_made.wait(), _BOOK_AFTER_S)
                if not self._all_made:
                    self._some_made.clear()
                batch, self._made = self._made, []
                if batch:
                    await self._keep(batch)
                    self._in_hand -= len(batch)
                    self._booked.set()
        finally:
            self._booked.set()

    async def _keep(self, batch: list[Outcome]) -> None:
        """Once sent, it is worth some patience with the database to say so."""
        for attempt in range(1, _BOOK_TRIES + 1):
            try:
                async with self._sessions() as session, session.begin():
                    await outcomes.book(session, batch, now=self._now(), holder=self._holder)
            except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError) as error:
                log.warning("outcomes not booked", attempt=attempt, error=type(error).__name__)
                if attempt == _BOOK_TRIES:
                    raise
                await asyncio.sleep(attempt)
            else:
                return


async def _send(wechat: WeChat, settings: Settings, send: Send) -> Outcome:
    """Make the call; nothing but its outcome comes out of here."""
    notice, rung = send.worded.notice, send.rung
    url = reminder_texts.address(settings.public_url, notice)
    page = reminder_texts.page(notice)
    text = reminder_texts.sentence(notice, url=url)
    template = template_of(rung.channel, settings)
    msgid: str | None = None
    try:
        if template is None:
            await wechat.service_account.send_text(rung.openid, text)
            return Outcome(send, Kind.sent, text)
        data = reminder_texts.fields_of(notice, template.fields, name=send.worded.name)
        match rung.channel:
            case Channel.template:
                mini = settings.mini_program
                msgid = await wechat.service_account.send_template(
                    rung.openid,
                    template.id,
                    data,
                    client_msg_id=send.client_msg_id,
                    url=url,
                    mini_program=(mini.app_id, page) if mini.is_configured else None,
                )
            case Channel.mini_program:
                await wechat.mini_program.send_subscribed(rung.openid, template.id, data, page=page)
            case _:
                await wechat.service_account.send_subscribed(
                    rung.openid, template.id, data, page=url
                )
    except WeChatError as error:
        return outcomes.of_error(send, text, error)
    return Outcome(send, Kind.sent, text, msgid=msgid)
