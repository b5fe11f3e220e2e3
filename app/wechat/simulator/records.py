"""What the platform remembers about people, accounts and messages, one record each."""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from app.wechat.simulator.config import AccountConfig, Template
from app.wechat.simulator.crypto import Sealer


@dataclass
class Window:
    """Leave to send customer-service messages: so many until then."""

    until: float
    left: int


@dataclass
class Contact:
    """How one person stands with one account.

    `permits` are accepts not yet used up, `standing` long-term templates accepted; `settled` are
    answers for which the person ticked 总是保持以上选择.
    """

    openid: str
    follows: bool = False
    followed_at: float = 0.0
    scene: str = ""
    last_interaction: float | None = None
    message_window: Window | None = None
    action_window: Window | None = None
    permits: Counter[str] = field(default_factory=Counter)
    standing: set[str] = field(default_factory=set)
    settled: dict[str, str] = field(default_factory=dict)


@dataclass
class ChatItem:
    """A bubble on somebody's phone; `mine` is what they sent themselves."""

    seq: int
    at: float
    mine: bool
    kind: str  # own, reply, customer, template, subscribe, notice
    type: str  # text, image, voice, video, location, news, card, event
    app_id: str
    text: str = ""
    title: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    page: str = ""
    media_id: str = ""
    template_id: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass
class User:
    """A person and their phone; they have seen the bubbles up to number `read`.

    `template_outcome` is what a template message comes to, `subscription_error` (0 = success) what
    a subscription message does after the platform took it.
    """

    key: str
    name: str
    phone: str | None
    unionid: str
    contacts: dict[str, Contact]
    chat: list[ChatItem] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    read: int = 0
    template_outcome: str = "success"
    subscription_error: int = 0
    blocked: bool = False
    snapshot: bool = False

    @property
    def outbox(self) -> list[ChatItem]:
        """What arrived on this phone: replies, messages, notices."""
        return [item for item in self.chat if not item.mine]

    @property
    def unread(self) -> int:
        """How many bubbles arrived that they have not seen."""
        return sum(not item.mine for item in self.chat[self.read :])


@dataclass
class AccessToken:
    """A token of an account and until when it works."""

    value: str
    expires_at: float


@dataclass
class Code:
    """A single-use code: for a session, a phone number, or a web login."""

    kind: str
    app_id: str
    user: User
    expires_at: float
    used: bool = False
    snapshot: bool = False


@dataclass
class Media:
    """A file on the platform: the temporary media of an account."""

    content: bytes
    content_type: str
    kind: str
    app_id: str
    expires_at: float


@dataclass
class Account:
    """An account with what it made: tokens, menu, codes."""

    config: AccountConfig
    tokens: list[AccessToken] = field(default_factory=list)
    refreshes: deque[float] = field(default_factory=deque)
    ticket: AccessToken | None = None
    menu: list[dict[str, Any]] | None = None
    permanent_scenes: set[str | int] = field(default_factory=set)
    calls_today: Counter[tuple[str, int]] = field(default_factory=Counter)
    recent: dict[str, deque[float]] = field(default_factory=dict)
    sent: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    sealer: Sealer | None = None

    def template(self, template_id: str, kind: str) -> Template | None:
        """The template of that id and kind, if the account has it."""
        for template in self.config.templates:
            if template.id == template_id and template.kind == kind:
                return template
        return None

    def within(self, name: str, limit: int, seconds: float, now: float) -> bool:
        """Count one use of `name` and tell whether it stays within `limit` in `seconds`."""
        uses = self.recent.setdefault(name, deque())
        while uses and uses[0] <= now - seconds:
            uses.popleft()
        if len(uses) >= limit:
            return False
        uses.append(now)
        return True


@dataclass
class Call:
    """One call of the API, as the request log keeps it; tokens and secrets are elided."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    errcode: int = 0
    status: int = 200
    fault: bool = False


@dataclass
class Attempt:
    """One try to deliver a push. `status` is None when no answer came in time."""

    at: float
    status: int | None = None
    error: str = ""


@dataclass
class Push:
    """A message or event for an account's callback, and what became of it.

    `outcome` is success, replied, failed or none (no callback registered); `fault` says what was
    wrong with the answer.
    """

    app_id: str
    openid: str
    kind: str
    msg_id: int | None
    fields: dict[str, Any]
    attempts: list[Attempt] = field(default_factory=list)
    outcome: str = ""
    fault: str = ""
    reply: dict[str, Any] | None = None
