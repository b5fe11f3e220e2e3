"""Reviews: who may decide about a doubtful check-in, and what its sender may say."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from httpx import AsyncClient, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, CheckIn, CheckInVerdict, Message, Role, Verdict
from app.services import judging
from app.settings import Settings
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_token

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
AT = "2026-11-23T08:30:00+08:00"


async def flagged(client: AsyncClient, lon: float = 103.01, **given: Any) -> str:
    """The URL of a check-in that says it knows its place to 0 m."""
    url = f"/api/v1/check-ins/{uuid4()}"
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 0, "datum": "wgs84"}
    response = await client.put(url, json={"at": AT, "position": position} | given)
    assert (response.status_code, response.json()["verdict"]) == (201, "flagged")
    return url


async def review(
    client: AsyncClient, url: str, verdict: str = "accepted", **given: Any
) -> Response:
    body = {"verdict": verdict, "reason": "与村支书核实过"} | given
    return await client.post(f"{url}/review", json=body)


async def verdict_of(client: AsyncClient, url: str) -> str:
    verdict: str = (await client.get(url)).json()["verdict"]
    return verdict


async def told(session: AsyncSession, member: Member) -> list[tuple[str, str]]:
    rows = await session.execute(
        select(Message.kind, Message.text)
        .where(Message.person_id == member.person.id)
        .order_by(Message.created_at, Message.id)
    )
    return [(kind, text) for kind, text in rows]


@time_machine.travel(NOW, tick=False)
async def test_a_manager_decides_and_the_sender_hears_of_it(
    li: Member, wang: Member, session: AsyncSession
) -> None:
    url = await flagged(li.client)
    before = (await li.client.get(url)).json()

    response = await review(wang.client, url)

    assert response.status_code == 200
    assert response.json() == before | {
        "verdict": "accepted",
        "review": {
            "verdict": "accepted",
            "reason": "与村支书核实过",
            "at": "2026-11-23T12:00:00+08:00",
        },
    }
    assert (await li.client.get(url)).json() == response.json()
    assert await told(session, li) == [("review", "您11月23日的巡河记录审核为有效：与村支书核实过")]
    entry = (await session.scalars(select(AuditEntry))).one()
    assert (
        entry.actor_id,
        entry.action,
        entry.subject,
        entry.before,
        entry.after,
        entry.reason,
    ) == (
        wang.person.id,
        "review",
        f"check_in:{url.rsplit('/', 1)[1]}",
        {"verdict": "flagged"},
        {"verdict": "accepted"},
        "与村支书核实过",
    )


@time_machine.travel(NOW, tick=False)
async def test_who_may_review(
    li: Member,
    zhou: Member,
    chen: Member,
    zhao: Member,
    wang: Member,
    qian: Member,
    stranger: AsyncClient,
    program: AsyncClient,
    client: Client,
) -> None:
    everybody = (
        *(member.client for member in (li, zhou, chen, zhao)),
        stranger,
        program,
        client(None),
    )
    url = await flagged(li.client)

    refused = [
        (response.status_code, response.json()["code"])
        for response in [await review(each, url, "rejected") for each in everybody]
    ]
    still = await verdict_of(li.client, url)
    allowed = [(await review(each.client, url)).status_code for each in (wang, qian)]

    assert refused == [
        (403, "forbidden"),
        (403, "forbidden"),
        (403, "forbidden"),
        (404, "not-found"),
        (403, "not-bound"),
        (403, "forbidden"),
        (401, "unauthenticated"),
    ]
    assert still == "flagged"
    assert allowed == [200, 200]


@time_machine.travel(NOW, tick=False)
async def test_the_manager_of_the_place_may_review_too(
    li: Member, lake: Lake, client: Client, session: AsyncSession
) -> None:
    western, eastern = [
        client(
            await a_token(
                session,
                await a_person(session, organisation_id=branch.id, role=Role.manager),
            )
        )
        for branch in (lake.west_branch, lake.east_branch)
    ]
    in_the_west = await flagged(li.client, lon=102.97)
    in_the_east = await flagged(li.client)

    answers = [
        (await review(each, url)).status_code
        for each in (western, eastern)
        for url in (in_the_west, in_the_east)
    ]

    # The east's manager manages Li, wherever Li goes.
    assert answers == [200, 404, 200, 200]


@time_machine.travel(NOW, tick=False)
async def test_nobody_reviews_what_they_took_part_in(
    li: Member, wang: Member, qian: Member
) -> None:
    own = await flagged(wang.client)
    patrols = [f"/api/v1/patrols/{uuid4()}" for _ in range(2)]
    body = {"started_at": "2026-11-23T08:00:00+08:00"}
    await li.client.put(patrols[0], json=body | {"companions": ["WANG"]})
    await wang.client.put(patrols[1], json=body | {"companions": ["LI"]})
    along, with_own_group = [
        await flagged(li.client, patrol_id=patrol.rsplit("/", 1)[1]) for patrol in patrols
    ]

    refused = [await review(wang.client, url) for url in (own, along, with_own_group)]
    await wang.client.post(f"{patrols[0]}/decline")
    after_declining = await review(wang.client, along)
    by_another = await review(qian.client, own)

    for response in refused:
        assert (response.status_code, response.json()["detail"]) == (
            403,
            "不能审核自己的记录，或自己参加的巡河，请由其他管理人员审核。",
        )
    assert (after_declining.status_code, by_another.status_code) == (200, 200)


@time_machine.travel(NOW, tick=False)
async def test_the_sender_answers_once(
    li: Member, zhou: Member, wang: Member, session: AsyncSession
) -> None:
    url = await flagged(li.client)

    async def answer(member: Member, text: str = "手机当时没有信号") -> tuple[int, str | None]:
        response = await member.client.post(f"{url}/review/answer", json={"text": text})
        return response.status_code, response.json()["code"] if response.content else None

    assert await answer(li) == (409, "wrong-state")
    await review(wang.client, url, "rejected")
    assert await answer(zhou) == (404, "not-found")
    assert await answer(wang) == (404, "not-found")
    assert await answer(li, " ") == (422, "invalid")
    assert await answer(li) == (204, None)
    assert await answer(li) == (409, "wrong-state")
    assert await told(session, wang) == [
        ("review_answer", "示例李回复了您的审核：手机当时没有信号")
    ]
    # Reviewed again, and so there is something new to answer.
    await review(wang.client, url, "accepted")
    assert await answer(li, "谢谢") == (204, None)


@time_machine.travel(NOW, tick=False)
async def test_a_review_outranks_every_later_recomputation(
    li: Member, wang: Member, session: AsyncSession, settings: Settings
) -> None:
    reviewed, other = await flagged(li.client), await flagged(li.client)
    ids = [UUID(url.rsplit("/", 1)[1]) for url in (reviewed, other)]
    await review(wang.client, reviewed, "accepted")
    # As if the rules had come to another conclusion since.
    check_in = await session.get_one(CheckIn, ids[1])
    check_in.verdict = Verdict.rejected
    await session.commit()

    await judging.rejudge(session, ids, settings, now=NOW)
    await session.commit()

    assert [await verdict_of(li.client, url) for url in (reviewed, other)] == [
        "accepted",
        "flagged",
    ]


@time_machine.travel(NOW, tick=False)
async def test_every_change_of_mind_is_kept(
    li: Member, wang: Member, session: AsyncSession
) -> None:
    url = await flagged(li.client)
    id_ = UUID(url.rsplit("/", 1)[1])

    for verdict in ("accepted", "rejected", "flagged", "accepted"):
        response = await review(wang.client, url, verdict)
        assert response.json()["verdict"] == verdict

    facts = (
        await session.scalars(
            select(CheckInVerdict)
            .where(CheckInVerdict.check_in_id == id_)
            .order_by(CheckInVerdict.recorded_at, CheckInVerdict.id)
        )
    ).all()
    assert [(fact.verdict, fact.reviewer_id, fact.revoked_at) for fact in facts] == [
        ("flagged", None, NOW),
        ("accepted", wang.person.id, NOW),
        ("rejected", wang.person.id, NOW),
        ("flagged", wang.person.id, NOW),
        ("accepted", wang.person.id, None),
    ]
    entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [(entry.before, entry.after) for entry in entries] == [
        ({"verdict": before}, {"verdict": after})
        for before, after in (
            ("flagged", "accepted"),
            ("accepted", "rejected"),
            ("rejected", "flagged"),
            ("flagged", "accepted"),
        )
    ]
    assert [text.split("：")[0] for _, text in await told(session, li)] == [
        f"您11月23日的巡河记录审核为{word}" for word in ("有效", "无效", "待核", "有效")
    ]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/verdict", "/reason"]),
        ({"verdict": "ok", "reason": ""}, ["/verdict", "/reason"]),
        ({"verdict": "accepted", "reason": "字" * 501}, ["/reason"]),
        ({"verdict": "accepted", "reason": "a\u0000b"}, ["/reason"]),
    ],
)
@time_machine.travel(NOW, tick=False)
async def test_what_is_no_review(
    li: Member, wang: Member, body: dict[str, str], pointers: list[str]
) -> None:
    url = await flagged(li.client)

    response = await wang.client.post(f"{url}/review", json=body)

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == pointers
    assert await verdict_of(li.client, url) == "flagged"


@time_machine.travel(NOW, tick=False)
async def test_a_long_reason_is_cut_where_it_shows(
    li: Member, wang: Member, session: AsyncSession
) -> None:
    url = await flagged(li.client)

    await review(wang.client, url, "rejected", reason="字" * 51)

    ((_, text),) = await told(session, li)
    assert text == f"您11月23日的巡河记录审核为无效：{'字' * 49}…"
