"""Questions: what we asked in the chat, and what the answer to it means."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from app.domain import chat, replies
from app.domain.chat import Command, Said
from app.models import ChatMedia, CheckIn
from app.services import chat_media
from app.services.conversations import binding, companions, letters, photos, records, sign_in
from app.services.conversations.turns import Turn

ANSWERED_WITHIN = timedelta(minutes=10)
# This one comes out of the blue, perhaps while its reader is on the way home.
PHOTO_ANSWERED_WITHIN = timedelta(hours=24)


async def answer(turn: Turn, said: Said, typed: str) -> str | None:
    """The reply to an answer to our question; None where it is none."""
    question = turn.conversation.question
    if question is None or turn.conversation.asked_at is None:
        return None
    kind = question["kind"]
    within = PHOTO_ANSWERED_WITHIN if kind == "photos" else ANSWERED_WITHIN
    if turn.now - turn.conversation.asked_at > within:
        turn.forget_question()
        return None
    if kind == "sign_in":
        return await sign_in.answer(turn, said, typed)
    if said.command in {Command.no, Command.cancel} and kind in {"slip", "application"}:
        turn.forget_question()
        return replies.NOT_YOU if kind == "slip" else replies.ALL_RIGHT
    if said.command is Command.cancel and kind == "companion":
        turn.forget_question()
        return replies.companions(question["added"], question["unknown"]) or replies.ALL_RIGHT
    if said.command is Command.yes and kind == "slip":
        return await binding.by_slip(turn, question["scene"])
    if said.command is Command.yes and kind == "letter":
        return await letters.confirm(turn, question["number"])
    if kind == "application" and said.command is None:
        who = chat.name_and_phone(typed)
        return await binding.apply(turn, *who) if who is not None else None
    if said.command is not Command.choice:
        return None
    return await _choose(turn, kind, int(said.rest))


async def _choose(turn: Turn, kind: str, number: int) -> str | None:
    if kind == "choices" and 1 <= number <= 3:
        turn.forget_question()
        if number == 1:
            return replies.HOW_TO_RECORD
        if number == 2:
            return await records.progress(turn)
        return replies.HELP if turn.person is not None else replies.UNBOUND_HELP
    if kind == "companion" and turn.person is not None:
        return await companions.choose(turn, turn.person, number)
    if kind == "photos" and turn.person is not None:
        return await _place_photos(turn, turn.person.id, number)
    return None


async def _place_photos(turn: Turn, person_id: UUID, number: int) -> str | None:
    """Photos that waited in vain: to a record, to the location that comes now, or only kept."""
    question = turn.conversation.question or {}
    check_ins, media_ids = question["choices"], question["media"]
    if not 1 <= number <= len(check_ins) + 2:
        return None
    turn.forget_question()
    if number == len(check_ins) + 2:
        return replies.PHOTO_KEPT
    if number == len(check_ins) + 1:
        turn.ask("next_location", media=media_ids)
        return replies.PHOTO_AWAITS_NEXT
    check_in = await turn.session.get_one(CheckIn, UUID(check_ins[number - 1]))
    if check_in.person_id != person_id or check_in.withdrawn_at is not None:
        return replies.CANCELLED_BEFORE
    media = (
        await turn.session.scalars(
            select(ChatMedia)
            .where(
                ChatMedia.id.in_([UUID(id_) for id_ in media_ids]), ChatMedia.check_in_id.is_(None)
            )
            .order_by(ChatMedia.sent_at)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).all()
    for each in media:
        each.check_in_id = check_in.id
    await turn.session.flush()
    await chat_media.attach(turn.session, media, turn.settings, now=turn.now)
    return await photos.joined(turn, check_in, await photos.received(turn, check_in.id))
