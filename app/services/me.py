"""Me: what somebody is, may do, is asked and has been told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer

from app import clock
from app.models import (
    Consent,
    GridCell,
    Message,
    NoticeKind,
    Organisation,
    Person,
    Post,
    Reach,
    Role,
    Stele,
    Waterbody,
    WechatUser,
    is_held,
)
from app.services import consents

MOST_MESSAGES = 20

_EVERYBODY = ("check_in", "patrol", "sync", "ask_exemption", "see_own_records")
_MANAGERS = ("see_subtree", "review_check_ins", "decide_applications", "unbind_people")
_ADMINS = ("see_everything",)


@dataclass(frozen=True, slots=True)
class Area:
    """What a post is about; `kind` as in `AreaKind`."""

    kind: str
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """A post held today."""

    post: Post
    organisation: Organisation | None
    area: Area | None
    deputy: Person | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the mini-program's first page needs."""

    person: Person
    organisation: Organisation
    posts: Sequence[Held]
    steles: Sequence[Stele]
    reaches: Sequence[Reach]
    can: Sequence[str]
    consents: Mapping[NoticeKind, Consent]
    messages: Sequence[Message]


async def overview(session: AsyncSession, person: Person, *, now: datetime) -> Overview:
    """The person's own page, of today."""
    held, steles, reaches = await _posts(session, person, now)
    return Overview(
        person=person,
        organisation=await session.get_one(Organisation, person.organisation_id),
        posts=held,
        steles=steles,
        reaches=reaches,
        can=allowed(person),
        consents=await consents.standing(session, person),
        messages=await _messages(session, person),
    )


def allowed(person: Person) -> Sequence[str]:
    """What a client may offer to this person."""
    can = list(_EVERYBODY)
    if person.role is not Role.member:
        can += _MANAGERS
    if person.role is Role.admin:
        can += _ADMINS
    return can


async def _posts(
    session: AsyncSession, person: Person, now: datetime
) -> tuple[list[Held], list[Stele], list[Reach]]:
    deputy = aliased(Person)
    rows = await session.execute(
        select(Post, Organisation, deputy, Waterbody, Reach, GridCell, Stele)
        .outerjoin(Organisation, Organisation.id == Post.organisation_id)
        .outerjoin(deputy, deputy.id == Post.deputy_id)
        .outerjoin(Waterbody, Waterbody.id == Post.waterbody_id)
        .outerjoin(Reach, Reach.id == Post.reach_id)
        .outerjoin(GridCell, GridCell.id == Post.grid_cell_id)
        .outerjoin(Stele, Stele.id == Post.stele_id)
        .where(Post.person_id == person.id, is_held(clock.day_of(now)))
        .order_by(Post.code)
        # The shapes are large, and nobody needs them here.
        .options(defer(Waterbody.geometry), defer(Reach.geometry), defer(GridCell.geometry))
    )
    held = []
    steles: dict[UUID, Stele] = {}
    reaches: dict[UUID, Reach] = {}
    for post, organisation, stand_in, waterbody, reach, cell, stele in rows:
        about = waterbody or reach or cell or stele
        area = Area(post.area_kind, about.code, about.name) if about and post.area_kind else None
        held.append(Held(post, organisation, area, stand_in))
        if reach is not None:
            reaches[reach.id] = reach
        if stele is not None:
            steles[stele.id] = stele
    along = await session.scalars(
        select(Stele)
        .where(Stele.reach_id.in_(reaches), Stele.retired_on.is_(None))
        .order_by(Stele.code)
    )
    steles |= {stele.id: stele for stele in along}
    return held, list(steles.values()), list(reaches.values())


async def _messages(session: AsyncSession, person: Person) -> Sequence[Message]:
    """The latest, those first that the chat could not take yet."""
    mine = select(WechatUser.id).where(WechatUser.person_id == person.id)
    latest = (
        await session.scalars(
            select(Message)
            .where(or_(Message.person_id == person.id, Message.wechat_user_id.in_(mine)))
            .order_by(Message.created_at.desc(), Message.id.desc())
            .limit(MOST_MESSAGES)
        )
    ).all()
    return sorted(latest, key=lambda message: message.told_at is not None)
