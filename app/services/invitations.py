"""Invitations: one-time codes that an admin gives out, and what becomes of those typed in."""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import InvitationUnknown, InvitationUsed, TooManyRequests
from app.keys import Keys
from app.models import App, Invitation, Organisation, Person, WechatUser, on_roster, subtree_of
from app.services import bindings

SCENE_PREFIX = "inv_"
FAILURES_ALLOWED = 10
FAILURES_FORGOTTEN_AFTER = timedelta(hours=1)

_CODE = re.compile(r"[0-9]{6,8}", re.ASCII)
_IGNORED = re.compile(r"[\s\-—·.,，。]+")


def digits_of(typed: str) -> str | None:
    """The code in what somebody typed, spaces and full width forgiven; None if there is none."""
    digits = _IGNORED.sub("", unicodedata.normalize("NFKC", typed))
    return digits if _CODE.fullmatch(digits) else None


async def create(
    session: AsyncSession,
    keys: Keys,
    person: Person,
    *,
    by: Person | None,
    now: datetime,
    days: int,
) -> tuple[str, str]:
    """A new `(code, scene)` for the person, good once for `days` days; only digests are kept.

    Earlier ones stay good: a slip printed again must not kill the code that somebody was told on
    the telephone. They die by age, or when the person has both identities.
    """
    while True:
        code, scene = f"{secrets.randbelow(10**8):08}", SCENE_PREFIX + secrets.token_urlsafe(18)
        try:
            async with session.begin_nested():
                session.add(
                    Invitation(
                        code_hash=_code_hash(keys, code),
                        scene_hash=_scene_hash(keys, scene),
                        person_id=person.id,
                        created_by_id=by.id if by else None,
                        created_at=now,
                        expires_at=now + timedelta(days=days),
                    )
                )
        except IntegrityError:
            continue  # Somebody has these digits already.
        return code, scene


async def awaited(
    session: AsyncSession, organisation: Organisation, *, now: datetime
) -> Sequence[tuple[Person, Organisation]]:
    """Whoever of the organisation's subtree is on the roster and not in the chat yet."""
    in_chat = select(WechatUser.person_id).where(
        WechatUser.app == App.service_account, WechatUser.person_id.is_not(None)
    )
    rows = await session.execute(
        select(Person, Organisation)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(
            Person.organisation_id.in_(subtree_of([organisation.id])),
            on_roster(clock.day_of(now)),
            Person.id.not_in(in_chat),
        )
        .order_by(Organisation.code, Person.code)
    )
    return [(person, place) for person, place in rows]


async def find_by_scene(
    session: AsyncSession, keys: Keys, scene: str, *, now: datetime
) -> tuple[Person, Organisation]:
    """Whom a slip's QR code speaks to. Raises `InvitationUnknown` or `InvitationUsed`."""
    invitation = await _by_scene(session, keys, scene)
    person = await _good(session, invitation, None, now)
    return person, await session.get_one(Organisation, person.organisation_id)


async def use(
    session: AsyncSession, keys: Keys, typed: str, wechat_user: WechatUser, *, now: datetime
) -> Person:
    """Bind the WeChat user by a code as typed; the very same use again is no failure.

    Raises `InvitationUnknown`, `InvitationUsed` (both are counted against guessing: commit before
    passing them on), `TooManyRequests` after ten within an hour, and as `bindings.bind`.
    """
    user = await session.get_one(
        WechatUser, wechat_user.id, with_for_update={"key_share": True}, populate_existing=True
    )
    recent = (
        user.failed_code_at is not None and now - user.failed_code_at < FAILURES_FORGOTTEN_AFTER
    )
    if recent and user.failed_codes >= FAILURES_ALLOWED:
        raise TooManyRequests("邀请码输错次数太多，请一小时后再试。", retry_after=3600)
    code = digits_of(typed)
    invitation = (
        await session.scalar(
            select(Invitation)
            .where(Invitation.code_hash == _code_hash(keys, code))
            .with_for_update()
        )
        if code is not None
        else None
    )
    try:
        person = await _good(session, invitation, user, now)
    except (InvitationUnknown, InvitationUsed):
        user.failed_codes = user.failed_codes + 1 if recent else 1
        user.failed_code_at = now
        await session.flush()
        raise
    return await _spend(session, invitation, user, person, now=now, via="invitation")


async def use_scene(
    session: AsyncSession, keys: Keys, scene: str, wechat_user: WechatUser, *, now: datetime
) -> Person:
    """Bind whoever scanned a slip and said yes. Raises as `use`; a scene cannot be guessed."""
    user = await session.get_one(
        WechatUser, wechat_user.id, with_for_update={"key_share": True}, populate_existing=True
    )
    invitation = await _by_scene(session, keys, scene, lock=True)
    person = await _good(session, invitation, user, now)
    return await _spend(session, invitation, user, person, now=now, via="slip")


async def _by_scene(
    session: AsyncSession, keys: Keys, scene: str, *, lock: bool = False
) -> Invitation | None:
    wanted = select(Invitation).where(Invitation.scene_hash == _scene_hash(keys, scene))
    return await session.scalar(wanted.with_for_update() if lock else wanted)


async def _good(
    session: AsyncSession, invitation: Invitation | None, user: WechatUser | None, now: datetime
) -> Person:
    """The person invited, if the invitation still holds."""
    if invitation is None:
        raise InvitationUnknown
    # It may have died a moment ago because the other app brought this one along.
    is_done = user is not None and user.person_id == invitation.person_id
    if invitation.revoked_at is not None and not is_done:
        raise InvitationUnknown
    if invitation.used_at is not None:
        if not (is_done and user is not None and invitation.used_by_id == user.id):
            raise InvitationUsed
    elif invitation.expires_at <= now:
        raise InvitationUnknown
    person = await session.get_one(Person, invitation.person_id)
    if not person.is_on_roster(clock.day_of(now)):
        raise InvitationUnknown
    return person


async def _spend(
    session: AsyncSession,
    invitation: Invitation | None,
    user: WechatUser,
    person: Person,
    *,
    now: datetime,
    via: str,
) -> Person:
    await bindings.bind(session, user, person, now=now, via=via)
    if invitation is not None and invitation.used_at is None:
        invitation.used_at, invitation.used_by_id = now, user.id
        await session.flush()
    apps = await session.scalars(select(WechatUser.app).where(WechatUser.person_id == person.id))
    if len(apps.all()) == len(App):
        await session.execute(
            update(Invitation)
            .where(
                Invitation.person_id == person.id,
                Invitation.used_at.is_(None),
                Invitation.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )
    return person


def _code_hash(keys: Keys, code: str) -> bytes:
    # Keyed, because eight digits are soon tried through.
    return keys.digest("invitation-code", code)


def _scene_hash(keys: Keys, scene: str) -> bytes:
    return keys.digest("invitation-scene", scene)
