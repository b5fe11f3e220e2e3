"""Things a test may need, with everything it does not care about filled in."""

import secrets
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import shapely
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import geometry
from app.models import (
    ApiKey,
    App,
    Base,
    Consent,
    GridCell,
    GridCellKind,
    Login,
    Membership,
    NoticeKind,
    Organisation,
    OrganisationKind,
    Person,
    Reach,
    Stele,
    Waterbody,
    WaterbodyKind,
    WechatUser,
)
from app.services.access import KEY_PREFIX, token_hash

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
Row = TypeVar("Row", bound=Base)
_numbers = count(1)


async def _kept(session: AsyncSession, row: Row) -> Row:
    session.add(row)
    await session.commit()
    return row


async def an_organisation(session: AsyncSession, **given: Any) -> Organisation:
    n = next(_numbers)
    defaults = {"code": f"O{n}", "name": f"示例组织{n}", "kind": OrganisationKind.branch}
    return await _kept(session, Organisation(**defaults | given))


async def a_person(session: AsyncSession, **given: Any) -> Person:
    """With the membership that belongs to it."""
    n = next(_numbers)
    if "organisation_id" not in given:
        given["organisation_id"] = (await an_organisation(session)).id
    defaults = {"code": f"P{n}", "name": f"示例{n}", "phone": f"1990001{n:04}"}
    person = await _kept(session, Person(**defaults | given))
    await _kept(
        session,
        Membership(
            person_id=person.id,
            organisation_id=person.organisation_id,
            from_on=person.from_on,
            to_on=person.to_on,
            recorded_at=LONG_AGO,
        ),
    )
    return person


async def a_wechat_user(session: AsyncSession, **given: Any) -> WechatUser:
    n = next(_numbers)
    defaults = {"app": App.mini_program, "openid": f"openid-{n}", "created_at": LONG_AGO}
    return await _kept(session, WechatUser(**defaults | given))


async def a_login(session: AsyncSession, user: WechatUser, **given: Any) -> str:
    """The bearer token of a new login."""
    token = secrets.token_urlsafe(24)
    defaults = {
        "token_hash": token_hash(token),
        "wechat_user_id": user.id,
        "created_at": LONG_AGO,
        "expires_at": LONG_AGO + timedelta(days=10_000),
    }
    await _kept(session, Login(**defaults | given))
    return token


async def a_token(session: AsyncSession, person: Person, *, consents: bool = True) -> str:
    """The bearer token of a person who is bound and, unless told otherwise, has consented."""
    user = await a_wechat_user(session, person_id=person.id, bound_at=LONG_AGO)
    if consents:
        for notice in NoticeKind:
            await a_consent(session, person, notice=notice)
    return await a_login(session, user)


async def a_consent(session: AsyncSession, person: Person, **given: Any) -> Consent:
    defaults = {
        "person_id": person.id,
        "notice": NoticeKind.position,
        "version": 1,
        "agreed": True,
        "recorded_at": LONG_AGO,
    }
    return await _kept(session, Consent(**defaults | given))


async def an_api_key(session: AsyncSession, organisation: Organisation, **given: Any) -> str:
    """The key itself."""
    key = KEY_PREFIX + secrets.token_urlsafe(24)
    defaults = {
        "key_hash": token_hash(key),
        "prefix": key[:8],
        "organisation_id": organisation.id,
        "created_at": LONG_AGO,
    }
    await _kept(session, ApiKey(**defaults | given))
    return key


def rectangle(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return shapely.box(west, south, east, north)


async def a_grid_cell(session: AsyncSession, polygon: shapely.Polygon, **given: Any) -> GridCell:
    """A cell; pass `parent` (a GridCell) to nest it."""
    n = next(_numbers)
    parent: GridCell | None = given.pop("parent", None)
    if "organisation_id" not in given:
        given["organisation_id"] = (await an_organisation(session)).id
    defaults = {
        "code": f"G{n}",
        "name": f"示例网格{n}",
        "kind": GridCellKind.general,
        "parent_id": parent.id if parent else None,
        "geometry": shapely.to_wkb(polygon),
        "bounds": geometry.box_literal(polygon),
        "area_m2": geometry.area_m2(polygon),
        "lineage": [],
    }
    cell = await _kept(session, GridCell(**defaults | given))
    cell.lineage = [*(parent.lineage if parent else []), cell.id]
    await session.commit()
    return cell


async def a_stele(session: AsyncSession, **given: Any) -> Stele:
    n = next(_numbers)
    if "organisation_id" not in given:
        given["organisation_id"] = (await an_organisation(session)).id
    defaults = {"code": f"JB-{n:03}", "name": f"示例界碑{n}", "lon": 103.01, "lat": 24.9}
    place = defaults | given
    return await _kept(
        session,
        Stele(**place, bounds=geometry.box_literal(shapely.Point(place["lon"], place["lat"]))),
    )


async def a_waterbody(session: AsyncSession, shape: shapely.Geometry, **given: Any) -> Waterbody:
    n = next(_numbers)
    defaults = {
        "code": f"W{n}",
        "name": f"示例水体{n}",
        "kind": WaterbodyKind.lake,
        "geometry": shapely.to_wkb(shape),
        "bounds": geometry.box_literal(shape),
    }
    return await _kept(session, Waterbody(**defaults | given))


async def a_reach(session: AsyncSession, line: shapely.LineString, **given: Any) -> Reach:
    n = next(_numbers)
    if "waterbody_id" not in given:
        river = await a_waterbody(session, line, name=f"示例河{n}", kind=WaterbodyKind.river)
        given["waterbody_id"] = river.id
    defaults = {
        "code": f"R{n}",
        "name": f"示例河段{n}",
        "geometry": shapely.to_wkb(line),
        "bounds": geometry.box_literal(line),
        "length_m": geometry.length_m(line),
    }
    return await _kept(session, Reach(**defaults | given))
