"""Binding a WeChat to a person: by phone, by invitation, once, and only to oneself."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    App,
    Application,
    ApplicationKind,
    ApplicationState,
    AuditEntry,
    Consent,
    Invitation,
    NoticeKind,
    Person,
    WechatUser,
)
from app.services import invitations
from app.state import State
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests.conftest import Client
from tests.factories import a_consent, a_person, a_wechat_user
from tests.phones import Tapper, sign_in

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)


async def invited(session: AsyncSession, state: State, person: Person, **given: object) -> str:
    """A fresh code for the person, as the operator's shell makes it."""
    made = {"by": None, "now": NOW, "days": 30} | given
    code, _ = await invitations.create(session, state["keys"], person, **made)  # type: ignore[arg-type]  # given by name
    await session.commit()
    return code


async def by_phone(tapper: Tapper) -> tuple[int, str | None]:
    """Status, and whom the answer names or the problem's code."""
    response = await tapper.client.post(
        "/api/v1/sessions/phone", json={"code": tapper.phone.phone_code()}
    )
    answer = response.json()
    return response.status_code, answer["person"]["code"] if "person" in answer else answer["code"]


async def by_code(tapper: Tapper, code: str) -> tuple[int, str | None]:
    response = await tapper.client.post("/api/v1/sessions/invitation", json={"code": code})
    answer = response.json()
    return response.status_code, answer["person"]["code"] if "person" in answer else answer["code"]


async def test_a_phone_that_nobody_has_binds_nobody(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    await a_person(session, phone="19900000001")
    tapper = await sign_in(client, platform, phone="19900000002")

    assert await by_phone(tapper) == (404, "not-on-roster")
    assert await session.scalar(select(func.count()).where(WechatUser.person_id.is_not(None))) == 0


async def test_a_phone_of_somebody_who_left_binds_nobody(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    await a_person(session, phone="19900000001", to_on=(NOW - timedelta(days=9)).date())

    with time_machine.travel(NOW, tick=False):
        tapper = await sign_in(client, platform, phone="19900000001")
        assert await by_phone(tapper) == (404, "not-on-roster")


async def test_somebody_without_a_phone_is_not_everybody_without_a_phone(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    """WeChat gives a foreign number, and the roster has people without any."""
    await a_person(session, phone=None)
    tapper = await sign_in(client, platform, phone="4155550100")

    assert await by_phone(tapper) == (404, "not-on-roster")


async def test_binding_again_to_the_same_person_succeeds(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    await a_person(session, code="LI", phone="19900000001")
    tapper = await sign_in(client, platform, phone="19900000001")

    assert [await by_phone(tapper), await by_phone(tapper)] == [(200, "LI"), (200, "LI")]
    entries = (await session.scalars(select(AuditEntry))).all()
    assert [(e.action, e.subject, e.via) for e in entries] == [("bind", "person:LI", "phone")]


async def test_the_second_tap_with_a_used_phone_code_is_answered_like_the_first(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    await a_person(session, code="LI", phone="19900000001")
    tapper = await sign_in(client, platform, phone="19900000001")
    body = {"code": tapper.phone.phone_code()}

    first, second = [
        await tapper.client.post("/api/v1/sessions/phone", json=body) for _ in range(2)
    ]

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()


async def test_a_phone_code_that_wechat_does_not_know_is_refused(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    await a_person(session, phone="19900000001")
    tapper = await sign_in(client, platform, phone="19900000001")

    response = await tapper.client.post("/api/v1/sessions/phone", json={"code": "nothing"})

    assert (response.status_code, response.json()["code"]) == (401, "login-code-invalid")


async def test_wechat_away_while_the_phone_is_asked_for(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    await a_person(session, phone="19900000001")
    tapper = await sign_in(client, platform, phone="19900000001")
    platform.faults.add(Fault("*getuserphonenumber", status=500))

    assert await by_phone(tapper) == (503, "wechat-unavailable")


async def test_one_wechat_is_one_person(
    client: Client, platform: Platform, session: AsyncSession, state: State
) -> None:
    await a_person(session, code="LI", phone="19900000001")
    other = await a_person(session, code="ZHOU")
    tapper = await sign_in(client, platform, phone="19900000001")
    await by_phone(tapper)
    code = await invited(session, state, other)

    with time_machine.travel(NOW, tick=False):
        refused = await by_code(tapper, code)

    assert refused == (409, "already-bound")
    me = await tapper.client.get("/api/v1/me")
    assert me.json()["person"]["code"] == "LI"
    assert (await session.scalars(select(Invitation.used_at))).one() is None


async def test_a_second_wechat_waits_for_a_manager(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    person = await a_person(session, code="LI", phone="19900000001")
    first = await sign_in(client, platform, phone="19900000001")
    second = await sign_in(client, platform, phone="19900000001")
    await by_phone(first)

    answers = [await by_phone(second), await by_phone(second)]

    assert answers == [(409, "identity-taken"), (409, "identity-taken")]
    waiting = (await session.scalars(select(Application))).one()
    assert (waiting.kind, waiting.state, waiting.person_id) == (
        ApplicationKind.replacement,
        ApplicationState.pending,
        person.id,
    )
    assert (await first.client.get("/api/v1/me")).status_code == 200
    assert (await second.client.get("/api/v1/me")).json()["code"] == "not-bound"


async def test_whoever_left_the_roster_may_come_back_as_somebody_else(
    client: Client, platform: Platform, session: AsyncSession, state: State
) -> None:
    before = await a_person(session, code="LI", phone="19900000001")
    after = await a_person(session, code="LI-2", phone="19900000009")
    tapper = await sign_in(client, platform, phone="19900000001")
    await by_phone(tapper)
    before = await session.get_one(Person, before.id)
    before.to_on = (NOW - timedelta(days=1)).date()
    await session.commit()
    code = await invited(session, state, after)

    with time_machine.travel(NOW, tick=False):
        assert await by_code(tapper, code) == (200, "LI-2")


async def test_an_invitation_binds_once(
    client: Client, platform: Platform, session: AsyncSession, state: State
) -> None:
    person = await a_person(session, code="LI", phone=None)
    code = await invited(session, state, person)
    with time_machine.travel(NOW, tick=False):
        li, other = await sign_in(client, platform), await sign_in(client, platform)

        answers = [await by_code(li, code), await by_code(li, code), await by_code(other, code)]

    assert answers == [(200, "LI"), (200, "LI"), (410, "invitation-used")]
    used = (await session.scalars(select(Invitation))).one()
    assert (used.used_at, used.revoked_at) == (NOW, None)


@pytest.mark.parametrize(
    "written", ["{a} {b}", "  {a}{b}\u3000", "{a}-{b}", "{wide}", "{a}\u00a0{b}"]
)
async def test_a_code_is_understood_however_it_is_typed(
    client: Client, platform: Platform, session: AsyncSession, state: State, written: str
) -> None:
    code = await invited(session, state, await a_person(session, code="LI"))
    wide = code.translate({ord("0") + n: ord("０") + n for n in range(10)})
    with time_machine.travel(NOW, tick=False):
        tapper = await sign_in(client, platform)
        typed = written.format(a=code[:4], b=code[4:], wide=wide)

        assert await by_code(tapper, typed) == (200, "LI")


@pytest.mark.parametrize("typed", ["1234567890", "abcdefgh", "0", "١٢٣٤٥٦٧٨", "12345678' OR 1=1"])
async def test_what_is_no_code_is_unknown(
    client: Client, platform: Platform, session: AsyncSession, state: State, typed: str
) -> None:
    await invited(session, state, await a_person(session))
    tapper = await sign_in(client, platform)

    assert await by_code(tapper, typed) == (404, "invitation-unknown")


async def test_an_invitation_expires(
    client: Client, platform: Platform, session: AsyncSession, state: State
) -> None:
    code = await invited(session, state, await a_person(session, code="LI"))
    with time_machine.travel(NOW + timedelta(days=30), tick=False):
        tapper = await sign_in(client, platform)

        assert await by_code(tapper, code) == (404, "invitation-unknown")


async def test_a_new_invitation_does_not_end_the_one_given_out(
    client: Client, platform: Platform, session: AsyncSession, state: State
) -> None:
    person = await a_person(session, code="LI")
    told, printed = [await invited(session, state, person) for _ in range(2)]
    with time_machine.travel(NOW, tick=False):
        tapper = await sign_in(client, platform)

        assert told != printed
        assert await by_code(tapper, told) == (200, "LI")


async def test_guessing_codes_ends_after_ten_tries_an_hour(
    client: Client, platform: Platform, session: AsyncSession, state: State
) -> None:
    code = await invited(session, state, await a_person(session, code="LI"))
    wrong = f"{(int(code) + 1) % 10**8:08}"
    with time_machine.travel(NOW, tick=False) as traveller:
        tapper = await sign_in(client, platform)
        tries = [await by_code(tapper, wrong) for _ in range(10)]
        blocked = await tapper.client.post("/api/v1/sessions/invitation", json={"code": code})
        traveller.shift(timedelta(hours=1))
        later = await by_code(tapper, code)

    assert tries == [(404, "invitation-unknown")] * 10
    assert (blocked.status_code, blocked.json()["code"]) == (429, "too-many-requests")
    assert blocked.headers["retry-after"] == "3600"
    assert later == (200, "LI")
    user = (await session.scalars(select(WechatUser))).one()
    assert (user.failed_codes, user.failed_code_at) == (0, None)


async def test_with_both_identities_no_invitation_is_left(
    client: Client, platform: Platform, session: AsyncSession, state: State
) -> None:
    person = await a_person(session, code="LI")
    first, second, third = [await invited(session, state, person) for _ in range(3)]
    chat = await a_wechat_user(session, app=App.service_account)
    with time_machine.travel(NOW, tick=False):
        tapper = await sign_in(client, platform)
        await by_code(tapper, first)
        await invitations.use(session, state["keys"], second, chat, now=NOW)
        await session.commit()
        other = await sign_in(client, platform)

        assert await by_code(other, third) == (404, "invitation-unknown")


async def test_what_was_agreed_to_before_counts_after(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    await a_person(session, code="LI", phone="19900000001")
    tapper = await sign_in(client, platform, phone="19900000001")
    agreed = await tapper.client.post(
        "/api/v1/me/consents", json={"notice": "position", "agreed": True, "version": 1}
    )
    await by_phone(tapper)

    me = await tapper.client.get("/api/v1/me")

    assert agreed.status_code == 200
    assert me.json()["consents"] == [agreed.json()]


async def test_a_yes_of_before_does_not_undo_a_later_no(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    """The facts keep their own time: the person's latest answer counts."""
    person = await a_person(session, code="LI", phone="19900000001")
    with time_machine.travel(NOW, tick=False):
        tapper = await sign_in(client, platform, phone="19900000001")
        body = {"notice": "position", "agreed": True}
        await tapper.client.post("/api/v1/me/consents", json=body)
        later = NOW + timedelta(hours=1)
        await a_consent(session, person, agreed=False, recorded_at=later)
        await by_phone(tapper)
        me = await tapper.client.get("/api/v1/me")

    assert [(c["notice"], c["agreed"]) for c in me.json()["consents"]] == [("position", False)]
    facts = select(func.count()).where(Consent.notice == NoticeKind.position)
    assert await session.scalar(facts) == 2
