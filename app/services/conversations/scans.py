"""Scans: a stele's code names the stele for half an hour, a slip's code asks who one is."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.domain import chat, geometry, replies
from app.domain.datum import Datum, to_wgs84
from app.errors import XunheError
from app.models import Stele
from app.services import invitations, sign_in, stele_codes
from app.services.conversations import sign_in as signing_in
from app.services.conversations.turns import Turn
from app.wechat.messages import Location

NAMED_FOR = timedelta(minutes=30)
# A location that overtook the scan it was sent after.
_OVERTAKEN = timedelta(seconds=5)


async def take_scene(turn: Turn, scene: str) -> str | None:
    """A QR code of the service account; None for a scene that is not ours."""
    if scene.startswith(stele_codes.SCENE_PREFIX):
        return await _name_stele(turn, scene.removeprefix(stele_codes.SCENE_PREFIX), None)
    if scene.startswith(invitations.SCENE_PREFIX):
        return await _ask_who(turn, scene)
    if scene.startswith(sign_in.SCENE_PREFIX):
        return await signing_in.take_scene(turn, scene)
    return None


async def take_scanned(turn: Turn, scanned: str) -> str:
    """What the menu's scanner read: the address of a stele's page, or a scene."""
    found = chat.stele_in(scanned)
    if found is not None:
        return await _name_stele(turn, *found)
    return await take_scene(turn, scanned.strip()) or replies.NOT_A_STELE


async def scanned(turns: Sequence[Turn]) -> Mapping[UUID | None, Stele]:
    """The steles that were scanned shortly before these turns, for `named_for`."""
    ids = {turn.conversation.stele_id for turn in turns if _is_recent(turn)}
    if not ids:
        return {}
    rows = await turns[0].session.scalars(select(Stele).where(Stele.id.in_(ids)))
    return {stele.id: stele for stele in rows}


def named_for(
    turn: Turn, message: Location, steles: Mapping[UUID | None, Stele]
) -> list[str | None] | None:
    """Code and token of the stele that this location names, if one was scanned lately.

    The first location after the scan names it in any case; later ones only while still at it, for
    who walks on within the half hour is not to be told that they are far from the stele.
    """
    conversation = turn.conversation
    named_at = conversation.stele_named_at
    if named_at is None or not _is_recent(turn):
        return None
    stele = steles[conversation.stele_id]
    last = conversation.check_in_sent_at
    if last is not None and last >= named_at:
        here = to_wgs84(message.lon, message.lat, Datum.gcj02)
        allowance = turn.settings.evidence.assumed_chat_accuracy_m
        if geometry.distance_m(*here, stele.lon, stele.lat) > stele.radius_m + allowance:
            return None
    return [stele.code, conversation.stele_token]


def _is_recent(turn: Turn) -> bool:
    """Whether a stele was scanned shortly before the turn's message was sent."""
    conversation = turn.conversation
    if conversation.stele_id is None or conversation.stele_named_at is None:
        return False
    return -_OVERTAKEN <= turn.message.sent_at - conversation.stele_named_at <= NAMED_FOR


async def _name_stele(turn: Turn, code: str, token: str | None) -> str:
    stele = await turn.session.scalar(select(Stele).where(Stele.code == code))
    if stele is None or (
        stele.retired_on is not None and stele.retired_on <= clock.day_of(turn.now)
    ):
        return replies.STELE_UNKNOWN
    conversation = turn.conversation
    conversation.stele_id, conversation.stele_token = stele.id, token
    conversation.stele_named_at = turn.message.sent_at
    return replies.at_stele(stele.name)


async def _ask_who(turn: Turn, scene: str) -> str:
    try:
        person, organisation = await invitations.find_by_scene(
            turn.session, turn.keys, scene, now=turn.now
        )
    except XunheError as refusal:
        if turn.person is not None:
            return replies.already_bound(turn.person.name)
        return replies.fit(refusal.detail or refusal.title)
    if turn.person is not None and turn.person.id == person.id:
        return replies.already_bound(person.name)
    turn.ask("slip", scene=scene)
    return replies.are_you(person.name, organisation.name)
