"""The nouns of the roster: what managers edit row by row, each asked for in the same way."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound
from app.models import (
    Exemption,
    ExemptionState,
    Letter,
    Obligation,
    Pairing,
    Person,
    Post,
)
from app.services import edits, exemptions, letters, obligations, pairings, people, posts
from app.services.access import Caller
from app.services.dataset.rows import Row
from app.services.edits import Edit, Wish
from app.settings import Settings

Scope = Collection[UUID] | None
Find = Callable[[AsyncSession, Caller, str, datetime], Awaitable[Row]]
Put = Callable[[AsyncSession, Caller, str, Wish, Settings, datetime], Awaitable[Edit]]


@dataclass(frozen=True)
class Noun:
    """A table that managers edit; a `key` is a code, of pairings and exemptions an id."""

    stem: str
    model: Any
    theirs: Callable[[Scope], ColumnElement[bool]]
    find: Find
    put: Put
    by_id: bool = False

    def key_of(self, row: Row) -> str:
        """What `find` and `put` call the row."""
        key = "number" if self.stem == "letters" else "code"
        return str(row.id) if self.by_id else str(row.said[key])


def id_of(key: str) -> UUID:
    """The id in an address. Raises `NotFound` for what is none."""
    try:
        return UUID(key)
    except ValueError:
        raise NotFound from None


async def _person(session: AsyncSession, caller: Caller, key: str, _now: datetime) -> Row:
    return await people.find(session, caller, key)


async def _put_person(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, _settings: Settings, now: datetime
) -> Edit:
    return await people.put(session, caller, key, wish, now=now)


async def _post(session: AsyncSession, caller: Caller, key: str, _now: datetime) -> Row:
    return await posts.find(session, caller, key)


async def _put_post(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, _settings: Settings, now: datetime
) -> Edit:
    return await posts.put(session, caller, key, wish, now=now)


async def _duty(session: AsyncSession, caller: Caller, key: str, now: datetime) -> Row:
    as_of = clock.day_of(now)
    return (await obligations.find(session, caller, key, as_of=as_of)).row


async def _put_duty(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, settings: Settings, now: datetime
) -> Edit:
    return await obligations.put(session, caller, key, wish, settings, now=now)


async def _pairing(session: AsyncSession, caller: Caller, key: str, _now: datetime) -> Row:
    return await pairings.find(session, caller, id_of(key))


async def _put_pairing(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, settings: Settings, now: datetime
) -> Edit:
    return await pairings.put(session, caller, id_of(key), wish, settings, now=now)


async def _exemption(session: AsyncSession, caller: Caller, key: str, _now: datetime) -> Row:
    return await exemptions.find(session, caller, id_of(key))


async def _put_exemption(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, _settings: Settings, now: datetime
) -> Edit:
    """What `said` has as `state` is the decision; to retire a leave is to take it back."""
    said = dict(wish.said)
    state = ExemptionState(said.pop("state", ExemptionState.granted))
    if wish.retired:
        state = ExemptionState.declined
    asked = replace(wish, said=said, retired=False)
    return await exemptions.decide(session, caller, id_of(key), asked, state, now=now)


async def _letter(session: AsyncSession, caller: Caller, key: str, _now: datetime) -> Row:
    return (await letters.find(session, caller, key)).row


async def _put_letter(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, _settings: Settings, now: datetime
) -> Edit:
    return await letters.put(session, caller, key, wish, now=now)


NOUNS: Mapping[str, Noun] = {
    noun.stem: noun
    for noun in (
        Noun(
            "people", Person,
            lambda scope: edits.inside(scope, Person.organisation_id), _person, _put_person,
        ),
        Noun(
            "posts", Post,
            lambda scope: edits.people_inside(scope, Post.person_id), _post, _put_post,
        ),
        Noun(
            "obligations", Obligation,
            lambda scope: edits.held_inside(Obligation, scope), _duty, _put_duty,
        ),
        Noun(
            "pairings", Pairing,
            lambda scope: edits.inside(scope, Pairing.department_id), _pairing, _put_pairing,
            by_id=True,
        ),
        Noun(
            "exemptions", Exemption,
            lambda scope: edits.held_inside(Exemption, scope), _exemption, _put_exemption,
            by_id=True,
        ),
        Noun(
            "letters", Letter,
            lambda scope: edits.inside(scope, Letter.organisation_id), _letter, _put_letter,
        ),
    )
}  # fmt: skip
