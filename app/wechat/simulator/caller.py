"""One call of the platform's API as its handlers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import Account, Contact, User
from app.wechat.simulator.refusals import Refused


@dataclass(frozen=True)
class Binary:
    """An answer that is a file."""

    content: bytes
    content_type: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Caller:
    """Who calls with what.

    `account` is the token's; `body` the JSON (or {}), `raw` its bytes; `upload` a form's file with
    its content type.
    """

    platform: Platform
    account: Account
    query: Mapping[str, str]
    body: dict[str, Any]
    raw: bytes
    upload: tuple[bytes, str] | None = None

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.platform.clock()

    def user(self, openid: Any) -> User:
        """The person with this openid of the calling account. Refuses 40003."""
        user = self.platform.by_openid(self.account.config.app_id, openid)
        if user is None:
            raise Refused(40003)
        return user

    def contact(self, user: User) -> Contact:
        """How that person stands with the calling account."""
        return user.contacts[self.account.config.app_id]
