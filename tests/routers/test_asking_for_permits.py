"""After a check-in the mini-program is told which templates to ask for: seldom, and only who needs it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import SendPermit, WechatUser
from app.settings import MessageTemplate, Settings
from tests.conftest import Member

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
TEMPLATE = "TPL-MINI"


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def with_template(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    template = MessageTemplate(id=TEMPLATE, thing1="task")
    monkeypatch.setattr(settings.templates, "reminder_mini_program", template)


async def check_in(member: Member, id_: UUID | None = None) -> dict[str, Any]:
    response = await member.client.put(
        f"/api/v1/check-ins/{id_ or uuid4()}",
        json={
            "at": datetime.now(UTC).isoformat(),
            "position": {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"},
        },
    )
    assert response.status_code in {200, 201}
    answer: dict[str, Any] = response.json()
    return answer


async def user_of(session: AsyncSession, member: Member) -> WechatUser:
    wanted = WechatUser.person_id == member.person.id
    return (await session.scalars(select(WechatUser).where(wanted))).one()


async def grant(session: AsyncSession, member: Member, template: str = TEMPLATE) -> None:
    """One accept, as WeChat's signed event books it."""
    user = await user_of(session, member)
    session.add(
        SendPermit(
            wechat_user_id=user.id, template_id=template, event_key=str(uuid4()), granted_at=NOW
        )
    )
    await session.commit()


@pytest.mark.usefixtures("with_template")
async def test_a_record_asks_once_a_day(clock: time_machine.Traveller, li: Member) -> None:
    id_ = uuid4()
    assert (await check_in(li, id_))["ask_for"] == [TEMPLATE]
    # The same again says how the record stands, and so does reading it.
    assert (await check_in(li, id_))["ask_for"] == []
    read = await li.client.get(f"/api/v1/check-ins/{id_}")
    assert read.json()["ask_for"] == []
    listed = await li.client.get("/api/v1/check-ins")
    assert [item["ask_for"] for item in listed.json()["items"]] == [[]]
    clock.shift(timedelta(hours=23, minutes=59))
    assert (await check_in(li))["ask_for"] == []
    clock.shift(timedelta(minutes=2))
    assert (await check_in(li))["ask_for"] == [TEMPLATE]


@pytest.mark.usefixtures("with_template")
async def test_what_the_phone_said_counts_as_asked(
    clock: time_machine.Traveller, li: Member, zhou: Member
) -> None:
    for template, result in ((TEMPLATE, "reject"), ("TPL-OTHER", "accept")):
        told = await li.client.post(
            "/api/v1/me/subscriptions", json={"template_id": template, "result": result}
        )
        assert told.status_code == 201
    assert (await check_in(li))["ask_for"] == []
    assert (await check_in(zhou))["ask_for"] == [TEMPLATE]
    clock.shift(timedelta(days=1))
    assert (await check_in(li))["ask_for"] == [TEMPLATE]


@pytest.mark.usefixtures("with_template")
async def test_who_has_three_permits_is_not_asked_for_more(
    session: AsyncSession, clock: time_machine.Traveller, li: Member
) -> None:
    await grant(session, li)
    await grant(session, li)
    await grant(session, li, "TPL-OTHER")
    assert (await check_in(li))["ask_for"] == [TEMPLATE]
    await grant(session, li)
    clock.shift(timedelta(days=2))
    assert (await check_in(li))["ask_for"] == []
    await session.execute(
        update(SendPermit).where(SendPermit.template_id == TEMPLATE).values(used_at=NOW)
    )
    await session.commit()
    assert (await check_in(li))["ask_for"] == [TEMPLATE]


async def test_without_a_template_nobody_is_asked_nor_anything_looked_up(
    li: Member, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.templates.reminder_mini_program is None
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noting)
    assert (await check_in(li))["ask_for"] == []
    assert sent
    assert not [each for each in sent if "subscriptions" in each or "send_permits" in each]
