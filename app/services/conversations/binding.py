"""Binding in the chat: by code, by slip, by application; and what was kept until then."""

from collections.abc import Awaitable

from app.domain import chat, replies
from app.errors import IdentityTaken, XunheError
from app.models import NoticeKind, Person
from app.services import access, applications, consents, invitations
from app.services.conversations import held, releasing, turns
from app.services.conversations.turns import Turn


async def by_code(turn: Turn, typed: str) -> str:
    """`绑定 <code>`, or a code alone."""
    return await _bind(
        turn,
        invitations.use(turn.session, turn.keys, typed, turn.user, now=turn.now),
    )


async def by_slip(turn: Turn, scene: str) -> str:
    """The yes to "are you …?"."""
    return await _bind(
        turn,
        invitations.use_scene(turn.session, turn.keys, scene, turn.user, now=turn.now),
    )


async def by_command(turn: Turn, rest: str) -> str:
    """`绑定 …`: a code, or name and phone of somebody who has none."""
    if chat.code_in(rest):
        return await by_code(turn, rest)
    who = chat.name_and_phone(rest)
    if who is not None:
        return await apply(turn, *who)
    if turn.person is not None:
        return replies.already_bound(turn.person.name)
    turn.ask("application")
    return replies.ASK_NAME


async def apply(turn: Turn, name: str, phone: str) -> str:
    """Ask a manager to find the sender on the roster."""
    try:
        await applications.apply(
            turn.session, turn.user, name=name, phone=phone, organisation=None, now=turn.now
        )
    except XunheError as refusal:
        return replies.fit(refusal.detail or refusal.title)
    turn.forget_question()
    return replies.APPLIED


async def agree(turn: Turn) -> str:
    """`同意`: positions may be used from now on, and those that are held."""
    await consents.record(turn.session, turn.user, NoticeKind.position, agreed=True, now=turn.now)
    if turn.person is None:
        return replies.AGREED_UNBOUND
    return await _release(turn, turn.person) or replies.AGREED


async def disagree(turn: Turn) -> str:
    """`不同意`: what is held of positions goes, everything else stays."""
    await consents.record(turn.session, turn.user, NoticeKind.position, agreed=False, now=turn.now)
    await held.drop_positions(turn.session, turn.user)
    return replies.DISAGREED


async def take_back(turn: Turn, notice: NoticeKind) -> str:
    """`撤回同意`, `撤回轨迹同意`: as the notices promise."""
    await consents.record(turn.session, turn.user, notice, agreed=False, now=turn.now)
    if notice is NoticeKind.track:
        return replies.TRACK_TAKEN_BACK
    await held.drop_positions(turn.session, turn.user)
    return replies.TAKEN_BACK


async def _bind(turn: Turn, binding: Awaitable[Person]) -> str:
    """Refusals are answered, not raised: what they leave behind (a failed try) must stay."""
    before = turn.person
    try:
        person = await binding
    except IdentityTaken:
        turn.forget_question()
        return replies.IDENTITY_TAKEN
    except XunheError as refusal:
        return replies.fit(refusal.detail or refusal.title)
    turn.forget_question()
    turn.person = person
    consent = await turns.consent_of(turn.session, turn.user)
    if before is not None and before.id == person.id:
        return replies.already_bound(person.name)
    if consent:
        counted = await _release(turn, person)
        if counted is not None:
            return replies.bound_and(counted)
    organisation = await access.organisation_of(turn.session, person)
    return replies.bound(person.name, organisation.name, bool(consent))


async def _release(turn: Turn, person: Person) -> str | None:
    released = await releasing.release(
        turn.session,
        turn.settings,
        turn.keys,
        turn.user,
        person,
        turn.conversation,
        now=turn.now,
    )
    return await releasing.told(turn.session, released, now=turn.now) if released else None
