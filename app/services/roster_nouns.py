"""The nouns of the roster: what managers edit row by row, each asked for in the same way."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

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
from app.services import access, edits, exemptions, letters, obligations, pairings, people, posts
from app.services.access import Caller
from app.services.dataset import rows
from app.services.dataset.rows import Row
from app.services.dataset.tables import BY_STEM
from app.services.edits import Edit, Wish
from app.settings import Settings

Scope = Collection[UUID] | None
Put = Callable[[AsyncSession, Caller, str, Wish, Settings, datetime], Awaitable[Edit]]


@dataclass(frozen=True)
class Noun:
    """A table that managers edit; a key is a code, of pairings and exemptions an id."""

    stem: str
    model: Any
    theirs: Callable[[Scope], ColumnElement[bool]]
    put: Put
    by_id: bool = False

    def key_of(self, row: Row) -> str:
        """What `find` and `put` call the row."""
        return str(row.id) if self.by_id else str(row.said[BY_STEM[self.stem].key[0]])

    async def find(self, session: AsyncSession, caller: Caller, key: str) -> Row:
        """A row that is the caller's to manage. Raises `NotFound`."""
        column = self.model.id if self.by_id else getattr(self.model, BY_STEM[self.stem].key[0])
        theirs = self.theirs(await access.scope_of(session, caller))
        wanted = id_of(key) if self.by_id else key
        found = await rows.find(session, self.stem, column == wanted, theirs)
        if found is None:
            raise NotFound
        return found


def id_of(key: str) -> UUID:
    """The id in an address. Raises `NotFound` for what is none."""
    try:
        return UUID(key)
    except ValueError:
        raise NotFound from None


async def _put_person(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, _settings: Settings, now: datetime
) -> Edit:
    return await people.put(session, caller, key, wish, now=now)


async def _put_post(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, _settings: Settings, now: datetime
) -> Edit:
    return await posts.put(session, caller, key, wish, now=now)


async def _put_duty(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, settings: Settings, now: datetime
) -> Edit:
    return await obligations.put(session, caller, key, wish, settings, now=now)


async def _put_pairing(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, settings: Settings, now: datetime
) -> Edit:
    return await pairings.put(session, caller, id_of(key), wish, settings, now=now)


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


async def _put_letter(
    session: AsyncSession, caller: Caller, key: str, wish: Wish, _settings: Settings, now: datetime
) -> Edit:
    return await letters.put(session, caller, key, wish, now=now)


NOUNS: Mapping[str, Noun] = {
    noun.stem: noun
    for noun in (
        Noun(
            "people", Person,
            lambda scope: edits.inside(scope, Person.organisation_id), _put_person,
        ),
        Noun(
            "posts", Post,
            lambda scope: edits.people_inside(scope, Post.person_id), _put_post,
        ),
        Noun(
            "obligations", Obligation,
            lambda scope: edits.held_inside(Obligation, scope), _put_duty,
        ),
        Noun(
            "pairings", Pairing,
            lambda scope: edits.inside(scope, Pairing.department_id), _put_pairing,
            by_id=True,
        ),
        Noun(
            "exemptions", Exemption,
            lambda scope: edits.held_inside(Exemption, scope), _put_exemption,
            by_id=True,
        ),
        Noun(
            "letters", Letter,
            lambda scope: edits.inside(scope, Letter.organisation_id), _put_letter,
        ),
    )
}  # fmt: skip
