"""Who is asking, and what of ours is theirs to see."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Forbidden, NotBound, NotFound, Unauthenticated
from app.models import ApiKey, Login, Organisation, Person, Role, WechatUser, subtree_of

KEY_PREFIX = "xk_"


def token_hash(token: str) -> bytes:
    """What of a bearer token is stored: it is long and random, a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Caller:
    """A WeChat user with a login (`person` once bound), or a program with an API key.

    Whoever is signed in to the dashboard is a person without a login.
    """

    login: Login | None = None
    wechat_user: WechatUser | None = None
    person: Person | None = None
    api_key: ApiKey | None = None

    @property
    def bucket(self) -> str:
        """Whose rate limit this request counts against."""
        if self.api_key is not None:
            return f"key:{self.api_key.id}"
        if self.person is not None:
            return f"person:{self.person.id}"
        return f"wechat-user:{self.wechat_user.id if self.wechat_user else ''}"

    @property
    def is_manager(self) -> bool:
        """Whether this person manages somebody."""
        return self.person is not None and self.person.role is not Role.member


async def identify_many(
    session: AsyncSession, tokens: Collection[str], *, now: datetime
) -> Mapping[str, Caller]:
    """The callers of these bearer tokens; unknown, expired and ended ones are left out.

    Whoever is off the roster today is left without a person, and so without access.
    """
    by_hash = {token_hash(token): token for token in tokens}
    callers: dict[str, Caller] = {}
    if any(token.startswith(KEY_PREFIX) for token in tokens):
        keys = await session.scalars(
            select(ApiKey).where(ApiKey.key_hash.in_(by_hash), ApiKey.revoked_at.is_(None))
        )
        callers |= {by_hash[key.key_hash]: Caller(api_key=key) for key in keys}
    if any(not token.startswith(KEY_PREFIX) for token in tokens):
        rows = await session.execute(
            select(Login, WechatUser, Person)
            .join(WechatUser, WechatUser.id == Login.wechat_user_id)
            .outerjoin(Person, Person.id == WechatUser.person_id)
            .where(
                Login.token_hash.in_(by_hash),
                Login.ended_at.is_(None),
                Login.expires_at > now,
                WechatUser.erased_at.is_(None),
            )
        )
        today = clock.day_of(now)
        for login, user, person in rows:
            on_roster = person is not None and person.is_on_roster(today)
            callers[by_hash[login.token_hash]] = Caller(
                login=login, wechat_user=user, person=person if on_roster else None
            )
    return callers


async def identify(session: AsyncSession, token: str | None, *, now: datetime) -> Caller:
    """The caller of one token. Raises `Unauthenticated`."""
    if not token:
        raise Unauthenticated
    caller = (await identify_many(session, [token], now=now)).get(token)
    if caller is None:
        raise Unauthenticated
    return caller


def person_of(caller: Caller) -> Person:
    """The bound person behind the caller. Raises `NotBound`, or `Forbidden` for a program."""
    if caller.api_key is not None:
        raise Forbidden("这个接口只供人员使用，程序密钥只能读取。")
    if caller.person is None:
        raise NotBound
    return caller.person


def wechat_user_of(caller: Caller) -> WechatUser:
    """The WeChat user behind the caller, bound or not. Raises `Forbidden` for a program."""
    if caller.wechat_user is None:
        raise Forbidden("这个接口只供人员使用，程序密钥只能读取。")
    return caller.wechat_user


def login_of(caller: Caller) -> Login:
    """The login by which the caller is here. Raises `Forbidden` for a program."""
    if caller.login is None:
        raise Forbidden("这个接口只供人员使用，程序密钥只能读取。")
    return caller.login


async def scope_of(session: AsyncSession, caller: Caller) -> Collection[UUID] | None:
    """The organisations whose records the caller manages or reads; None = all; empty = none."""
    if caller.api_key is not None:
        root = caller.api_key.organisation_id
    elif caller.person is not None and caller.person.role is Role.admin:
        return None
    elif caller.person is not None and caller.person.role is Role.manager:
        root = caller.person.organisation_id
    else:
        return ()
    return (await session.scalars(subtree_of([root]))).all()


async def within(
    session: AsyncSession, caller: Caller, organisation: str | None
) -> Collection[UUID] | None:
    """As `scope_of`, narrowed to an organisation of this code and all below it, if one is given.

    Raises `NotFound` where there is none, or it lies outside of what the caller may see.
    """
    scope = await scope_of(session, caller)
    if organisation is None:
        return scope
    root = await session.scalar(select(Organisation.id).where(Organisation.code == organisation))
    if root is None or (scope is not None and root not in scope):
        raise NotFound("没有找到这个组织。")
    return (await session.scalars(subtree_of([root]))).all()


async def manages(session: AsyncSession, caller: Caller, organisation_id: UUID) -> bool:
    """Whether the organisation lies in what the caller manages (programs manage nothing)."""
    if caller.person is None or caller.api_key is not None:
        return False
    scope = await scope_of(session, caller)
    return scope is None or organisation_id in scope


async def organisation_of(session: AsyncSession, person: Person) -> Organisation:
    """The organisation that the person is in now."""
    return await session.get_one(Organisation, person.organisation_id)
