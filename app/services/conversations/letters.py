"""Letters in the chat: what the chief signed, and their word that they have read it."""

from collections.abc import Sequence
from urllib.parse import quote

from sqlalchemy import func, select

from app.domain import chat, progress_texts, replies
from app.domain.progress_texts import LetterShown, LetterTask, name_of
from app.models import GridCell, Letter, Obligation, Person, Reach, Stele
from app.services import letters
from app.services.conversations.turns import Turn


async def show(turn: Turn) -> str:
    """`责任书`: the letter that has waited longest to be confirmed, else the latest."""
    if turn.person is None:
        return replies.UNBOUND
    mine = await _of(turn, turn.person)
    if not mine:
        return progress_texts.NO_LETTER
    waiting = [letter for letter in mine if letter.confirmed_at is None]
    letter = waiting[0] if waiting else mine[-1]
    if waiting:
        turn.ask("letter", number=letter.number)
    shown = LetterShown(
        letter.number,
        letter.starts_on,
        letter.ends_on,
        await _tasks(turn, letter),
        f"{turn.settings.public_url}/my/letters/{quote(letter.number, safe='')}",
    )
    return progress_texts.letter(shown, waiting=len(waiting))


async def confirm(turn: Turn, typed: str) -> str:
    """`确认责任书`, with a number or without: the one that has waited longest."""
    if turn.person is None:
        return replies.UNBOUND
    mine = await _of(turn, turn.person)
    if not mine:
        return progress_texts.NO_LETTER
    number = None
    if wanted := chat.letters_and_digits(typed):
        number = next(
            (each.number for each in mine if chat.letters_and_digits(each.number) == wanted), None
        )
        if number is None:
            return progress_texts.no_letter_of(typed)
    before = {letter.number for letter in mine if letter.confirmed_at is not None}
    letter = await letters.confirm(turn.session, turn.person, number, now=turn.now)
    turn.forget_question()
    waiting = {letter.number for letter in mine} - before - {letter.number}
    return progress_texts.confirmed(
        letter.number, again=letter.number in before, waiting=len(waiting)
    )


async def _of(turn: Turn, person: Person) -> Sequence[Letter]:
    """The letters that name the person, the oldest first."""
    return (
        await turn.session.scalars(
            select(Letter)
            .where(Letter.person_id == person.id, Letter.retired_on.is_(None))
            .order_by(Letter.signed_on, Letter.number)
            .execution_options(populate_existing=True)
        )
    ).all()


async def _tasks(turn: Turn, letter: Letter) -> Sequence[LetterTask]:
    rows = await turn.session.execute(
        select(
            Obligation.area_kind,
            func.coalesce(
                Reach.short_name, Stele.short_name, Reach.name, GridCell.name, Stele.name
            ),
            Obligation.times,
            Obligation.period,
        )
        .outerjoin(Reach, Reach.id == Obligation.reach_id)
        .outerjoin(GridCell, GridCell.id == Obligation.grid_cell_id)
        .outerjoin(Stele, Stele.id == Obligation.stele_id)
        .where(Obligation.letter_id == letter.id, Obligation.retired_on.is_(None))
        .order_by(Obligation.code)
    )
    return [LetterTask(name_of(kind, place), times, period) for kind, place, times, period in rows]
