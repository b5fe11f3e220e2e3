"""Letters: managers keep them, the chief named reads and confirms."""

import hashlib
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models import AuditEntry, Letter
from app.services import letters
from app.settings import Settings
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_token
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LETTER: dict[str, Any] = {
    "organisation_code": "ENT",
    "person_code": "CHEN",
    "signed_on": "2026-01-05",
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "reason": "签订责任书",
}
SHOWN: dict[str, Any] = {
    "number": "L-1",
    "organisation_code": "ENT",
    "person_code": "CHEN",
    "signed_on": "2026-01-05",
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "document": None,
    "confirmed_at": None,
    "obligations": [],
    "retired_on": None,
}
DUTY: dict[str, Any] = {
    "holder_kind": "person",
    "holder_code": "CHEN",
    "area_kind": "stele",
    "area_code": "JB-01",
    "times": 2,
    "period": "month",
    "starts_on": "2026-01-01",
    "letter_number": "L-1",
    "reason": "责任书",
}
PDF = b"%PDF-1.7\n% a signed letter\n%%EOF\n"


def url(number: str = "L-1") -> str:
    return f"/api/v1/letters/{number}"


async def a_letter(session: AsyncSession, lake: Lake, person: Member, **given: Any) -> Letter:
    defaults = {
        "number": "L-1",
        "organisation_id": lake.enterprise.id,
        "person_id": person.person.id,
        "signed_on": date(2026, 1, 5),
        "starts_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
    }
    letter = Letter(**defaults | given)
    session.add(letter)
    await session.commit()
    return letter


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("chen")
async def test_a_letter_is_kept_once_and_obligations_hang_on_it(
    session: AsyncSession, wang: Member
) -> None:
    made = await wang.client.put(url(), json=LETTER)
    again = await wang.client.put(url(), json=LETTER)
    duty = await wang.client.put("/api/v1/obligations/O-1", json=DUTY)
    read = await wang.client.get(url())
    listed = await wang.client.get("/api/v1/letters")

    hanging = SHOWN | {"obligations": ["O-1"]}
    assert [(a.status_code, a.json()) for a in (made, again, read)] == [
        (201, SHOWN),
        (200, SHOWN),
        (200, hanging),
    ]
    assert (duty.status_code, duty.json()["letter_number"]) == (201, "L-1")
    assert listed.json() == {"items": [hanging], "next": None}
    entry = (
        await session.scalars(select(AuditEntry).where(AuditEntry.subject == "letter:L-1"))
    ).one()
    said = {name: SHOWN[name] for name in SHOWN if name != "obligations"}
    assert (entry.action, entry.before, entry.after, entry.reason) == (
        "create", None, said, "签订责任书",
    )  # fmt: skip


@time_machine.travel(NOW, tick=False)
async def test_the_chief_confirms_once(session: AsyncSession, lake: Lake, chen: Member) -> None:
    await a_letter(session, lake, chen)

    first = await chen.client.post(f"{url()}/confirm")
    with time_machine.travel(datetime(2026, 11, 24, 4, 0, tzinfo=UTC), tick=False):
        again = await chen.client.post(f"{url()}/confirm")

    confirmed = SHOWN | {"confirmed_at": "2026-11-23T12:00:00+08:00"}
    assert [(a.status_code, a.json()) for a in (first, again)] == [(200, confirmed)] * 2
    assert (await chen.client.get(url())).json() == confirmed
    entry = (await session.scalars(select(AuditEntry))).one()
    assert (entry.actor_id, entry.action, entry.subject, entry.before, entry.after) == (
        chen.person.id,
        "confirm",
        "letter:L-1",
        {"confirmed_at": None},
        {"confirmed_at": NOW.isoformat()},
    )


async def test_without_a_number_the_one_that_waits_longest_is_confirmed(
    session: AsyncSession, lake: Lake, chen: Member, li: Member
) -> None:
    await a_letter(session, lake, chen, number="L-2")
    await a_letter(session, lake, chen, number="L-1", signed_on=date(2025, 1, 5))
    await a_letter(session, lake, chen, number="L-0", retired_on=date(2026, 1, 1))

    found = [(await letters.confirm(session, chen.person, None, now=NOW)).number for _ in range(3)]

    assert found == ["L-1", "L-2", "L-2"]
    refused: list[tuple[Any, str | None]]
    refused = [(li.person, None), (li.person, "L-1"), (chen.person, "L-0")]
    for person, number in refused:
        with pytest.raises(NotFound):
            await letters.confirm(session, person, number, now=NOW)


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(
    ("given", "is_confirmed"),
    [
        ({}, True),
        ({"retired": True}, True),
        ({"ends_on": "2027-12-31"}, False),
        ({"person_code": "WU"}, False),
    ],
)
async def test_what_is_changed_is_to_be_confirmed_anew(
    session: AsyncSession, lake: Lake, chen: Member, wang: Member, given: Any, is_confirmed: bool
) -> None:
    await a_person(session, code="WU", organisation_id=lake.enterprise.id)
    await a_letter(session, lake, chen)
    await chen.client.post(f"{url()}/confirm")

    answer = await wang.client.put(url(), json=LETTER | given)

    assert (answer.status_code, answer.json()["confirmed_at"] is not None) == (200, is_confirmed)


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("chen")
async def test_a_retired_letter_ends_what_hangs_on_it(wang: Member) -> None:
    await wang.client.put(url(), json=LETTER)
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY)

    async def owed() -> int:
        return int((await wang.client.get("/api/v1/obligations/O-1")).json()["owed"])

    before = await owed()
    await wang.client.put(url(), json=LETTER | {"retired": True})
    after = await owed()
    listed = (await wang.client.get("/api/v1/letters")).json()["items"]
    await wang.client.put(url(), json=LETTER)

    # 22 of 30 days: (2 × 2 × 22 + 30) div 60 = 1.
    assert (before, after, listed, await owed()) == (2, 1, [], 2)


@pytest.mark.parametrize(
    ("given", "code", "error"),
    [
        ({"organisation_code": "EAST"}, "invalid",
         ("/organisation_code", "“EAST”不是企业，责任书只与企业签订")),
        ({"person_code": "NOBODY"}, "unknown-code",
         ("/person_code", "“NOBODY”不存在，请先在 people 里登记")),
        ({"ends_on": "2025-12-31"}, "invalid", ("/ends_on", "2025-12-31 早于开始的 2026-01-01")),
        ({"signed_on": None}, "invalid", ("/signed_on", "格式不对")),
        ({"signed_on": "yesterday"}, "invalid", ("/signed_on", "日期要写成 2026-06-01 的格式")),
        ({"reason": 7}, "invalid", ("/reason", "格式不对")),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("chen")
async def test_bad_letters_are_not_kept(
    session: AsyncSession, wang: Member, given: dict[str, Any], code: str, error: tuple[str, str]
) -> None:
    answer = await wang.client.put(url(), json=LETTER | given)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [(e["pointer"], e["detail"]) for e in answer.json()["errors"]] == [error]
    assert await session.scalar(select(Letter.id)) is None


async def test_the_file_is_given_to_people_who_may_see_the_letter(
    session: AsyncSession,
    client: Client,
    settings: Settings,
    lake: Lake,
    chen: Member,
    li: Member,
    zhao: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
) -> None:
    sha256 = hashlib.sha256(PDF)
    folder = settings.data_dir / "documents"
    folder.mkdir(exist_ok=True)
    (folder / sha256.hexdigest()).write_bytes(PDF)
    await a_letter(
        session, lake, chen, document="责任书/示例 1.pdf", document_sha256=sha256.digest()
    )
    await a_letter(session, lake, chen, number="L-2")
    await a_letter(session, lake, chen, number="L-3", document="x.pdf", document_sha256=b"\1" * 32)
    wu = await a_person(session, organisation_id=lake.enterprise.id)
    colleague = client(await a_token(session, wu))
    everybody = (
        client(None), stranger, li.client, zhao.client, program, colleague, chen.client, wang.client,
    )  # fmt: skip

    got = [await each.get(f"{url()}/document") for each in everybody]
    kept = await chen.client.get(
        f"{url()}/document", headers={"If-None-Match": got[-1].headers["etag"]}
    )
    without = await chen.client.get(f"{url('L-2')}/document")
    gone = await chen.client.get(f"{url('L-3')}/document")

    assert [each.status_code for each in got] == [401, 403, 404, 404, 403, 200, 200, 200]
    assert [each.content for each in got[5:]] == [PDF] * 3
    assert {name: got[-1].headers[name] for name in ("content-type", "content-disposition")} == {
        "content-type": "application/pdf",
        "content-disposition": "attachment; filename*=UTF-8''%E7%A4%BA%E4%BE%8B%201.pdf",
    }
    assert (kept.status_code, without.status_code, gone.status_code) == (304, 404, 503)
    assert str(folder) not in gone.text


@time_machine.travel(NOW, tick=False)
async def test_who_sees_confirms_and_changes(
    session: AsyncSession,
    client: Client,
    lake: Lake,
    chen: Member,
    li: Member,
    zhao: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    await a_letter(session, lake, chen)
    wu = await a_person(session, organisation_id=lake.enterprise.id)
    colleague = client(await a_token(session, wu))
    everybody = (
        client(None), stranger, li.client, zhao.client, wang.client, colleague, program, west_program,
    )  # fmt: skip

    got = [(await each.get(url())).status_code for each in everybody]
    lists = [await each.get("/api/v1/letters") for each in everybody]
    confirmed = [(await each.post(f"{url()}/confirm")).status_code for each in everybody]
    changed = [
        (await each.put(url(), json=LETTER)).status_code
        for each in (*everybody, chen.client)
        if each is not wang.client
    ]
    into = await zhao.client.put(url("L-2"), json=LETTER)

    assert got == [401, 403, 404, 404, 200, 200, 200, 404]
    assert [each.status_code for each in lists] == [401, 403] + [200] * 6
    assert [len(each.json()["items"]) for each in lists[2:]] == [0, 0, 1, 1, 1, 0]
    assert confirmed == [401, 403, 404, 404, 404, 404, 403, 403]
    assert changed == [401, 403, 403, 409, 403, 403, 403, 403]
    assert (into.status_code, into.json()["errors"][0]["pointer"]) == (422, "/organisation_code")
    assert (await chen.client.get(url())).json()["confirmed_at"] is None


async def test_filters_versions_and_pages(
    session: AsyncSession, lake: Lake, chen: Member, wang: Member
) -> None:
    await a_letter(session, lake, chen)
    with counted(session) as one:
        read = await wang.client.get(url())
        await wang.client.get("/api/v1/letters")
    await a_letter(session, lake, chen, number="L-2")
    await a_letter(session, lake, wang, number="L-3", confirmed_at=NOW)
    with counted(session) as three:
        await wang.client.get(url())
        await wang.client.get("/api/v1/letters")
    etag = {"If-Match": read.headers["etag"]}
    first = await wang.client.put(url(), json=LETTER | {"signed_on": "2026-01-06"}, headers=etag)
    late = await wang.client.put(url(), json=LETTER, headers=etag)

    async def listed(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/letters?{query}")
        assert answer.status_code == 200, answer.text
        return [each["number"] for each in answer.json()["items"]]

    begun = (await wang.client.get("/api/v1/letters?limit=2")).json()
    assert (first.status_code, late.status_code, three.statements) == (200, 412, one.statements)
    assert [
        await listed(query)
        for query in (
            "", "person=CHEN", "organisation=ENT", "organisation=EAST", "confirmed=true",
            "confirmed=false", f"limit=2&cursor={begun['next']}",
        )
    ] == [["L-3", "L-2", "L-1"], ["L-2", "L-1"], ["L-3", "L-2", "L-1"], [], ["L-3"],
          ["L-2", "L-1"], ["L-1"]]  # fmt: skip


@pytest.mark.parametrize("said", ["示例管〔2026〕1/2号", "示例管〔2026〕1%2F2号"])
async def test_a_number_with_a_slash_has_its_address(
    session: AsyncSession, lake: Lake, chen: Member, said: str
) -> None:
    number = "示例管〔2026〕1/2号"
    await a_letter(session, lake, chen, number=number)

    read = await chen.client.get(url(said))
    confirmed = await chen.client.post(f"{url(said)}/confirm")
    document = await chen.client.get(f"{url(said)}/document")

    assert (read.status_code, read.json()["number"]) == (200, number)
    assert (confirmed.status_code, confirmed.json()["number"]) == (200, number)
    assert (document.status_code, document.json()["detail"]) == (404, "这份责任书没有附件。")
