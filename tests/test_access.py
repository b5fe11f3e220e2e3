"""Every route, asked by everybody: docs/access.md says who gets which status, line by line."""

import io
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Mount, Route

from app import clock
from app.keys import Keys
from app.main import create_app
from app.models import (
    App,
    Application,
    ApplicationKind,
    ApplicationState,
    Call,
    Person,
    RosterConflict,
)
from app.routers import rooms
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from app.state import State
from tests.conftest import Client, Lake, Member
from tests.factories import a_login, a_person, a_token, a_wechat_user

PAGE = Path(__file__).parents[1] / "docs" / "access.md"
_ROW = re.compile(r"\| `([A-Z]+ [^`]+)` \| [^|]+ \|(.+)\|")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def _page() -> tuple[list[str], dict[str, list[int]]]:
    """The roles, and what each is answered by each route, as docs/access.md has it."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    head = next(line for line in lines if line.startswith("| route |"))
    roles = [cell.strip() for cell in head.strip("|").split("|")[2:]]
    rows = {}
    for found in filter(None, map(_ROW.fullmatch, lines)):
        statuses = [int(cell) for cell in found[2].split("|")]
        assert found[1] not in rows
        assert len(statuses) == len(roles)
        rows[found[1]] = statuses
    return roles, rows


ROLES, ROWS = _page()


NOTHING = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Ids:
    """What the requests are about, all of it Li's."""

    check_in: str = NOTHING
    patrol: str = NOTHING
    photo: str = NOTHING
    application: str = NOTHING
    call: str = NOTHING
    conflict: str = NOTHING


AT = YESTERDAY.isoformat()
HERE = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
VISIT = {"at": AT, "position": HERE}
OUTING = {"started_at": AT, "companions": ["CHEN"]}
NAMED = {"name": "示例甲", "organisation": "EAST"}
OPERATION = {"op": "put_check_in", "id": str(uuid4()), "body": VISIT}
LEAVE = {"from": "2026-12-01", "to": "2026-12-02", "kind": "leave", "reason": "外出"}

LI = {
    "name": "示例李",
    "organisation_code": "EAST",
    "role": "member",
    "party_member": True,
    "reason": "更正",
}

POST = {"person_code": "LI", "kind": "liaison", "reason": "更正"}
DUTY = {
    "holder_kind": "person",
    "holder_code": "LI",
    "area_kind": "any",
    "times": 6,
    "period": "year",
    "starts_on": "2026-01-01",
    "reason": "更正",
}

PAIRED = {"department_code": "GWH", "reach_code": "R-1", "reason": "挂钩"}
# Of the branch, since a person is told, and a message that waits is work without a worker.
GRANTED = {**LEAVE, "state": "granted", "holder_kind": "organisation", "holder_code": "EAST"}
LETTER = {
    "organisation_code": "ENT",
    "person_code": "CHEN",
    "signed_on": "2026-01-05",
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "reason": "签订",
}
PAPER = {"person_code": "LI", "on": "2026-01-01", "area_kind": "any", "reason": "补录"}
PAIRING, EXEMPTION, LATE_ENTRY = str(uuid4()), str(uuid4()), str(uuid4())

# Whatever is not here is asked without a body.
BODIES: Mapping[str, object] = {
    "POST /api/v1/sessions": {"code": "forged"},
    "POST /api/v1/sessions/phone": {"code": "forged"},
    "POST /api/v1/sessions/invitation": {"code": "00000000"},
    "POST /api/v1/sessions/applications": NAMED,
    "POST /api/v1/me/consents": {"notice": "position", "agreed": True},
    "POST /api/v1/me/exemptions": LEAVE,
    "POST /api/v1/me/subscriptions": {"template_id": "T", "result": "accept"},
    "POST /api/v1/applications/{id}/join": {"person_code": "SUN"},
    "POST /api/v1/applications/{id}/decline": {"reason": "不认识"},
    "PUT /api/v1/people/{code}": LI,
    "PUT /api/v1/posts/{code}": POST,
    "PUT /api/v1/obligations/{code:path}": DUTY,
    "PUT /api/v1/pairings/{id}": PAIRED,
    "PUT /api/v1/exemptions/{id}": GRANTED,
    "PUT /api/v1/letters/{number:path}": LETTER,
    "PUT /api/v1/late-entries/{id}": PAPER,
    "POST /api/v1/late-entries/{id}/decision": {"verdict": "declined", "reason": "看不清"},
    "POST /api/v1/people/{code}/unbind": {"reason": "换手机"},
    "POST /api/v1/steles/{code}/prints": {"reason": "旧码遗失"},
    "PUT /api/v1/check-ins/{id}": VISIT,
    "POST /api/v1/check-ins/{id}/review": {"verdict": "accepted", "reason": "已核实"},
    "POST /api/v1/check-ins/{id}/review/answer": {"text": "我在场"},
    "PUT /api/v1/patrols/{id}": OUTING,
    "POST /api/v1/patrols/{id}/track": {"points": [{"seq": 1, "at": AT, **HERE}]},
    "POST /api/v1/patrols/{id}/finish": {"finished_at": AT, "findings": "none"},
    "POST /api/v1/calls/{id}/phoned": {"note": "已电话"},
    "POST /api/v1/sync": {"operations": [OPERATION]},
}
# As the roster's form sends a row; the star stands for whichever version is there.
OWNER = {
    "name": "示例李",
    "organisation_code": "EAST",
    "role": "member",
    "party_member": "true",
    "reason": "更正",
    "version": "*",
}
NEWCOMER = {**OWNER, "code": "WU", "name": "示例吴"}
OFFICE = {"organisation": "GWH"}
# What the dashboard's own forms send, besides the token that each of them carries.
FORMS: Mapping[str, Mapping[str, str]] = {
    "POST /dashboard/roster/new/{noun}": NEWCOMER,
    "POST /dashboard/roster/{noun}/{key:path}": OWNER,
    "POST /dashboard/roster/invite/{code:path}": {"reason": "换手机"},
    "POST /dashboard/roster/unbind/{code:path}": {"app": "service_account", "reason": "换手机"},
    "POST /dashboard/system/keys": {"organisation": "GWH", "name": "试用"},
    "POST /dashboard/system/keys/{id}/revoke": {"reason": "不用了"},
    "POST /dashboard/roster/slips": {"organisation": "EAST", "reason": "新来的"},
    "POST /dashboard/roster/applications/{id}/join": {"person": "SUN", "reason": "认识"},
    "POST /dashboard/roster/applications/{id}/decline": {"reason": "不认识"},
    "POST /dashboard/roster/conflicts/{id}": {"take": "ours", "reason": "核对过"},
    "POST /dashboard/reviews/{check_in_id}": {"verdict": "accepted", "reason": "已核实"},
    "POST /dashboard/bulletins/{period}/draft": OFFICE,
    "POST /dashboard/bulletins/{period}/texts": {**OFFICE, "version": "99"},
    "POST /dashboard/bulletins/{period}/sign": {**OFFICE, "version": "99"},
    "POST /dashboard/bulletins/templates": OFFICE,
    "POST /dashboard/bulletins/templates/{kind}/drop": OFFICE,
}
QUERIES: Mapping[str, Mapping[str, str]] = {
    "GET /api/v1/me/colleagues": {"q": "示例"},
    "GET /api/v1/locate": {"lon": "103.01", "lat": "24.9", "datum": "wgs84"},
    "GET /api/v1/photos/{photo_id}": {"size": "original"},
    "GET /api/v1/bulletins/{period}.json": OFFICE,
    "GET /api/v1/bulletins/{period}.{kind}": OFFICE,
    "GET /dashboard/bulletins": OFFICE,
    "GET /dashboard/bulletins/{period}": OFFICE,
    "GET /dashboard/reports/{report}/records": {
        "figure": "visits",
        "row": "G-1",
        "month": f"{clock.day_of(clock.now()):%Y-%m}",
    },
}


CODES = {
    "people": "LI",
    "behind": "LI",
    "posts": "Z-LI",
    "obligations": "O-LI",
    "organisations": "EAST",
    "reaches": "R-1",
    "grid-cells": "G-1",
    "invite": "LI",
    "unbind": "LI",
}


def _path(route: str, ids: Ids) -> str:
    path = route.split(" ", 1)[1].replace(":path}", "}").replace("{collection}", "check_ins")
    path = path.replace("{report}", "coverage").replace("{noun}", "people").replace("{key}", "LI")
    noun = {
        "check-ins": ids.check_in,
        "reviews": ids.check_in,
        "items": ids.check_in,
        "patrols": ids.patrol,
        "applications": ids.application,
        "calls": ids.call,
        "conflicts": ids.conflict,
        "pairings": PAIRING,
        "keys": NOTHING,
        "exemptions": EXEMPTION,
        "late-entries": LATE_ENTRY,
    }
    about = path.split("/{", 1)[0].rsplit("/", 1)[-1]
    if about in noun:
        path = path.replace("{id}", noun[about]).replace("{check_in_id}", ids.check_in)
    code = CODES.get(about, "JB-02")
    path = path.replace("{photo_id}", ids.photo).replace("{number}", "L-CHEN")
    path = path.replace("{table}", "check-ins").replace("{format}", "csv")
    path = path.replace("{organisation_code}", "EAST")
    path = path.replace("{period}", "2026-06").replace("{kind}", "docx")
    return path.replace("{code}", code).replace("{name}", "MP_verify")


def _jpeg() -> bytes:
    made = io.BytesIO()
    Image.effect_noise((64, 48), 80).convert("RGB").save(made, "JPEG")
    return made.getvalue()


async def _ask(client: httpx.AsyncClient, route: str, ids: Ids) -> httpx.Response:
    method, _ = route.split(" ", 1)
    given: dict[str, Any] = {"params": QUERIES.get(route)}
    if route.endswith(("/photos", "/photo")):
        given |= {"data": {"id": str(uuid4())}, "files": {"file": ("1.jpg", _jpeg(), "image/jpeg")}}
    elif route in BODIES:
        given |= {"json": BODIES[route]}
    elif route in FORMS:
        given |= {"data": FORMS[route]}
    return await client.request(method, _path(route, ids), **given)


async def _arrange(session: AsyncSession, li: Member) -> Ids:
    """A patrol with Chen along, a check-in with a photo, and somebody who says that they are Sun."""
    patrol, visit, photo = (str(uuid4()) for _ in range(3))
    response = await li.client.put(f"/api/v1/patrols/{patrol}", json=OUTING)
    assert response.status_code == 201
    response = await li.client.put(f"/api/v1/check-ins/{visit}", json=VISIT)
    assert response.status_code == 201
    response = await li.client.post(
        f"/api/v1/check-ins/{visit}/photos",
        data={"id": photo},
        files={"file": ("1.jpg", _jpeg(), "image/jpeg")},
    )
    assert response.status_code == 201
    applicant = await a_wechat_user(session)
    application = Application(
        wechat_user_id=applicant.id,
        kind=ApplicationKind.binding,
        state=ApplicationState.pending,
        created_at=YESTERDAY,
        **NAMED,
    )
    await session.execute(update(Call).values(closed_at=YESTERDAY))
    call = Call(
        person_id=li.person.id, reason="未绑定微信", day=YESTERDAY.date(), opened_at=YESTERDAY
    )
    await session.execute(delete(RosterConflict))
    conflict = RosterConflict(
        stem="people",
        row_id=li.person.id,
        place="people.csv:2",
        said={"name": "示例李"},
        written_at=YESTERDAY,
        edited_at=YESTERDAY,
        found_at=YESTERDAY,
    )
    session.add_all([application, call, conflict])
    await session.commit()
    return Ids(visit, patrol, photo, str(application.id), str(call.id), conflict=str(conflict.id))


async def _enter(
    client: httpx.AsyncClient, session: AsyncSession, keys: Keys, person: Person, *, ended: bool
) -> None:
    """Sign the person in to the dashboard as well, in the browser and on each of its forms."""
    cookie = await web_sessions.begin(session, person, via="link", now=datetime.now(UTC))
    signed = await web_sessions.find(session, cookie, now=datetime.now(UTC))
    assert signed is not None
    if ended:
        await web_sessions.end(session, signed, now=datetime.now(UTC))
    await session.commit()
    client.cookies.set(WEB_COOKIE, cookie)
    client.headers["X-Form-Token"] = web_sessions.form_token(keys, signed)


Ask = Callable[[str], Awaitable[dict[str, int]]]


@pytest.fixture
async def ask(
    session: AsyncSession,
    state: State,
    client: Client,
    lake: Lake,
    li: Member,
    chen: Member,
    zhou: Member,
    zhao: Member,
    wang: Member,
    qian: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> Ask:
    """`ask(route)`: the status that each role is answered."""
    await a_person(session, code="SUN", organisation_id=lake.east_branch.id)
    gone = await a_person(
        session,
        organisation_id=lake.east_branch.id,
        from_on=date(2025, 1, 1),
        to_on=date(2026, 1, 1),
    )
    ended = await a_login(
        session,
        await a_wechat_user(
            session, person_id=qian.person.id, openid="ended", app=App.service_account
        ),
        expires_at=YESTERDAY,
    )
    for path, body in (
        ("posts/Z-LI", POST),
        ("obligations/O-LI", DUTY),
        (f"pairings/{PAIRING}", PAIRED),
        (f"exemptions/{EXEMPTION}", GRANTED),
        ("letters/L-CHEN", LETTER),
        (f"late-entries/{LATE_ENTRY}", PAPER),
    ):
        assert (await qian.client.put(f"/api/v1/{path}", json=body)).status_code == 201
    clients = {
        "nobody": client(None),
        "forged": client("xk_forged"),
        "expired": client(ended),
        "stranger": stranger,
        "former": client(await a_token(session, gone)),
        "owner": li.client,
        "companion": chen.client,
        "member": zhou.client,
        "other's manager": zhao.client,
        "manager": wang.client,
        "admin": qian.client,
        "key": program,
        "other's key": west_program,
    }
    assert list(clients) == ROLES
    clients["forged"].cookies.set(WEB_COOKIE, "forged")
    await _enter(clients["expired"], session, state["keys"], qian.person, ended=True)
    for role, member in (("other's manager", zhao), ("manager", wang), ("admin", qian)):
        await _enter(clients[role], session, state["keys"], member.person, ended=False)

    async def asking(route: str) -> dict[str, int]:
        ids, got = Ids(), {}
        for role in ROLES:
            # What one role has changed is not what the next one asks about.
            if re.search(r"id(:path)?}", route) and (ids == Ids() or not route.startswith("GET")):
                ids = await _arrange(session, li)
            got[role] = (await _ask(clients[role], route, ids)).status_code
        return got

    return asking


def _routes() -> set[str]:
    """All that the application answers, whether documented in OpenAPI or not."""
    found = set()
    routes = [route for router in rooms.ROUTERS for route in router.routes]
    routes += [route for route in create_app().routes if isinstance(route, Route)]
    for route in routes:
        assert isinstance(route, Route), "say in _routes() what else there is"
        found |= {f"{method} {route.path}" for method in route.methods or () if method != "HEAD"}
    return found


def test_every_route_has_its_line_and_every_line_its_route() -> None:
    assert set(ROWS) == _routes()
    mounts = [route.path for route in create_app().routes if isinstance(route, Mount)]
    assert mounts == ["/static"]


@pytest.mark.parametrize("route", ROWS)
async def test_everybody_is_answered_as_the_page_says(ask: Ask, route: str) -> None:
    assert await ask(route) == dict(zip(ROLES, ROWS[route], strict=True))
