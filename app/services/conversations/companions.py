"""Companions named in the chat: `同行 张三 李四`."""

from collections.abc import Sequence
from uuid import UUID

from app import clock
from app.domain import chat, replies
from app.models import Organisation, Patrol, Person
from app.services import colleagues
from app.services import companions as desk
from app.services.conversations import records
from app.services.conversations.turns import Turn

_MOST_NAMES = 10
_MOST_CHOICES = 5


async def add(turn: Turn, rest: str) -> str:
    """Add them to the patrol of the newest record; who shares a name is asked back."""
    if turn.person is None:
        return replies.UNBOUND
    names = chat.names(rest)[:_MOST_NAMES]
    if not names:
        return replies.ASK_COMPANIONS
    check_in = await records.newest(turn, turn.person)
    if check_in is None:
        return replies.NO_RECORD
    patrol = await turn.session.get_one(Patrol, check_in.patrol_id)
    return await _go_on(turn, turn.person, patrol, names, [], [])


async def choose(turn: Turn, person: Person, number: int) -> str | None:
    """The answer to which of several was meant; None when there is no such number."""
    question = turn.conversation.question or {}
    choices: Sequence[str] = question.get("choices", ())
    if not 1 <= number <= len(choices):
        return None
    turn.forget_question()
    patrol = await turn.session.get_one(Patrol, UUID(question["patrol"]))
    chosen = await turn.session.get_one(Person, UUID(choices[number - 1]))
    added = list(question["added"])
    if chosen.is_on_roster(clock.day_of(turn.now)):
        await desk.add(turn.session, patrol, person, chosen, now=turn.now)
        added.append(chosen.name)
    return await _go_on(turn, person, patrol, question["rest"], added, question["unknown"])


async def _go_on(
    turn: Turn,
    person: Person,
    patrol: Patrol,
    names: Sequence[str],
    added: Sequence[str],
    unknown: Sequence[str],
) -> str:
    added, unknown = list(added), list(unknown)
    for n, name in enumerate(names):
        found: list[tuple[Person, Organisation]] = [
            pair
            for pair in await colleagues.named(turn.session, person, name, now=turn.now)
            if pair[0].name == name
        ]
        if not found:
            unknown.append(name)
        elif len(found) == 1:
            await desk.add(turn.session, patrol, person, found[0][0], now=turn.now)
            added.append(name)
        else:
            several = found[:_MOST_CHOICES]
            turn.ask(
                "companion",
                patrol=str(patrol.id),
                choices=[str(each.id) for each, _ in several],
                rest=list(names[n + 1 :]),
                added=added,
                unknown=unknown,
            )
            return replies.which_of(name, [organisation.name for _, organisation in several])
    return replies.companions(added, unknown)
