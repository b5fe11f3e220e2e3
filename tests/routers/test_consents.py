"""Consent before a position is used: the texts, the answers, and which answer counts."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.notices import NOTICES
from app.errors import ConsentNeeded
from app.models import Consent, NoticeKind
from app.services import consents
from tests.conftest import Client, Member
from tests.factories import a_consent, a_person

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
PATH = "/api/v1/me/consents"


async def test_anybody_may_read_the_notices(client: Client) -> None:
    response = await client(None).get("/api/v1/consents/notices")

    assert response.status_code == 200
    assert response.json()["items"] == [
        {"notice": kind, "version": 1, "title": NOTICES[kind].title, "text": NOTICES[kind].text}
        for kind in ("position", "track")
    ]


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_a_notice_says_all_that_it_has_to(kind: NoticeKind) -> None:
    lines = NOTICES[kind].text.splitlines()

    assert [line.split("：")[0] for line in lines] == [
        "用什么",
        "为什么",
        "存多久",
        "谁能看",
        "不同意也可以",
        "怎样撤回",
    ]


@pytest.mark.parametrize("agreed", ["true", "yes", 1, None])
async def test_only_a_plain_yes_is_one(stranger: httpx.AsyncClient, agreed: object) -> None:
    response = await stranger.post(PATH, json={"notice": "position", "agreed": agreed})

    assert (response.status_code, response.json()["code"]) == (422, "invalid")


async def test_a_stranger_may_consent_before_being_bound(
    stranger: httpx.AsyncClient, session: AsyncSession
) -> None:
    with time_machine.travel(NOW, tick=False):
        response = await stranger.post(PATH, json={"notice": "position", "agreed": True})

    assert (response.status_code, response.json()) == (
        200,
        {
            "notice": "position",
            "version": 1,
            "agreed": True,
            "at": "2026-06-01T10:00:00+08:00",
        },
    )
    fact = (await session.scalars(select(Consent))).one()
    assert (fact.person_id, fact.wechat_user_id is not None) == (None, True)


async def test_another_version_than_the_one_in_force_is_refused(li: Member) -> None:
    response = await li.client.post(PATH, json={"notice": "track", "agreed": True, "version": 2})

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert [error["pointer"] for error in response.json()["errors"]] == ["/version"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"notice": "photos", "agreed": True}, "/notice"),
        ({"notice": "position"}, "/agreed"),
        ({"notice": "position", "agreed": "maybe"}, "/agreed"),
        ({"notice": "position", "agreed": True, "version": "x"}, "/version"),
    ],
)
async def test_a_malformed_answer_is_no_consent(
    li: Member, session: AsyncSession, body: dict[str, object], pointer: str
) -> None:
    before = len((await session.scalars(select(Consent))).all())

    response = await li.client.post(PATH, json=body)

    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert len((await session.scalars(select(Consent))).all()) == before


async def test_the_latest_answer_counts(li: Member, session: AsyncSession) -> None:
    person, position = li.person, NoticeKind.position
    counted = []
    with time_machine.travel(NOW, tick=False) as traveller:
        for agreed in (False, True, False):
            traveller.shift(timedelta(seconds=1))
            await li.client.post(PATH, json={"notice": "position", "agreed": agreed})
            counted.append(await consents.agreed(session, [person.id], position))

    assert counted == [set(), {person.id}, set()]
    assert await consents.agreed(session, [person.id], NoticeKind.track) == {person.id}


async def test_a_yes_to_an_earlier_text_no_longer_counts(session: AsyncSession) -> None:
    person = await a_person(session)
    await a_consent(session, person, version=0)

    with pytest.raises(ConsentNeeded) as refused:
        await consents.require(session, person, NoticeKind.position)

    notice = NOTICES["position"]
    assert refused.value.members == {
        "notice": "position",
        "version": 1,
        "notice_title": notice.title,
        "text": notice.text,
    }


async def test_consents_of_many_are_asked_for_at_once(session: AsyncSession) -> None:
    yes, no, silent = [await a_person(session) for _ in range(3)]
    await a_consent(session, yes)
    await a_consent(session, no, agreed=False)
    await a_consent(session, silent, notice=NoticeKind.track)

    asked = [person.id for person in (yes, no, silent)]

    assert await consents.agreed(session, asked, NoticeKind.position) == {yes.id}
    assert await consents.agreed(session, [], NoticeKind.position) == set()
