"""Profiles of people: who they are, what they hold, and whether a message reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.errors import NotFound
from app.models import (
    App,
    Channel,
    GridCell,
    Membership,
    Organisation,
    Person,
    Post,
    Reach,
    Stele,
    Waterbody,
    WechatUser,
)
from app.services import access, audit, edits
from app.services.access import Caller
from app.services.reminders import channels
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Held:
    """A post with the place and the deputy that it names."""

    post: Post
    area_name: str | None
    area_code: str | None
    organisation: str | None
    deputy: str | None


@dataclass(frozen=True, slots=True)
class Stay:
    """In which organisation somebody was, from when to when."""

    organisation: str
    from_on: date | None
    to_on: date | None


@dataclass(frozen=True, slots=True)
class Profile:
    """A person; `channel` is how a message reaches them now, else `unreachable` says why not."""

    person: Person
    organisation: Organisation
    stays: Sequence[Stay]
    posts: Sequence[Held]
    apps: Sequence[App]
    channel: Channel | None
    unreachable: str


async def find(
    session: AsyncSession, caller: Caller, code: str, settings: Settings, *, now: datetime
) -> Profile:
    """Somebody of the caller's subtree. Raises `NotFound`."""
    theirs = edits.inside(await access.scope_of(session, caller), Person.organisation_id)
    row = (
        await session.execute(
            select(Person, Organisation)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .where(Person.code == code, theirs)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("没有找到这位人员。")
    person, organisation = row
    apps = await session.scalars(
        select(WechatUser.app).where(WechatUser.person_id == person.id).order_by(WechatUser.app)
    )
    reach = await channels.channel_of(session, [person.id], settings, now=now)
    channel, why = reach[person.id]
    return Profile(
        person=person,
        organisation=organisation,
        stays=await _stays(session, person.id),
        posts=await held(session, person.id),
        apps=apps.all(),
        channel=channel,
        unreachable=why,
    )


async def phone_seen(
    session: AsyncSession, caller: Caller, person: Person, *, now: datetime
) -> str | None:
    """The person's phone; that somebody looked at it is written down."""
    await audit.seen(session, caller, f"person:{person.code}", now=now, reason="查看电话")
    return person.phone


async def held(session: AsyncSession, person_id: UUID) -> list[Held]:
    """All posts of a person, those of today and those before, the latest first."""
    deputy = aliased(Person)
    rows = await session.execute(
        select(
            Post,
            func.coalesce(Waterbody.name, Reach.name, GridCell.name, Stele.name),
            func.coalesce(Reach.code, GridCell.code, Stele.code),
            Organisation.name,
            deputy.name,
        )
        .outerjoin(Waterbody, Waterbody.id == Post.waterbody_id)
        .outerjoin(Reach, Reach.id == Post.reach_id)
        .outerjoin(GridCell, GridCell.id == Post.grid_cell_id)
        .outerjoin(Stele, Stele.id == Post.stele_id)
        .outerjoin(Organisation, Organisation.id == Post.organisation_id)
        .outerjoin(deputy, deputy.id == Post.deputy_id)
        .where(Post.person_id == person_id)
        .order_by(Post.from_on.desc().nulls_last(), Post.code)
    )
    return [Held(*row) for row in rows]


async def _stays(session: AsyncSession, person_id: UUID) -> list[Stay]:
    rows = await session.execute(
        select(Organisation.name, Membership.from_on, Membership.to_on)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .where(Membership.person_id == person_id, Membership.revoked_at.is_(None))
        .order_by(Membership.from_on.nulls_first(), Membership.id)
    )
    return [Stay(*row) for row in rows]
