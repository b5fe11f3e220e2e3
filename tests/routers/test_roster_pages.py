"""The roster's pages: managers keep what is theirs, and lose nothing of what they typed."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    App,
    Application,
    ApplicationKind,
    ApplicationState,
    AuditEntry,
    Exemption,
    ExemptionState,
    Invitation,
    Letter,
    Obligation,
    Pairing,
    Person,
    Post,
    RosterConflict,
    WechatUser,
)
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_wechat_user
from tests.forms import fields, send
from tests.queries import counted

ROSTER = "/dashboard/roster"
PERSON = {
    "code": "SUN", "name": "示例孙", "phone": "19900002001", "organisation_code": "EAST 东岸党支部",
    "role": "member", "party_member": "true", "title": "组长", "from": "2026-01-01",
    "reason": "新到任",
}  # fmt: skip
POST = {
    "code": "Z-1", "person_code": "LI 示例李", "kind": "liaison", "organisation_code": "EAST",
    "deputy_code": "示例陈", "reason": "任命",
}  # fmt: skip
DUTY: dict[str, Any] = {
    "code": "O/1", "holder_kind": "person", "holder_code": "LI", "area_kind": "grid_cell",
    "area_code": "G-1 东岸网格", "times": "2", "period": "month", "starts_on": "2026-01-01",
    "months": "3-12", "kinds": ["foot", "boat"], "reason": "年度任务",
}  # fmt: skip
PAIRED = {
    "department_code": "EAST", "reach_code": "R-1", "village_code": "VILLAGE 示例村",
    "reason": "挂钩",
}  # fmt: skip
LEAVE = {
    "holder_kind": "person", "holder_code": "LI", "from": "2026-06-01", "to": "2026-06-02",
    "kind": "leave", "reason": "住院",
}  # fmt: skip
LETTER = {
    "number": "湖〔2026〕1", "organisation_code": "ENT", "person_code": "CHEN",
    "signed_on": "2026-01-05", "starts_on": "2026-01-01", "ends_on": "2026-12-31",
    "reason": "签订",
}  # fmt: skip
FORMS: dict[str, tuple[dict[str, Any], Any, dict[str, str]]] = {
    "people": (PERSON, Person, {"title": "队长"}),
    "posts": (POST, Post, {"deputy_code": ""}),
    "duties": (DUTY, Obligation, {"times": "3"}),
    "pairings": (PAIRED, Pairing, {"from": "2026-02-01"}),
    "exemptions": (LEAVE, Exemption, {"to": "2026-06-05", "state": "granted"}),
    "letters": (LETTER, Letter, {"signed_on": "2026-01-06"}),
}


async def browser_of(client: Client, session: AsyncSession, person: Person) -> httpx.AsyncClient:
    """Somebody signed in to the dashboard."""
    browser = client(None)
    cookie = await web_sessions.begin(session, person, via="link", now=datetime.now(UTC))
    await session.commit()
    browser.cookies.set(WEB_COOKIE, cookie)
    return browser


@pytest.fixture
async def wang_at(
    client: Client, session: AsyncSession, wang: Member, li: Member, chen: Member, zhou: Member
) -> httpx.AsyncClient:
    """Wang, who manages everybody here, at the dashboard."""
    assert {each.person.code for each in (li, chen, zhou)} == {"LI", "CHEN", "ZHOU"}
    return await browser_of(client, session, wang.person)


@pytest.fixture
async def zhao_at(client: Client, session: AsyncSession, zhao: Member) -> httpx.AsyncClient:
    """Zhao, who manages the village alone."""
    return await browser_of(client, session, zhao.person)


async def made(browser: httpx.AsyncClient, path: str) -> str:
    """Make the row of `FORMS` by its page; its address."""
    answer = await send(browser, f"{ROSTER}/new/{path}", **FORMS[path][0])
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0]


async def audits(session: AsyncSession, action: str) -> list[AuditEntry]:
    query = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.at)
    return list(await session.scalars(query))


@pytest.mark.parametrize("path", FORMS)
async def test_what_a_page_made_is_listed_and_changed_by_its_page(
    session: AsyncSession, wang_at: httpx.AsyncClient, path: str
) -> None:
    typed, model, change = FORMS[path]
    address = await made(wang_at, path)
    before = await session.scalar(select(func.count()).select_from(model))

    listed = await wang_at.get(f"{ROSTER}/{path}")
    answer = await send(wang_at, address, **change, reason="更正")

    assert answer.status_code == 303, answer.text
    assert f'href="{address}"' in listed.text
    page = await wang_at.get(address)
    shown = fields(page, address)
    assert {name: shown[name] for name in change if name != "state"} == {
        name: text for name, text in change.items() if name != "state"
    }
    assert shown["reason"] == ""
    assert await session.scalar(select(func.count()).select_from(model)) == before
    (create,), (edit,) = await audits(session, "create"), await audits(session, "edit")
    assert (create.reason, create.via, edit.reason, edit.via) == (
        typed["reason"], "web", "更正", "web",
    )  # fmt: skip


async def test_codes_may_be_chosen_or_typed_by_code_or_name(
    session: AsyncSession, wang_at: httpx.AsyncClient
) -> None:
    """`LI 示例李` from the list, `EAST` by its code, `示例陈` by the name in full."""
    await made(wang_at, "posts")

    post = (await session.scalars(select(Post).where(Post.code == "Z-1"))).one()
    people = {p.id: p.code for p in await session.scalars(select(Person))}
    assert post.deputy_id is not None
    assert (people[post.person_id], people[post.deputy_id]) == ("LI", "CHEN")
    page = await wang_at.get(f"{ROSTER}/posts/Z-1")
    shown = fields(page, f"{ROSTER}/posts/Z-1")
    assert (shown["person_code"], shown["deputy_code"]) == ("LI 示例李", "CHEN 示例陈")


@pytest.mark.parametrize("path", FORMS)
async def test_nothing_is_changed_without_a_reason_and_nothing_typed_is_lost(
    session: AsyncSession, wang_at: httpx.AsyncClient, path: str
) -> None:
    typed, model, change = FORMS[path]
    before = await session.scalar(select(func.count()).select_from(model))

    new = await send(wang_at, f"{ROSTER}/new/{path}", **typed | {"reason": "  "})
    address = await made(wang_at, path)
    old = await send(wang_at, address, **change, reason="")

    for answer, action in ((new, f"{ROSTER}/new/{path}"), (old, address)):
        assert answer.status_code == 422
        assert "请写明原因，会记入日志" in answer.text
        shown = fields(answer, action)
        wanted = typed | change if answer is old else typed
        kept = {name: shown[name] for name in wanted if name not in {"reason", "state"}}
        if answer is new:
            assert kept == {n: t for n, t in wanted.items() if n not in {"reason", "state"}}
    assert await session.scalar(select(func.count()).select_from(model)) == (before or 0) + 1


async def test_what_is_wrong_stands_beside_its_field(
    session: AsyncSession, wang_at: httpx.AsyncClient
) -> None:
    answer = await send(
        wang_at, f"{ROSTER}/new/people",
        **PERSON | {"phone": "123", "organisation_code": "NOWHERE", "from": "昨天"},
    )  # fmt: skip

    assert answer.status_code == 422
    notes = dict(re.findall(r'id="f-([a-z_]+)-note"><b class="what">([^<]+)</b>', answer.text))
    assert notes == {
        "phone": "不是有效的大陆手机号，应为 11 位数字",
        "organisation_code": "“NOWHERE”不存在，请先在 organisations 里登记",
        "from": "“昨天”不是日期，请写成 2026-06-01",
    }
    shown = fields(answer, f"{ROSTER}/new/people")
    assert (shown["phone"], shown["organisation_code"], shown["from"], shown["name"]) == (
        "123", "NOWHERE", "昨天", "示例孙",
    )  # fmt: skip
    # A field for days would show a browser's empty one.
    assert re.search(r'name="from" type="text" value="昨天"', answer.text)
    assert await session.scalar(select(Person).where(Person.code == "SUN")) is None


@pytest.mark.parametrize("path", FORMS)
async def test_a_change_by_somebody_else_meanwhile_is_shown_beside_ones_own(
    wang_at: httpx.AsyncClient, path: str
) -> None:
    _, _, change = FORMS[path]
    address = await made(wang_at, path)
    opened = fields(await wang_at.get(address), address)
    first = await send(wang_at, address, **change, reason="先改的")
    assert first.status_code == 303, first.text
    (name,) = set(change) - {"state"}
    decided = {"state": "granted"} if "state" in change else {}
    typed = opened | decided | {"reason": "后改的"}

    answer = await wang_at.post(address, data=typed)

    assert answer.status_code == 412
    assert "这一条在您打开以后被别人改过" in answer.text
    assert f"现在是：{change[name] or '（空）'}" in answer.text
    shown = fields(answer, address)
    assert (shown[name], shown["reason"]) == (opened[name], "后改的")
    # Nothing was overwritten; who has seen both may insist.
    assert fields(await wang_at.get(address), address)[name] == change[name]
    again = await wang_at.post(
        address, data=shown | ({"state": "granted"} if "state" in change else {})
    )
    assert again.status_code == 303, again.text
    assert fields(await wang_at.get(address), address)[name] == opened[name]


@pytest.mark.parametrize("path", FORMS)
async def test_who_manages_others_sees_and_changes_nothing(
    session: AsyncSession, wang_at: httpx.AsyncClient, zhao_at: httpx.AsyncClient, path: str
) -> None:
    typed, model, change = FORMS[path]
    address = await made(wang_at, path)
    before = fields(await wang_at.get(address), address)
    token = fields(await zhao_at.get(f"{ROSTER}/new/{path}"), f"{ROSTER}/new/{path}")["form_token"]

    listed = await zhao_at.get(f"{ROSTER}/{path}?retired=on")
    got = await zhao_at.get(address)
    posted = await zhao_at.post(
        address, data=before | change | {"form_token": token, "reason": "越权"}
    )
    # Nor is somebody of others' named in one's own, nor does a list offer them.
    mine = await send(zhao_at, f"{ROSTER}/new/{path}", **typed | {"code": "MINE", "number": "MINE"})

    assert address not in listed.text
    assert (got.status_code, posted.status_code) == (404, 404)
    assert fields(await wang_at.get(address), address) == before
    assert mine.status_code == 422, mine.text
    offered = await zhao_at.get(f"{ROSTER}/new/{path}")
    for name in ("示例李", "示例陈", "东岸党支部", "示例度假村"):
        assert name not in offered.text
    assert await session.scalar(select(func.count()).select_from(model)) == await count(
        model, session
    )


async def count(model: type, session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_what_belongs_to_nobody_of_ours_is_refused_without_a_token(
    wang_at: httpx.AsyncClient, session: AsyncSession, li: Member
) -> None:
    address = f"{ROSTER}/people/LI"
    typed = fields(await wang_at.get(address), address) | {"name": "改名", "reason": "伪造"}
    application = str(uuid4())
    for action in (
        address, f"{ROSTER}/new/people", f"{ROSTER}/invite/LI", f"{ROSTER}/unbind/LI",
        f"{ROSTER}/slips", f"{ROSTER}/applications/{application}/join",
        f"{ROSTER}/applications/{application}/decline", f"{ROSTER}/conflicts/{application}",
    ):  # fmt: skip
        for token in ("", "0" * 64):
            answer = await wang_at.post(action, data=typed | {"form_token": token})
            assert answer.status_code == 403, action
    await session.refresh(li.person)
    assert li.person.name == "示例李"
    assert await audits(session, "edit") == []


async def test_a_form_that_is_sent_twice_makes_one(
    session: AsyncSession, wang_at: httpx.AsyncClient
) -> None:
    page = await wang_at.get(f"{ROSTER}/new/people")
    typed = fields(page, f"{ROSTER}/new/people") | PERSON
    typed["code"] = "SUN"

    answers = [await wang_at.post(f"{ROSTER}/new/people", data=typed) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(await audits(session, "create")) == 1


async def test_a_new_one_never_takes_the_place_of_one_that_is_there(
    session: AsyncSession, wang_at: httpx.AsyncClient, li: Member
) -> None:
    answer = await send(wang_at, f"{ROSTER}/new/people", **PERSON | {"code": "LI"})

    assert answer.status_code == 409
    assert "这个编码已经用在别处，请换一个。" in answer.text
    assert fields(answer, f"{ROSTER}/new/people")["phone"] == "19900002001"
    await session.refresh(li.person)
    assert li.person.name == "示例李"


async def test_only_an_admin_makes_admins(
    client: Client, session: AsyncSession, wang_at: httpx.AsyncClient, qian: Member
) -> None:
    page = await wang_at.get(f"{ROSTER}/new/people")
    forced = await send(wang_at, f"{ROSTER}/new/people", **PERSON | {"role": "admin"})
    admins = await (await browser_of(client, session, qian.person)).get(f"{ROSTER}/new/people")

    assert re.findall(r'<option value="(member|manager|admin)"', page.text) == ["member", "manager"]
    assert forced.status_code == 403
    assert "系统管理员只能由系统管理员设置和修改" in forced.text
    assert '<option value="admin">' in admins.text


async def test_somebody_leaves_the_roster_and_comes_back(
    session: AsyncSession, wang_at: httpx.AsyncClient, li: Member
) -> None:
    address = f"{ROSTER}/people/LI"

    gone = await send(wang_at, address, retired="on", reason="调走")
    await session.refresh(li.person)
    listed = (await wang_at.get(f"{ROSTER}/people")).text
    with_retired = (await wang_at.get(f"{ROSTER}/people?retired=on")).text
    off = li.person.retired_on
    back = await send(wang_at, address, retired=[], reason="调回")
    await session.refresh(li.person)

    assert (gone.status_code, back.status_code) == (303, 303)
    assert off is not None
    assert li.person.retired_on is None
    assert (address in listed, address in with_retired) == (False, True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=示例李", ["LI"]),
        ("q=chen", ["CHEN"]),
        ("q=19900002001", ["SUN"]),
        ("q=1990000", []),
        ("organisation=ENT", ["CHEN"]),
        ("organisation=EAST 东岸党支部", ["LI", "SUN"]),
        ("role=manager", ["WANG"]),
        ("role=nonsense&organisation=EAST", ["LI", "SUN"]),
        ("q=%00", ["CHEN", "LI", "SUN", "WANG", "ZHOU"]),
    ],
)
async def test_people_are_found_by_name_code_phone_organisation_and_role(
    wang_at: httpx.AsyncClient, query: str, found: list[str]
) -> None:
    await made(wang_at, "people")

    page = await wang_at.get(f"{ROSTER}/people?{query}")

    assert sorted(re.findall(rf'href="{ROSTER}/people/([A-Z]+)"', page.text)) == found
    # No telephone is in the list: who looks at one opens the page, and that is written down.
    assert "19900002001" not in re.sub(r'name="q" value="[^"]*"', "", page.text)


async def test_looking_at_somebody_is_written_down(
    session: AsyncSession, wang_at: httpx.AsyncClient
) -> None:
    await wang_at.get(f"{ROSTER}/people")
    assert await audits(session, "see") == []
    await wang_at.get(f"{ROSTER}/people/LI")

    assert [(entry.subject, entry.via) for entry in await audits(session, "see")] == [
        ("person:LI", "web")
    ]


async def test_a_list_goes_on_where_it_ended(
    session: AsyncSession, lake: Lake, wang_at: httpx.AsyncClient
) -> None:
    for number in range(60):
        await a_person(session, code=f"N{number:02}", organisation_id=lake.village.id)

    first = await wang_at.get(f"{ROSTER}/people?organisation=VILLAGE")
    (following,) = re.findall(r'href="(\?[^"]*cursor[^"]*)"', first.text)
    second = await wang_at.get(f"{ROSTER}/people{following.replace('&amp;', '&')}")

    pages = [re.findall(rf"{ROSTER}/people/(N\d+)", page.text) for page in (first, second)]
    assert [len(page) for page in pages] == [50, 10]
    assert sorted(pages[0] + pages[1]) == [f"N{number:02}" for number in range(60)]
    assert "cursor=" not in second.text


@pytest.mark.parametrize("path", FORMS)
async def test_more_rows_cost_no_more_queries(
    session: AsyncSession, wang_at: httpx.AsyncClient, path: str
) -> None:
    typed, _, _ = FORMS[path]
    await made(wang_at, path)
    with counted(session) as one:
        assert (await wang_at.get(f"{ROSTER}/{path}")).status_code == 200
    for code, reach, day in (("A", "", "2026-07-01"), ("B", "R-1", "2026-08-01")):
        more = dict(typed)
        if "code" in more:
            more["code"] = code
        if path == "people":
            more["phone"] = ""
        if path == "pairings":
            more |= {"department_code": "WEST", "reach_code": reach}
        if path == "letters":
            more["number"] = code
        if path == "exemptions":
            more |= {"from": day, "to": day}
        answer = await send(wang_at, f"{ROSTER}/new/{path}", **more)
        assert answer.status_code == 303, answer.text
    with counted(session) as three:
        assert (await wang_at.get(f"{ROSTER}/{path}")).status_code == 200

    assert three.statements == one.statements, three.asked


async def test_an_invitation_code_is_shown_once(
    session: AsyncSession, wang_at: httpx.AsyncClient
) -> None:
    without = await send(wang_at, f"{ROSTER}/people/LI", f"{ROSTER}/invite/LI", reason="")
    answer = await send(wang_at, f"{ROSTER}/people/LI", f"{ROSTER}/invite/LI", reason="新手机")

    assert (without.status_code, answer.status_code) == (422, 200)
    (code,) = re.findall(r'<b class="number">(\d{4} \d{4})</b>', answer.text)
    assert code not in (await wang_at.get(f"{ROSTER}/people/LI")).text
    assert len((await session.scalars(select(Invitation))).all()) == 1
    assert [(entry.subject, entry.reason) for entry in await audits(session, "invite")] == [
        ("person:LI", "新手机")
    ]


async def test_who_is_bound_is_shown_and_parted(
    session: AsyncSession, wang_at: httpx.AsyncClient, li: Member
) -> None:
    await a_wechat_user(session, app=App.service_account, person_id=li.person.id)
    page = await wang_at.get(f"{ROSTER}/people/LI")
    without = await send(wang_at, f"{ROSTER}/people/LI", f"{ROSTER}/unbind/LI", reason=" ")
    answer = await send(
        wang_at, f"{ROSTER}/people/LI", f"{ROSTER}/unbind/LI", app="service_account",
        reason="换手机",
    )  # fmt: skip

    assert [app for app in ("小程序", "服务号") if f">{app}</span> 已绑定" in page.text] == [
        "小程序", "服务号",
    ]  # fmt: skip
    assert (without.status_code, answer.status_code) == (422, 303)
    left = await session.scalars(select(WechatUser.app).where(WechatUser.person_id == li.person.id))
    assert left.all() == [App.mini_program]
    (entry,) = await audits(session, "unbind")
    assert (entry.via, entry.reason) == ("web", "换手机")


async def test_slips_are_printed_for_whom_one_manages(
    session: AsyncSession, lake: Lake, wang_at: httpx.AsyncClient, zhao_at: httpx.AsyncClient
) -> None:
    await a_person(session, code="SUN", name="示例孙", organisation_id=lake.east_branch.id)

    answer = await send(
        wang_at, f"{ROSTER}/slips", organisation="EAST 东岸党支部", reason="发邀请条"
    )
    one = await send(wang_at, f"{ROSTER}/people/SUN", f"{ROSTER}/slips", reason="补一张")
    foreign = await send(zhao_at, f"{ROSTER}/slips", organisation="EAST", reason="越权")
    silent = await send(wang_at, f"{ROSTER}/slips", organisation="EAST", reason="")

    for printed in (answer, one):
        assert (printed.status_code, printed.headers["content-type"]) == (200, "application/pdf")
        assert printed.content.startswith(b"%PDF-")
    assert (foreign.status_code, silent.status_code) == (422, 422)
    assert "没有找到这个组织" in foreign.text
    assert fields(silent, f"{ROSTER}/slips")["organisation"] == "EAST"
    invited = [(entry.subject, entry.reason) for entry in await audits(session, "invite")]
    assert invited == [
        ("person:LI", "发邀请条"), ("person:SUN", "发邀请条"), ("person:SUN", "补一张"),
    ]  # fmt: skip


@pytest.fixture
async def application(session: AsyncSession) -> Application:
    """Somebody of the east bank's branch who says that they are Sun."""
    user = await a_wechat_user(session)
    asked = Application(
        wechat_user_id=user.id, kind=ApplicationKind.binding, state=ApplicationState.pending,
        created_at=datetime.now(UTC), name="示例孙", phone="19900002009", organisation="EAST",
    )  # fmt: skip
    session.add(asked)
    await session.commit()
    return asked


async def test_an_applicant_is_joined_to_somebody(
    session: AsyncSession, lake: Lake, wang_at: httpx.AsyncClient, application: Application
) -> None:
    sun = await a_person(session, code="SUN", name="示例孙", organisation_id=lake.east_branch.id)
    page, action = f"{ROSTER}/applications", f"{ROSTER}/applications/{application.id}/join"

    unknown = await send(wang_at, page, action, person="NOBODY", reason="电话核对过")
    silent = await send(wang_at, page, action, person="SUN 示例孙", reason="")
    answer = await send(wang_at, page, action, person="SUN 示例孙", reason="电话核对过")
    token = fields(await wang_at.get(f"{ROSTER}/people/LI"), f"{ROSTER}/people/LI")["form_token"]
    typed = {"person": "LI", "reason": "再来", "form_token": token}
    again = await wang_at.post(action, data=typed)

    assert [each.status_code for each in (unknown, silent, answer, again)] == [422, 422, 303, 409]
    assert "名册里没有您管理的这位人员" in unknown.text
    assert fields(unknown, action)["person"] == "NOBODY"
    assert fields(silent, action)["person"] == "SUN 示例孙"
    await session.refresh(application)
    assert (application.state, application.person_id) == (ApplicationState.joined, sun.id)
    (entry,) = await audits(session, "join-application")
    assert (entry.reason, entry.via) == ("电话核对过", "web")
    assert {each.subject for each in await audits(session, "see")} == {"applications", "person:LI"}


async def test_an_applicant_is_declined_by_those_who_may(
    session: AsyncSession, wang_at: httpx.AsyncClient, zhao_at: httpx.AsyncClient,
    application: Application,
) -> None:  # fmt: skip
    page, action = f"{ROSTER}/applications", f"{ROSTER}/applications/{application.id}/decline"
    foreign = await zhao_at.get(page)
    token = fields(await zhao_at.get(f"{ROSTER}/slips"), f"{ROSTER}/slips")["form_token"]
    refused = await zhao_at.post(action, data={"reason": "越权", "form_token": token})
    shown = await wang_at.get(page)
    sent = fields(shown, f"{ROSTER}/applications/{application.id}/join")
    answer = await wang_at.post(action, data=sent | {"reason": "不认识"})

    assert "19900002009" not in foreign.text
    assert "19900002009" in shown.text
    assert (refused.status_code, answer.status_code) == (404, 303)
    await session.refresh(application)
    assert (application.state, application.reason) == (ApplicationState.declined, "不认识")


async def test_a_wish_for_leave_is_granted_declined_and_taken_back(
    session: AsyncSession, wang_at: httpx.AsyncClient, li: Member
) -> None:
    asked = await li.client.post(
        "/api/v1/me/exemptions",
        json={"from": "2026-12-01", "to": "2026-12-02", "kind": "leave", "reason": "看病"},
    )
    address = f"{ROSTER}/exemptions/{asked.json()['id']}"
    page = await wang_at.get(address)
    states = []
    for state, reason in (("granted", "同意"), ("declined", "任务紧"), ("granted", "还是同意")):
        answer = await send(wang_at, address, state=state, reason=reason)
        assert answer.status_code == 303, answer.text
        states.append(await session.scalar(select(Exemption.state)))

    assert "看病" in page.text
    assert states == [ExemptionState.granted, ExemptionState.declined, ExemptionState.granted]
    waiting = await wang_at.get(f"{ROSTER}/exemptions?state=asked")
    assert address not in waiting.text


async def test_nobody_lightens_their_own_duty(wang_at: httpx.AsyncClient) -> None:
    own = await send(wang_at, f"{ROSTER}/new/exemptions", **LEAVE | {"holder_code": "WANG"})
    duty = await send(wang_at, f"{ROSTER}/new/duties", **DUTY | {"holder_code": "WANG"})

    assert (own.status_code, duty.status_code) == (403, 403)
    assert "不能审批自己的免巡" in own.text
    assert "不能修改自己的履职任务" in duty.text
    assert fields(duty, f"{ROSTER}/new/duties")["times"] == "2"


async def test_a_duty_shows_how_it_was_counted(wang_at: httpx.AsyncClient) -> None:
    address = await made(wang_at, "duties")

    page = await wang_at.get(address)

    assert address == f"{ROSTER}/duties/O/1"
    assert "怎么算出来的" in page.text
    assert "应巡＝(2×2×" in page.text


async def test_duties_of_pairings_are_shown_and_changed_by_the_pairing(
    wang_at: httpx.AsyncClient,
) -> None:
    await made(wang_at, "pairings")
    address = f"{ROSTER}/duties/PAIR-EAST"

    page = await wang_at.get(address)
    token = fields(await wang_at.get(f"{ROSTER}/slips"), f"{ROSTER}/slips")["form_token"]
    answer = await wang_at.post(
        address, data=DUTY | {"form_token": token, "version": "", "reason": "改"}
    )

    assert (
        '由<a href="/dashboard/roster/pairings?organisation=EAST">挂钩联系</a>自动产生' in page.text
    )
    assert f'action="{address}"' not in page.text
    assert answer.status_code in {409, 412}


@pytest.mark.usefixtures("application")
async def test_the_index_counts_what_waits(
    wang_at: httpx.AsyncClient, zhao_at: httpx.AsyncClient, li: Member
) -> None:
    await li.client.post(
        "/api/v1/me/exemptions",
        json={"from": "2026-12-01", "to": "2026-12-02", "kind": "leave", "reason": "看病"},
    )
    pages = [(await each.get(ROSTER)).text for each in (wang_at, zhao_at)]

    assert [re.findall(r"<b>(\d+)\+?</b>", page) for page in pages] == [["1", "1", "0"], ["0"] * 3]


@pytest.mark.parametrize(
    "path",
    [
        "nonsense",
        "new/nonsense",
        "people/NOBODY",
        "pairings/no-id",
        "people/%00",
        "people?cursor=x",
    ],
)
async def test_what_is_not_there_is_a_page_that_says_so(
    wang_at: httpx.AsyncClient, path: str
) -> None:
    answer = await wang_at.get(f"{ROSTER}/{path}")

    assert answer.status_code in {400, 404, 422}
    assert answer.headers["content-type"].startswith("text/html")
    assert "没有成功" in answer.text


@pytest.fixture
async def conflict(session: AsyncSession, li: Member) -> RosterConflict:
    """A file has another name for Li, and no title; somebody edited Li since."""
    li.person.title = "组长"
    await session.merge(li.person)
    one = RosterConflict(
        stem="people", row_id=li.person.id, place="people.csv:7",
        said={"code": "LI", "name": "示例李李", "title": None, "phone": "19900003003"},
        written_at=datetime(2026, 1, 1, tzinfo=UTC), edited_at=datetime(2026, 2, 1, tzinfo=UTC),
        found_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    session.add(one)
    await session.commit()
    return one


async def decided(session: AsyncSession, conflict: RosterConflict) -> tuple[str, str | None]:
    await session.refresh(conflict)
    person = await session.get_one(Person, conflict.row_id, populate_existing=True)
    return conflict.state, person.title


async def test_a_conflict_shows_both_and_is_decided_with_a_reason(
    session: AsyncSession, wang_at: httpx.AsyncClient, conflict: RosterConflict, li: Member
) -> None:
    page, action = f"{ROSTER}/conflicts", f"{ROSTER}/conflicts/{conflict.id}"
    phone = li.person.phone
    shown = await wang_at.get(page)
    rows = re.findall(
        r'data-label="项目">([^<]*)</th><td data-label="现在的">([^<]*)</td>'
        r'<td data-label="文件里的">([^<]*)</td>', shown.text,
    )  # fmt: skip

    silent = await send(wang_at, page, action, take="file", reason="")
    assert (silent.status_code, await decided(session, conflict)) == (422, ("open", "组长"))
    answer = await send(wang_at, page, action, take="file", reason="以文件为准")
    again = await wang_at.post(
        action, data={"take": "ours", "reason": "再来", "form_token": fields(shown, action)["form_token"]}
    )  # fmt: skip

    assert rows == [
        ("姓名", "示例李", "示例李李"), ("手机号", phone, "19900003003"),
        ("职务名称", "组长", "—"),
    ]  # fmt: skip
    assert {entry.subject for entry in await audits(session, "see")} == {"person:LI"}
    assert (answer.status_code, again.status_code) == (303, 409)
    assert await decided(session, conflict) == ("taken", None)
    (edit,), (entry,) = await audits(session, "edit"), await audits(session, "take-file")
    assert (edit.subject, edit.reason, edit.via) == ("person:LI", "以文件为准", "web")
    assert (entry.subject, entry.reason) == ("person:LI", "以文件为准")
    assert "没有冲突。" in (await wang_at.get(page)).text


async def test_a_conflict_is_decided_about_the_row_that_was_shown(
    session: AsyncSession, wang_at: httpx.AsyncClient, conflict: RosterConflict
) -> None:
    page, action = f"{ROSTER}/conflicts", f"{ROSTER}/conflicts/{conflict.id}"
    opened = fields(await wang_at.get(page), action) | {"take": "file", "reason": "以文件为准"}
    await send(wang_at, f"{ROSTER}/people/LI", title="队长", reason="又改了")

    stale = await wang_at.post(action, data=opened)
    kept = await send(wang_at, page, action, take="ours", reason="现在的对")

    assert (stale.status_code, kept.status_code) == (412, 303)
    assert fields(stale, action)["reason"] == "以文件为准"
    assert await decided(session, conflict) == ("kept", "队长")


async def test_conflicts_are_those_of_ones_own_rows(
    session: AsyncSession, zhao_at: httpx.AsyncClient, conflict: RosterConflict
) -> None:
    token = fields(await zhao_at.get(f"{ROSTER}/slips"), f"{ROSTER}/slips")["form_token"]
    listed = await zhao_at.get(f"{ROSTER}/conflicts")
    typed = {"take": "file", "reason": "越权", "version": "*", "form_token": token}
    answer = await zhao_at.post(f"{ROSTER}/conflicts/{conflict.id}", data=typed)

    assert ("示例李" in listed.text, answer.status_code) == (False, 404)
    assert await decided(session, conflict) == ("open", "组长")
