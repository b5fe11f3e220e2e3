"""A stele, for whoever stands before it: the JSON, the page, and the prints of its QR code."""

from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.datum import to_gcj02
from app.models import AreaKind, AuditEntry, Organisation, Post, PostKind, Stele, StelePrint
from app.services import stele_codes
from app.services.stele_codes import Standing
from app.state import State
from tests.conftest import Client, Lake, Member
from tests.factories import LONG_AGO, a_person, a_stele, a_waterbody, rectangle


async def a_chief(session: AsyncSession, lake: Lake, **given: Any) -> Post:
    person = await a_person(
        session,
        code="CHIEF",
        name="示例河长",
        public_name="示例同志",
        title="副主任",
        phone="19900000077",
        organisation_id=lake.committee.id,
    )
    defaults = {
        "code": "POST-1",
        "person_id": person.id,
        "kind": PostKind.reach_chief,
        "area_kind": AreaKind.reach,
        "reach_id": lake.reach.id,
    }
    row = Post(**defaults | given)
    session.add(row)
    await session.commit()
    return row


async def test_a_passer_by_reads_the_public_part(
    client: Client, session: AsyncSession, lake: Lake
) -> None:
    await a_chief(session, lake)
    enterprise = await session.get_one(Organisation, lake.enterprise.id)
    enterprise.phone = "0871-60000000"
    await session.commit()

    response = await client(None).get("/api/v1/steles/JB-01")

    assert response.status_code == 200
    answer = response.json()
    assert answer == {
        "code": "JB-01",
        "name": "东岸一号碑",
        "kind": "boundary_stone",
        "text": None,
        "position": {"lon": 103.01, "lat": 24.9, "accuracy_m": None, "datum": "wgs84"},
        "organisation": {"code": "ENT", "name": "示例度假村"},
        "reach": {"code": "R-1", "name": "东岸河段"},
        "waterbody": {"code": answer["waterbody"]["code"], "name": answer["waterbody"]["name"]},
        "grid_cell": {
            "code": "G-1-1",
            "name": "东岸一号网格",
            "path": [
                {"code": "G-0", "name": "环湖网格"},
                {"code": "G-1", "name": "东岸网格"},
                {"code": "G-1-1", "name": "东岸一号网格"},
            ],
        },
        "responsible": [
            {
                "name": "示例同志",
                "title": "副主任",
                "post": "reach_chief",
                "organisation": "示例管委会",
            }
        ],
        "phone": "0871-60000000",
    }
    assert "19900000077" not in response.text
    assert "示例河长" not in response.text


async def test_people_on_the_roster_read_more(
    client: Client,
    session: AsyncSession,
    lake: Lake,
    li: Member,
    program: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
) -> None:
    await a_chief(session, lake)
    await a_chief_of_my_own(session, lake, li)

    public = (await client(None).get("/api/v1/steles/JB-01")).json()
    unbound = (await stranger.get("/api/v1/steles/JB-01")).json()
    mine = (await li.client.get("/api/v1/steles/JB-01")).json()
    programs = (await program.get("/api/v1/steles/JB-01")).json()

    assert unbound == public
    shown = {"post": "reach_chief", "title": "副主任", "organisation": "示例管委会"}
    li_shown = {"post": "grid_worker", "title": None, "organisation": "东岸党支部"}
    more = {
        "radius_m": 100.0,
        "responsible": [
            shown | {"name": "示例河长", "code": "CHIEF"},
            li_shown | {"name": "示例李", "code": "LI"},
        ],
    }
    assert mine == public | more | {"mine": True}
    assert programs == public | more | {"mine": False}
    assert public["responsible"][1] == li_shown | {"name": None}


async def a_chief_of_my_own(session: AsyncSession, lake: Lake, li: Member) -> None:
    session.add(
        Post(
            code="POST-2",
            person_id=li.person.id,
            kind=PostKind.grid_worker,
            area_kind=AreaKind.grid_cell,
            grid_cell_id=lake.east.id,
        )
    )
    await session.commit()


async def test_who_was_responsible_is_not_shown(
    client: Client, session: AsyncSession, lake: Lake
) -> None:
    await a_chief(session, lake, to_on=date(2020, 1, 1))

    assert (await client(None).get("/api/v1/steles/JB-01")).json()["responsible"] == []


async def test_a_chinese_map_gets_its_own_degrees(client: Client, lake: Lake) -> None:
    response = await client(None).get("/api/v1/steles/JB-01", params={"datum": "gcj02"})

    lon, lat = to_gcj02(lake.stele.lon, lake.stele.lat)
    assert response.json()["position"] == {
        "lon": lon,
        "lat": lat,
        "accuracy_m": None,
        "datum": "gcj02",
    }


async def test_an_unknown_or_retired_stele_is_not_found(
    client: Client, session: AsyncSession
) -> None:
    await a_stele(session, code="OLD-1", retired_on=date(2026, 1, 1))

    answers = [
        (await client(None).get(f"/api/v1/steles/{code}")).json()["code"]
        for code in ("NONE", "OLD-1", "%00", "a%2Fb")
    ]

    assert answers == ["not-found"] * 4


async def test_a_wrong_token_is_not_nobody(client: Client, lake: Lake) -> None:
    response = await client("expired").get(f"/api/v1/steles/{lake.stele.code}")

    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


class Page(HTMLParser):
    """What of a page matters here."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.fetched: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name == "src" or tag == "link"]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] != "style":
            self.text += data.strip() + "\n"


async def test_the_page_says_who_is_responsible_and_how_to_check_in(
    client: Client, session: AsyncSession, lake: Lake
) -> None:
    await a_chief(session, lake)

    response = await client(None).get("/s/JB-01")

    page = Page(response.text)
    assert (response.status_code, response.headers["content-type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    for said in ("东岸一号碑", "JB-01", "东岸河段", "示例度假村", "示例同志", "河段长", "发送位置"):
        assert said in page.text
    assert "打卡" not in page.text
    assert "二维码" not in page.text
    assert (page.fetched, "script" in page.tags) == ([], False)
    assert len(response.content) < 50_000
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


async def test_the_page_hints_at_an_old_code(
    client: Client, session: AsyncSession, state: State, lake: Lake
) -> None:
    keys = state["keys"]
    stele = await session.get_one(Stele, lake.stele.id)
    old = (await stele_codes.tokens(session, keys, [stele], now=LONG_AGO))[stele.id]
    await stele_codes.new_print(session, stele, by=None, reason=None, now=LONG_AGO)
    new = (await stele_codes.tokens(session, keys, [stele], now=LONG_AGO))[stele.id]
    await session.commit()

    hints = []
    for token in (new, old, "1.AAAAAAAAAAAAAAAA", "<script>"):
        page = await client(None).get("/s/JB-01", params={"t": token})
        assert page.status_code == 200
        assert "<script>" not in page.text
        hints.append(["二维码有效" in page.text, "旧码" in page.text])

    assert hints == [[True, False], [False, True], [False, True], [False, True]]


async def test_an_unknown_stele_has_a_page_too(client: Client) -> None:
    response = await client(None).get("/s/NONE")

    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "没有找到这块界碑" in Page(response.text).text


async def test_names_cannot_break_out_of_the_page(client: Client, session: AsyncSession) -> None:
    await a_stele(session, code="X-1", name="<script>alert(1)</script>", text="</style><b>")

    page = await client(None).get("/s/X-1")

    assert "<script>" not in page.text
    assert "</style><b>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


async def test_verification_files_are_served_at_both_places(
    client: Client, state: State, tmp_path: Path
) -> None:
    folder = state["settings"].data_dir / "verification"
    folder.mkdir(exist_ok=True)
    (folder / "MP_verify_abcDEF123.txt").write_text("abcDEF123")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "linked.txt").symlink_to(secret)
    (state["settings"].data_dir / "outside.txt").write_text("secret")

    found = [await client(None).get(f"{at}MP_verify_abcDEF123.txt") for at in ("/", "/s/")]
    hidden = [
        (await client(None).get(path)).status_code
        for path in (
            "/none.txt",
            "/linked.txt",
            "/..%2foutside.txt",
            "/s/..%2Foutside.txt",
            "/%2e%2e/outside.txt",
            "/a b.txt",
            "/.txt",
            f"/{'a' * 65}.txt",
        )
    ]

    assert [(r.status_code, r.text) for r in found] == [(200, "abcDEF123")] * 2
    assert [r.headers["content-type"] for r in found] == ["text/plain; charset=utf-8"] * 2
    assert hidden == [404] * 8


async def test_checking_many_codes_is_one_question(
    session: AsyncSession, state: State, lake: Lake
) -> None:
    keys = state["keys"]
    stele, west = [await session.get_one(Stele, each.id) for each in (lake.stele, lake.west_stele)]
    tokens = await stele_codes.tokens(session, keys, [stele, west], now=LONG_AGO)
    again = await stele_codes.tokens(session, keys, [stele, west], now=LONG_AGO)
    await stele_codes.new_print(session, west, by=None, reason=None, now=LONG_AGO)
    new = (await stele_codes.tokens(session, keys, [west], now=LONG_AGO))[west.id]

    scanned = [
        (stele.id, tokens[stele.id]),
        (west.id, tokens[west.id]),
        (west.id, new),
        (west.id, tokens[stele.id]),
        (stele.id, ""),
    ]
    found = await stele_codes.check(session, keys, scanned)

    assert again == tokens
    assert [found[each] for each in scanned] == [
        Standing.valid,
        Standing.revoked,
        Standing.valid,
        Standing.bad,
        Standing.bad,
    ]
    assert await stele_codes.check(session, keys, []) == {}


async def test_a_manager_calls_in_the_old_prints(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    path = "/api/v1/steles/JB-01/prints"

    answers = [await wang.client.post(path, json={"reason": "碑被撞坏"}) for _ in range(2)]

    assert [(r.status_code, r.json()) for r in answers] == [
        (201, {"code": "JB-01", "version": 2}),
        (201, {"code": "JB-01", "version": 3}),
    ]
    prints = (await session.scalars(select(StelePrint).order_by(StelePrint.version))).all()
    assert [(p.stele_id, p.version, p.revoked_at is None) for p in prints] == [
        (lake.stele.id, 1, False),
        (lake.stele.id, 2, False),
        (lake.stele.id, 3, True),
    ]
    entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [(e.actor_id, e.action, e.subject, e.reason, e.after) for e in entries] == [
        (wang.person.id, "new-stele-print", "stele:JB-01", "碑被撞坏", {"version": version})
        for version in (2, 3)
    ]


async def test_only_whoever_keeps_a_stele_calls_in_its_prints(
    client: Client,
    session: AsyncSession,
    lake: Lake,
    li: Member,
    zhao: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
) -> None:
    path, body = f"/api/v1/steles/{lake.stele.code}/prints", {"reason": "否"}

    answers = [
        (await each.post(path, json=body)).json()["code"]
        for each in (client(None), stranger, li.client, program, zhao.client)
    ]
    unknown = await wang.client.post("/api/v1/steles/NONE/prints", json=body)

    assert answers == ["unauthenticated", "not-bound", "forbidden", "forbidden", "forbidden"]
    assert unknown.json()["code"] == "not-found"
    assert (await session.scalars(select(StelePrint))).all() == []


async def test_a_stele_on_a_shore_without_reaches_names_its_water(
    client: Client, session: AsyncSession, lake: Lake
) -> None:
    await a_waterbody(session, rectangle(102.90, 24.80, 102.969, 24.95), name="示例湖")
    await a_waterbody(session, rectangle(102.50, 24.80, 102.60, 24.95), name="远处的湖")

    page = await client(None).get(f"/s/{lake.west_stele.code}")
    far = await client(None).get(f"/s/{lake.stele.code}")

    assert "<dt>水体</dt><dd>示例湖</dd>" in page.text
    assert "示例湖" not in far.text
