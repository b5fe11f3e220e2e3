"""Everything the simulated platform remembers, in memory, in one object that can be reset."""

import asyncio
import hashlib
import time
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from app.wechat.simulator.config import PersonConfig, PlatformConfig
from app.wechat.simulator.crypto import Sealer
from app.wechat.simulator.faults import Faults
from app.wechat.simulator.records import (
    Account,
    Call,
    ChatItem,
    Code,
    Contact,
    Media,
    Push,
    User,
)

FAULT_NOTICE = "该公众号提供的服务出现故障，请稍后再试"
MEDIA_DAYS = 3


def stable_id(*parts: str) -> str:
    """An identity that survives a restart of the simulator: 27 characters out of a hash."""
    return urlsafe_b64encode(hashlib.sha256("\n".join(parts).encode()).digest()).decode()[:27]


def openid_of(app_id: str, key: str) -> str:
    """The openid that the person has with the account, in every run."""
    return "o" + stable_id("openid", app_id, key)


def unionid_of(key: str) -> str:
    """The person's unionid, in every run."""
    return "u" + stable_id("unionid", key)


class World:
    """The platform's memory. `clock` gives seconds since the epoch and may be replaced."""

    def __init__(self, config: PlatformConfig, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.clock = clock
        self.tasks: set[asyncio.Task[Any]] = set()
        self._number = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        for task in self.tasks:
            task.cancel()
        self.tasks = set()
        self.accounts = {
            account.app_id: Account(
                account, sealer=Sealer(account.aes_key, account.app_id) if account.aes_key else None
            )
            for account in (self.config.service_account, self.config.mini_program)
        }
        self.openids: dict[tuple[str, str], User] = {}
        self.users = {person.key: self._user(person) for person in self.config.people}
        self.codes: dict[str, Code] = {}
        self.media: dict[str, Media] = {}
        self.faults = Faults()
        self.calls: deque[Call] = deque(maxlen=10_000)
        self.pushes: deque[Push] = deque(maxlen=10_000)
        self.unionids = self.config.unionids
        self.latency = self.config.latency
        self.being_sent_to: set[str | None] = set()
        self.copies = 1
        # The mini-program's sessions with our API, by person.
        self.sessions: dict[str, str] = {}

    def _user(self, person: PersonConfig) -> User:
        contacts = {
            app_id: Contact(openid=openid_of(app_id, person.key)) for app_id in self.accounts
        }
        contact = contacts[self.config.service_account.app_id]
        contact.follows = person.follows
        contact.followed_at = self.clock() if person.follows else 0.0
        for account in (self.config.service_account, self.config.mini_program):
            for template in account.templates:
                left = person.permits.get(template.id, 0)
                if template.long_term and left:
                    contacts[account.app_id].standing.add(template.id)
                elif left:
                    contacts[account.app_id].permits[template.id] = left
        user = User(person.key, person.name, person.phone, unionid_of(person.key), contacts)
        self.openids |= {(app_id, one.openid): user for app_id, one in contacts.items()}
        return user

    @property
    def service_account(self) -> Account:
        """The service account (服务号)."""
        return self.accounts[self.config.service_account.app_id]

    @property
    def mini_program(self) -> Account:
        """The mini-program (小程序)."""
        return self.accounts[self.config.mini_program.app_id]

    def add_person(self, person: PersonConfig) -> User:
        """A new person with a phone."""
        user = self.users[person.key] = self._user(person)
        return user

    def by_openid(self, app_id: str, openid: Any) -> User | None:
        """Who has this openid with this account."""
        return self.openids.get((app_id, openid)) if isinstance(openid, str) else None

    def number(self) -> int:
        """A new 64-bit number, beyond what a double holds, never repeated, not after a restart."""
        self._number = max(self._number + 1, 24_000_000_000_000_000 + time.time_ns() // 1000)
        return self._number

    def show(self, user: User, item: ChatItem) -> ChatItem:
        """Put a bubble on a phone and wake whoever waits for one."""
        user.chat.append(item)
        user.arrived.set()
        user.arrived = asyncio.Event()
        return item

    def bubble(self, user: User, kind: str, type_: str, app_id: str, **given: Any) -> ChatItem:
        """Make and show a bubble."""
        item = ChatItem(
            seq=len(user.chat) + 1,
            at=self.clock(),
            mine=kind == "own",
            kind=kind,
            type=type_,
            app_id=app_id,
            **given,
        )
        return self.show(user, item)

    def later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do this in the background; `settle` waits for it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def settle(self) -> None:
        """Wait until everything in the background is done, also what that brings about."""
        while self.tasks:
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def keep_media(self, app_id: str, kind: str, content: bytes, content_type: str) -> str:
        """Store temporary media and give its id."""
        media_id = stable_id("media", str(self.number())) + stable_id(app_id, kind)
        expires_at = self.clock() + MEDIA_DAYS * 86400
        self.media[media_id] = Media(content, content_type, kind, app_id, expires_at)
        return media_id
