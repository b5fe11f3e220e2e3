"""Signing in to the management pages: the scanned code of a browser, and the number it shows."""

from urllib.parse import urlsplit
from uuid import UUID

from app.domain import chat, replies
from app.domain.chat import Command, Said
from app.models import Role
from app.services import sign_in
from app.services.conversations.turns import Turn
from app.services.sign_in import Standing


async def take_scene(turn: Turn, scene: str) -> str:
    """A browser's code was scanned: who may come in is asked for its number."""
    if turn.person is None:
        return replies.SIGN_IN_UNBOUND
    if turn.person.role is Role.member:
        return replies.SIGN_IN_MEMBER
    ticket = await sign_in.scan(turn.session, scene, now=turn.now)
    if ticket is None:
        return replies.SIGN_IN_OVER
    turn.ask("sign_in", ticket=str(ticket.id))
    site = urlsplit(turn.settings.public_url).netloc
    return replies.sign_in(site, ticket.address or "")


async def answer(turn: Turn, said: Said, typed: str) -> str | None:
    """The number, or a no; None for anything else."""
    question = turn.conversation.question
    if question is None or turn.person is None or turn.person.role is Role.member:
        return None
    ticket_id = UUID(question["ticket"])
    if said.command in {Command.no, Command.cancel, Command.disagree}:
        turn.forget_question()
        await sign_in.refuse(turn.session, ticket_id, now=turn.now)
        return replies.SIGN_IN_REFUSED
    if said.command is Command.yes:
        return replies.SIGN_IN_NUMBER
    number = chat.four_digits_in(typed)
    if number is None:
        return None
    standing = await sign_in.vouch(
        turn.session, turn.keys, turn.person, ticket_id, number, now=turn.now
    )
    if standing is Standing.scanned:
        return replies.SIGN_IN_WRONG
    turn.forget_question()
    return replies.SIGNED_IN if standing is Standing.confirmed else replies.SIGN_IN_OVER
