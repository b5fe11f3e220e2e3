"""Setting out, walking, coming back: patrols as a phone meets them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from httpx import AsyncClient, Response
from pyproj.geod import Geod
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import jobs
from app.domain import datum as datums
from app.models import Message, Patrol, PatrolOrigin, TrackPoint
from app.services import patrols, tracks
from app.state import State
from tests.conftest import Client, Member
from tests.factories import a_consent, a_person, a_token
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
TWELVE_HOURS = timedelta(hours=12)
GEOD = Geod(ellps="WGS84")


def today(clock: str) -> str:
    return f"2026-11-23T{clock}:00+08:00"


def instant(clock: str) -> datetime:
    return datetime.fromisoformat(today(clock))


async def start(client: AsyncClient, clock: str = "08:00", **given: Any) -> str:
    """The URL of a new patrol."""
    url = f"/api/v1/patrols/{uuid4()}"
    response = await client.put(url, json={"started_at": today(clock)} | given)
    assert response.status_code == 201, response.text
    return url


async def finish(client: AsyncClient, url: str, clock: str = "10:00", **given: Any) -> Response:
    body = {"finished_at": today(clock), "findings": "none"} | given
    return await client.post(f"{url}/finish", json=body)


async def shown(client: AsyncClient, url: str) -> dict[str, Any]:
    response = await client.get(url)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def check_in(
    client: AsyncClient, at: str, *, lon: float = 103.01, lat: float = 24.9, **given: Any
) -> dict[str, Any]:
    position = {"lon": lon, "lat": lat, "accuracy_m": 10, "datum": "wgs84"}
    response = await client.put(
        f"/api/v1/check-ins/{uuid4()}", json={"at": at, "position": position} | given
    )
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def a_point(seq: int, clock: str, lon: float = 103.01, lat: float = 24.9, **given: Any) -> Any:
    return {"seq": seq, "at": today(clock), "lon": lon, "lat": lat, "datum": "wgs84"} | given


async def append(client: AsyncClient, url: str, *points: Any) -> dict[str, Any]:
    response = await client.post(f"{url}/track", json={"points": points})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def metres(*points: tuple[float, float]) -> float:
    """By hand: geodesic after geodesic."""
    return sum(float(GEOD.inv(a[0], a[1], b[0], b[1])[2]) for a, b in pairwise(points))


async def marks_of(session: AsyncSession, url: str) -> dict[int, str | None]:
    rows = await session.execute(
        select(TrackPoint.seq, TrackPoint.mark)
        .where(TrackPoint.patrol_id == UUID(url.rsplit("/", 1)[1]))
        .order_by(TrackPoint.seq)
    )
    return {row.seq: row.mark for row in rows}


# -- starting --------------------------------------------------------------------------------


@pytest.mark.usefixtures("zhou")
@time_machine.travel(NOW, tick=False)
async def test_starts_and_is_answered_again(li: Member) -> None:
    url = f"/api/v1/patrols/{uuid4()}"
    body = {"started_at": today("08:00"), "reach_code": "R-1", "companions": ["ZHOU"]}

    first = await li.client.put(url, json=body)
    again = await li.client.put(
        url, json=body | {"started_at": "2026-11-23T00:00:00Z", "kind": "foot"}
    )

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {
        "id": url.rsplit("/", 1)[1],
        "person": "LI",
        "kind": "foot",
        "state": "open",
        "started_at": today("08:00"),
        "finished_at": None,
        "reach": {"code": "R-1", "name": "东岸河段"},
        "companions": ["ZHOU"],
        "findings": None,
        "note": None,
        "distance_m": 0.0,
        "duration_s": None,
        "points": {"kept": 0, "marked": 0},
        "check_in_ids": [],
    }
    assert again.json() == first.json() == await shown(li.client, url)


@time_machine.travel(NOW, tick=False)
async def test_other_content_or_anothers_id_is_a_conflict(li: Member, zhou: Member) -> None:
    url = await start(li.client)
    before = await shown(li.client, url)
    body = {"started_at": today("08:00")}

    answers = [
        await li.client.put(url, json=body | {"kind": "boat"}),
        await zhou.client.put(url, json=body),
        await zhou.client.put(url, json=body, headers={"If-Match": "*"}),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()) == (
            409,
            {
                "type": "urn:xunhe:problem:conflict",
                "title": "这条记录与已保存的内容不一致，没有覆盖。",
                "status": 409,
                "code": "conflict",
            },
        )
    assert await shown(li.client, url) == before


@pytest.mark.usefixtures("zhou")
@time_machine.travel(NOW, tick=False)
async def test_unknown_codes_are_named(li: Member, session: AsyncSession) -> None:
    await a_person(session, code="GONE", to_on=NOW.date() - timedelta(days=1))
    url, body = f"/api/v1/patrols/{uuid4()}", {"started_at": today("08:00")}

    reach = await li.client.put(url, json=body | {"reach_code": "R-9"})
    people = await li.client.put(url, json=body | {"companions": ["NONE", "ZHOU", "GONE"]})

    assert (reach.status_code, reach.json()["code"], reach.json()["errors"]) == (
        422,
        "unknown-code",
        [{"pointer": "/reach_code", "detail": "没有这个编号的河段"}],
    )
    assert (people.status_code, people.json()["code"], people.json()["errors"]) == (
        422,
        "unknown-code",
        [
            {"pointer": "/companions/0", "detail": "没有这个编号的人员"},
            {"pointer": "/companions/2", "detail": "没有这个编号的人员"},
        ],
    )
    assert (await li.client.get(url)).status_code == 404


# -- amending --------------------------------------------------------------------------------


@pytest.mark.usefixtures("zhou")
@time_machine.travel(NOW, tick=False)
async def test_is_amended_with_the_version_at_hand(li: Member) -> None:
    url = await start(li.client)
    version = (await li.client.get(url)).headers["etag"]
    body = {"started_at": today("07:30"), "kind": "boat", "companions": ["ZHOU"]}

    amended = await li.client.put(url, json=body, headers={"If-Match": version})
    retried = await li.client.put(url, json=body, headers={"If-Match": version})
    stale = await li.client.put(url, json=body | {"kind": "drone"}, headers={"If-Match": version})

    assert (amended.status_code, retried.status_code, stale.status_code) == (200, 200, 412)
    assert stale.json()["code"] == "stale-version"
    answer = amended.json()
    assert (answer["started_at"], answer["kind"], answer["companions"]) == (
        today("07:30"),
        "boat",
        ["ZHOU"],
    )
    assert retried.json() == answer == await shown(li.client, url)
    assert amended.headers["etag"] == (await li.client.get(url)).headers["etag"] != version


@time_machine.travel(NOW, tick=False)
async def test_is_not_amended_once_finished_nor_before_it_is_there(li: Member) -> None:
    url = await start(li.client)
    version = (await li.client.get(url)).headers["etag"]
    finished = (await finish(li.client, url)).json()
    body = {"started_at": today("08:00"), "kind": "boat"}

    answers = [
        (response.status_code, response.json()["code"])
        for response in (
            await li.client.put(url, json=body, headers={"If-Match": version}),
            await li.client.put(url, json=body, headers={"If-Match": "*"}),
            await li.client.put(f"{url[:-12]}{'0' * 12}", json=body, headers={"If-Match": "*"}),
        )
    ]

    assert answers == [(409, "conflict"), (409, "conflict"), (404, "not-found")]
    assert await shown(li.client, url) == finished


@time_machine.travel(NOW, tick=False)
async def test_an_earlier_start_lets_points_count(li: Member, session: AsyncSession) -> None:
    url = await start(li.client, "08:30")
    await append(li.client, url, a_point(1, "08:00"), a_point(2, "08:10", 103.011))
    assert await marks_of(session, url) == {1: "outside", 2: "outside"}

    version = (await li.client.get(url)).headers["etag"]
    amended = await li.client.put(
        url, json={"started_at": today("08:00")}, headers={"If-Match": version}
    )

    assert amended.json()["points"] == {"kept": 2, "marked": 0}
    assert amended.json()["distance_m"] == pytest.approx(
        metres((103.01, 24.9), (103.011, 24.9)), abs=0.01
    )


# -- finishing -------------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
async def test_finishes_once(li: Member, zhou: Member) -> None:
    url = await start(li.client)

    foreign = await finish(zhou.client, url)
    early = await finish(li.client, url, "07:59")
    first = await finish(li.client, url, "09:30", findings="some", note=" 有漂浮物 ")
    second = await finish(li.client, url, "11:00", findings="none", note="别的")

    assert (foreign.status_code, foreign.json()["code"]) == (404, "not-found")
    assert (early.status_code, early.json()["code"], early.json()["errors"]) == (
        422,
        "finished-before-start",
        [{"pointer": "/finished_at", "detail": "结束时间早于开始时间，请检查手机时间。"}],
    )
    assert first.status_code == second.status_code == 200
    answer = first.json()
    assert (answer["state"], answer["finished_at"], answer["findings"], answer["note"]) == (
        "finished",
        today("09:30"),
        "some",
        "有漂浮物",
    )
    assert answer["duration_s"] == 5400
    assert second.json() == answer == await shown(li.client, url)


async def close(session: AsyncSession, now: datetime) -> int:
    closed = await patrols.close_overdue(session, open_for=TWELVE_HOURS, now=now)
    await session.commit()
    return closed


async def test_is_closed_after_twelve_hours_with_what_it_has(
    li: Member, session: AsyncSession
) -> None:
    with time_machine.travel(NOW, tick=False):
        empty, visited, walked = [await start(li.client) for _ in range(3)]
        for at in ("08:20", "08:50"):
            await check_in(li.client, today(at), patrol_id=visited.rsplit("/", 1)[1])
        await append(li.client, walked, a_point(1, "08:10"), a_point(2, "09:10", 103.011))

    assert await close(session, instant("08:00") + TWELVE_HOURS) == 0
    assert await close(session, instant("08:00") + TWELVE_HOURS + timedelta(seconds=1)) == 3
    assert await close(session, instant("08:00") + TWELVE_HOURS + timedelta(hours=1)) == 0

    with time_machine.travel(NOW + TWELVE_HOURS, tick=False):
        answers = [await shown(li.client, url) for url in (empty, visited, walked)]
    assert [
        (each["state"], each["finished_at"], each["duration_s"], each["findings"])
        for each in answers
    ] == [
        ("finished", today("08:00"), 0, None),
        ("finished", today("08:50"), 1800, None),
        ("finished", today("09:10"), 4200, None),
    ]


async def test_a_start_in_the_future_is_not_waited_for(li: Member, session: AsyncSession) -> None:
    """The phone believes that it is next year."""
    with time_machine.travel(NOW, tick=False):
        url = f"/api/v1/patrols/{uuid4()}"
        response = await li.client.put(url, json={"started_at": "2027-11-23T08:00:00+08:00"})
    assert response.status_code == 201

    assert await close(session, NOW + TWELVE_HOURS) == 0
    assert await close(session, NOW + TWELVE_HOURS + timedelta(seconds=1)) == 1


async def test_null_is_absent(li: Member) -> None:
    url, body = f"/api/v1/patrols/{uuid4()}", {"started_at": today("08:00")}
    nulls = {"reach_code": None, "companions": None, "kind": None}

    first = await li.client.put(url, json=body | nulls)
    second = await li.client.put(url, json=body | {"companions": [], "kind": "foot"})

    assert (first.status_code, second.status_code) == (201, 200)
    assert (second.json()["kind"], second.json()["companions"]) == ("foot", [])


async def test_the_worker_closes_them(li: Member, state: State) -> None:
    with time_machine.travel(NOW, tick=False):
        url = await start(li.client)
    context: Any = SimpleNamespace(additional_context={"state": state})

    with time_machine.travel(instant("20:00"), tick=False):
        await jobs.close_patrols.func(context, 0)
        before = (await shown(li.client, url))["state"]
    with time_machine.travel(instant("20:01"), tick=False):
        await jobs.close_patrols.func(context, 0)
        after = (await shown(li.client, url))["state"]

    assert (before, after) == ("open", "finished")


async def test_a_finish_that_never_came_costs_nothing(li: Member, session: AsyncSession) -> None:
    """The phone started the patrol, lost the signal for two days, and then tells the rest."""
    with time_machine.travel(NOW, tick=False):
        url = await start(li.client)
    assert await close(session, NOW + timedelta(days=1)) == 1

    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        patrol_id = url.rsplit("/", 1)[1]
        visits = [
            await check_in(li.client, today(at), lon=lon, patrol_id=patrol_id)
            for at, lon in (("08:30", 103.01), ("09:30", 103.011))
        ]
        untracked = await shown(li.client, url)
        await append(li.client, url, a_point(1, "08:00"), a_point(2, "11:00", 103.012))
        tracked = await shown(li.client, url)
        finished = await finish(li.client, url, "11:30")
        once_more = await finish(li.client, url, "11:45")

    assert [visit["verdict"] for visit in visits] == ["accepted", "accepted"]
    assert (untracked["finished_at"], untracked["duration_s"]) == (today("09:30"), 3600)
    assert (tracked["finished_at"], tracked["duration_s"]) == (today("11:00"), 10800)
    assert finished.json()["finished_at"] == today("11:30")
    assert finished.json()["duration_s"] == 12600
    assert once_more.json() == finished.json()


@time_machine.travel(NOW, tick=False)
async def test_a_check_in_outside_the_times_of_its_patrol_is_flagged(li: Member) -> None:
    url = await start(li.client)
    await finish(li.client, url, "09:00")

    verdicts = [
        (await check_in(li.client, today(at), patrol_id=url.rsplit("/", 1)[1]))["verdict"]
        for at in ("07:54", "07:55", "09:05", "09:06")
    ]

    assert verdicts == ["flagged", "accepted", "accepted", "flagged"]


# -- durations -------------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
async def test_how_long_it_took(li: Member) -> None:
    """With a track start to finish, else first to last check-in, whenever those arrive."""
    late, nothing, tracked = [await start(li.client) for _ in range(3)]
    ids = [url.rsplit("/", 1)[1] for url in (late, nothing, tracked)]
    for url in (late, nothing, tracked):
        assert (await finish(li.client, url, "10:00")).json()["duration_s"] == 7200

    await check_in(li.client, today("09:00"), patrol_id=ids[0])
    one = (await shown(li.client, late))["duration_s"]
    await check_in(li.client, today("08:15"), patrol_id=ids[0])
    two = (await shown(li.client, late))["duration_s"]
    await check_in(li.client, today("09:00"), patrol_id=ids[2])
    await append(li.client, tracked, a_point(1, "08:10"), a_point(2, "08:20"))

    assert (one, two) == (0, 2700)
    assert (await shown(li.client, nothing))["duration_s"] == 7200
    assert (await shown(li.client, tracked))["duration_s"] == 7200


async def test_a_phone_whose_clock_is_decades_off(li: Member, session: AsyncSession) -> None:
    """Nothing breaks; whole seconds, as many as there is room for, by whatever way."""
    with time_machine.travel(NOW, tick=False):
        urls = []
        for _ in range(4):
            urls.append(f"/api/v1/patrols/{uuid4()}")
            body = {"started_at": "2000-01-01T00:00:00Z"}
            assert (await li.client.put(urls[-1], json=body)).status_code == 201
        finished = {"finished_at": "2100-01-01T00:00:00Z", "findings": "none"}
        for url in (urls[0], urls[1]):
            assert (await li.client.post(f"{url}/finish", json=finished)).status_code == 200
        for url in urls[1:3]:
            for at in ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"):
                await check_in(li.client, at, patrol_id=url.rsplit("/", 1)[1])
        for at in ("2100-01-01T00:00:00.2Z", "2100-01-01T00:00:02.1Z"):
            own = await check_in(li.client, at)
    assert await close(session, NOW) == 2

    answers = [(await shown(li.client, url))["duration_s"] for url in urls]
    assert answers == [2**31 - 1] * 3 + [0]
    patrol = await shown(li.client, f"/api/v1/patrols/{own['patrol_id']}")
    assert patrol["duration_s"] == 1


# -- tracks ----------------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
async def test_the_distance_is_the_sum_of_the_geodesics(li: Member, session: AsyncSession) -> None:
    url = await start(li.client)
    walked = [(103.01, 24.9), (103.011, 24.9012), (103.0123, 24.9007), (103.0131, 24.9022)]

    # In two calls, the later half first, one point twice.
    half = await append(
        li.client, url, a_point(3, "08:20", *walked[2]), a_point(4, "08:30", *walked[3])
    )
    whole = await append(
        li.client,
        url,
        a_point(1, "08:00", *walked[0]),
        a_point(2, "08:10", *walked[1]),
        a_point(4, "08:31", 0.0, 0.0),
    )

    answer = await shown(li.client, url)
    assert (half, whole) == (
        {"received": 2, "last_seq": 4},
        {"received": 4, "last_seq": 4},
    )
    assert answer["points"] == {"kept": 4, "marked": 0}
    assert answer["distance_m"] == pytest.approx(metres(*walked), abs=0.01)
    assert await marks_of(session, url) == {1: None, 2: None, 3: None, 4: None}


@time_machine.travel(NOW, tick=False)
async def test_points_that_cannot_be_are_kept_and_marked(li: Member, session: AsyncSession) -> None:
    url = await start(li.client)

    await append(
        li.client,
        url,
        a_point(1, "07:54"),
        a_point(2, "08:00", 103.2, 25.1),  # a wild first fix
        a_point(3, "08:00", accuracy_m=100),
        a_point(4, "08:10", 103.011, accuracy_m=100.5),
        a_point(5, "08:10", 103.011),
        a_point(6, "08:10", 103.0111),
        a_point(7, "08:11", 103.9),
        a_point(8, "08:20", 103.012),
        a_point(9, "12:06", 103.013),
    )

    answer = await shown(li.client, url)
    assert await marks_of(session, url) == {
        1: "outside",
        2: "too_fast",
        3: None,
        4: "inaccurate",
        5: None,
        6: "duplicate",
        7: "too_fast",
        8: None,
        9: "future",
    }
    assert answer["points"] == {"kept": 3, "marked": 6}
    assert answer["distance_m"] == pytest.approx(
        metres((103.01, 24.9), (103.011, 24.9), (103.012, 24.9)), abs=0.01
    )


@time_machine.travel(NOW, tick=False)
async def test_a_wild_second_fix_does_not_cost_the_first(li: Member, session: AsyncSession) -> None:
    url = await start(li.client)

    await append(
        li.client, url, a_point(1, "08:00"), a_point(2, "08:01", 104), a_point(3, "08:02", 103.011)
    )

    assert await marks_of(session, url) == {1: None, 2: "too_fast", 3: None}


@time_machine.travel(NOW, tick=False)
async def test_points_in_either_datum_make_one_line(li: Member, session: AsyncSession) -> None:
    url = await start(li.client)
    chinese = datums.to_gcj02(103.011, 24.901)

    await append(
        li.client,
        url,
        a_point(1, "08:00"),
        a_point(2, "08:10", *chinese, datum="gcj02"),
    )

    stored = (
        await session.execute(
            select(TrackPoint.datum, TrackPoint.raw_lon, TrackPoint.raw_lat).where(
                TrackPoint.seq == 2
            )
        )
    ).one()
    assert tuple(stored) == ("gcj02", *chinese)
    assert (await shown(li.client, url))["distance_m"] == pytest.approx(
        metres((103.01, 24.9), (103.011, 24.901)), abs=0.01
    )


async def test_tracks_need_a_consent_of_their_own(client: Client, session: AsyncSession) -> None:
    person = await a_person(session)
    phone = client(await a_token(session, person, consents=False))
    await a_consent(session, person)
    with time_machine.travel(NOW, tick=False):
        url = await start(phone)
        answer = await phone.post(f"{url}/track", json={"points": [a_point(1, "08:00")]})

        assert (answer.status_code, answer.json()["code"], answer.json()["notice"]) == (
            403,
            "consent-needed",
            "track",
        )
        assert (await shown(phone, url))["points"] == {"kept": 0, "marked": 0}


async def test_points_may_come_late_for_seven_days(li: Member, zhou: Member) -> None:
    with time_machine.travel(NOW, tick=False):
        url = await start(li.client)
        await append(li.client, url, a_point(1, "08:00"))
        await finish(li.client, url, "10:00")

    with time_machine.travel(instant("10:00") + timedelta(days=7), tick=False):
        await append(li.client, url, a_point(2, "08:10", 103.011))
        foreign = await zhou.client.post(f"{url}/track", json={"points": []})
    with time_machine.travel(instant("10:00") + timedelta(days=7, seconds=1), tick=False):
        late = await li.client.post(f"{url}/track", json={"points": [a_point(3, "08:20")]})
        answer = await shown(li.client, url)

    assert (late.status_code, late.json()["code"]) == (409, "too-late")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not-found")
    assert answer["points"] == {"kept": 2, "marked": 0}
    assert answer["distance_m"] == pytest.approx(metres((103.01, 24.9), (103.011, 24.9)), abs=0.01)


@time_machine.travel(NOW, tick=False)
async def test_a_thousand_points_a_call(li: Member) -> None:
    url = await start(li.client)
    points = [
        a_point(n, "08:00", 103.01 + n * 1e-5) | {"at": f"2026-11-23T08:{n // 60:02}:{n % 60:02}Z"}
        for n in range(1001)
    ]

    full = await li.client.post(f"{url}/track", json={"points": points[:1000]})
    over = await li.client.post(f"{url}/track", json={"points": points})
    none = await li.client.post(f"{url}/track", json={"points": []})

    assert full.json() == none.json() == {"received": 1000, "last_seq": 999}
    assert (over.status_code, over.json()["errors"]) == (
        422,
        [{"pointer": "/points", "detail": "太多，最多 1000 项"}],
    )


@time_machine.travel(NOW, tick=False)
async def test_a_track_has_an_end(li: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "_MOST_POINTS", 3)
    url = await start(li.client)
    points = [a_point(n, f"08:0{n}") for n in range(4)]
    await append(li.client, url, *points[:3])

    over = await li.client.post(f"{url}/track", json={"points": points})

    assert (over.status_code, over.json()["code"]) == (413, "too-large")
    assert await append(li.client, url, *points[:3]) == {"received": 3, "last_seq": 2}
    assert (await shown(li.client, url))["points"] == {"kept": 3, "marked": 0}


# -- companions ------------------------------------------------------------------------------


async def told(session: AsyncSession, member: Member) -> list[tuple[str, str | None, str]]:
    rows = await session.execute(
        select(Message.kind, Message.subject, Message.text)
        .where(Message.person_id == member.person.id)
        .order_by(Message.created_at, Message.id)
    )
    return [(kind, subject, text) for kind, subject, text in rows]


async def test_companions_are_told_and_may_decline(
    li: Member, zhou: Member, chen: Member, session: AsyncSession
) -> None:
    with time_machine.travel(NOW, tick=False):
        # Whoever names themselves or somebody twice means no more than one would think.
        url = await start(li.client, companions=["ZHOU", "LI", "ZHOU", "CHEN"])
        subject = f"patrol:{url.rsplit('/', 1)[1]}"
        assert (await shown(zhou.client, url))["companions"] == ["CHEN", "ZHOU"]
    assert await told(session, zhou) == [
        (
            "companion",
            subject,
            "示例李记录您11月23日一同巡河。如果没有参加，请在7天内到小程序里说明。",
        )
    ]
    assert await told(session, li) == []

    with time_machine.travel(NOW + timedelta(days=7), tick=False):
        for _ in range(2):
            declined = await zhou.client.post(f"{url}/decline")
            assert (declined.status_code, declined.content) == (204, b"")
        assert (await zhou.client.get(url)).status_code == 404
        assert (await shown(li.client, url))["companions"] == ["CHEN"]
        own = await li.client.post(f"{url}/decline")
    with time_machine.travel(NOW + timedelta(days=7, seconds=1), tick=False):
        late = await chen.client.post(f"{url}/decline")

    assert (own.status_code, own.json()["code"]) == (404, "not-found")
    assert (late.status_code, late.json()["code"]) == (409, "too-late")
    assert await told(session, li) == [
        (
            "companion_declined",
            subject,
            "示例周说明没有参加您11月23日的巡河，已不计为同行人。",
        )
    ]


@time_machine.travel(NOW, tick=False)
async def test_an_amendment_tells_only_who_is_new(
    li: Member, zhou: Member, chen: Member, session: AsyncSession
) -> None:
    url = await start(li.client, companions=["ZHOU"])
    for along in (["CHEN"], ["CHEN", "ZHOU"]):
        version = (await li.client.get(url)).headers["etag"]
        amended = await li.client.put(
            url,
            json={"started_at": today("08:00"), "companions": along},
            headers={"If-Match": version},
        )
        assert amended.json()["companions"] == along

    assert [len(await told(session, member)) for member in (zhou, chen)] == [1, 1]
    assert (await li.client.post(f"/api/v1/patrols/{uuid4()}/decline")).status_code == 404


@time_machine.travel(NOW, tick=False)
async def test_one_phone_carries_a_group(li: Member, zhou: Member) -> None:
    """Zhou's own check-in with the group is fine; one across the lake at that time is not."""
    url = await start(li.client, companions=["ZHOU"])
    patrol_id = url.rsplit("/", 1)[1]
    await check_in(li.client, today("08:30"), patrol_id=patrol_id, device="phone-1")

    same = await check_in(zhou.client, today("08:31"), patrol_id=patrol_id, device="phone-1")
    open_still = await check_in(zhou.client, today("08:50"), lon=102.97)
    afterwards = await check_in(zhou.client, today("09:31"), lon=102.97)
    await finish(li.client, url, "10:00")
    during = await check_in(zhou.client, today("09:59"), lon=102.97)
    later = await check_in(zhou.client, today("10:01"), lon=102.97)

    failed = [
        [entry["check"] for entry in each["evidence"] if entry["passed"] is False]
        for each in (same, open_still, afterwards, during, later)
    ]
    assert failed == [[], ["companion_elsewhere"], [], ["companion_elsewhere"], []]


# -- which patrol a check-in joins -----------------------------------------------------------


@time_machine.travel(NOW, tick=False)
async def test_joins_the_open_patrol_for_twelve_hours(li: Member) -> None:
    url = f"/api/v1/patrols/{uuid4()}"
    body = {"started_at": "2026-11-22T22:00:00+08:00"}
    assert (await li.client.put(url, json=body)).status_code == 201
    patrol_id = url.rsplit("/", 1)[1]

    joined = [
        (await check_in(li.client, at))["patrol_id"] == patrol_id
        for at in (
            "2026-11-22T21:59:59+08:00",
            "2026-11-22T22:00:00+08:00",
            "2026-11-23T10:00:00+08:00",
            "2026-11-23T10:00:01+08:00",
        )
    ]
    await finish(li.client, url, "10:30")

    assert joined == [False, True, True, False]
    assert (await check_in(li.client, today("09:00")))["patrol_id"] != patrol_id


@time_machine.travel(NOW, tick=False)
async def test_of_two_open_patrols_the_later_one_is_joined(li: Member) -> None:
    await start(li.client, "06:00")
    later = await start(li.client, "08:00")

    assert (await check_in(li.client, today("08:30")))["patrol_id"] == later.rsplit("/", 1)[1]


@time_machine.travel(NOW, tick=False)
async def test_without_one_the_day_at_the_lake_has_its_own(li: Member, zhou: Member) -> None:
    days = [
        (await check_in(li.client, at))["patrol_id"]
        for at in (
            "2026-11-21T15:59:59Z",
            "2026-11-21T16:00:00Z",
            "2026-11-22T15:59:59Z",
            "2026-11-22T16:00:00Z",
        )
    ]
    foreign = (await check_in(zhou.client, "2026-11-22T15:00:00Z"))["patrol_id"]

    assert len({*days, foreign}) == 4
    assert days[1] == days[2]
    answer = await shown(li.client, f"/api/v1/patrols/{days[1]}")
    assert (answer["state"], answer["started_at"], answer["finished_at"], answer["duration_s"]) == (
        "finished",
        "2026-11-22T00:00:00+08:00",
        "2026-11-22T23:59:59+08:00",
        86399,
    )


# -- who sees it -----------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
async def test_who_sees_a_patrol(
    li: Member,
    zhou: Member,
    chen: Member,
    zhao: Member,
    wang: Member,
    qian: Member,
    stranger: AsyncClient,
    program: AsyncClient,
    west_program: AsyncClient,
    client: Client,
) -> None:
    """Li's, with Chen along; the west comes to see it once Li checks in there."""
    url = await start(li.client, companions=["CHEN"])
    everybody = (
        *(member.client for member in (li, zhou, chen, zhao, wang, qian)),
        stranger,
        program,
        west_program,
        client(None),
    )

    async def statuses() -> list[int]:
        return [(await each.get(url)).status_code for each in everybody]

    async def listed() -> list[int]:
        answers = [await each.get("/api/v1/patrols") for each in everybody]
        return [len(each.json().get("items", "")) for each in answers]

    before, before_listed = await statuses(), await listed()
    await check_in(li.client, today("08:30"), lon=102.97, patrol_id=url.rsplit("/", 1)[1])

    assert before == [200, 404, 200, 404, 200, 200, 403, 200, 404, 401]
    assert before_listed == [1, 0, 1, 0, 1, 1, 0, 1, 0, 0]
    assert await statuses() == [200, 404, 200, 404, 200, 200, 403, 200, 200, 401]
    assert await listed() == [1, 0, 1, 0, 1, 1, 0, 1, 1, 0]
    mine = [
        len((await each.get("/api/v1/patrols?mine=true")).json()["items"])
        for each in (li.client, chen.client, wang.client, program)
    ]
    assert mine == [1, 1, 0, 0]


@time_machine.travel(NOW, tick=False)
async def test_only_people_walk(
    li: Member, stranger: AsyncClient, program: AsyncClient, client: Client
) -> None:
    url = f"/api/v1/patrols/{uuid4()}"
    theirs = await start(li.client)
    calls = [
        ("PUT", url, {"started_at": today("08:00")}),
        ("POST", f"{theirs}/track", {"points": [a_point(1, "08:00")]}),
        ("POST", f"{theirs}/finish", {"finished_at": today("09:00"), "findings": "none"}),
        ("POST", f"{theirs}/decline", None),
    ]

    for method, address, body in calls:
        answers = [
            (response.status_code, response.json()["code"])
            for response in [
                await each.request(method, address, json=body)
                for each in (client(None), stranger, program)
            ]
        ]
        assert answers == [(401, "unauthenticated"), (403, "not-bound"), (403, "forbidden")]
    assert (await shown(li.client, theirs))["state"] == "open"


# -- lists -----------------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
async def test_lists_filter_and_page(li: Member, zhou: Member, wang: Member) -> None:
    ids = []
    for day in (20, 21, 22):
        url = f"/api/v1/patrols/{uuid4()}"
        await li.client.put(url, json={"started_at": f"2026-11-{day}T00:00:00+08:00"})
        ids.append(url.rsplit("/", 1)[1])
    await start(zhou.client)
    await li.client.post(
        f"/api/v1/patrols/{ids[0]}/finish",
        json={"finished_at": "2026-11-20T01:00:00+08:00", "findings": "none"},
    )

    async def listed(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/patrols?person=LI&{query}")
        return [row["id"] for row in answer.json()["items"]]

    assert await listed("") == ids[::-1]
    assert await listed("from=2026-11-21&to=2026-11-21") == [ids[1]]
    assert await listed("state=finished") == [ids[0]]
    first = (await li.client.get("/api/v1/patrols?limit=2")).json()
    await start(li.client)
    rest = (await li.client.get(f"/api/v1/patrols?limit=2&cursor={first['next']}")).json()
    assert [row["id"] for row in first["items"]] == [ids[2], ids[1]]
    assert ([row["id"] for row in rest["items"]], rest["next"]) == ([ids[0]], None)


@pytest.mark.usefixtures("zhou")
@pytest.mark.parametrize("path", ["patrols", "check-ins"])
async def test_three_rows_cost_as_many_statements_as_one(
    li: Member, wang: Member, session: AsyncSession, path: str
) -> None:
    costs = []
    with time_machine.travel(NOW, tick=False):
        for number in (1, 3):
            while len((await wang.client.get(f"/api/v1/{path}")).json()["items"]) < number:
                url = await start(li.client, reach_code="R-1", companions=["ZHOU"])
                await check_in(li.client, today("08:30"), patrol_id=url.rsplit("/", 1)[1])
            with counted(session) as seen:
                answer = await wang.client.get(f"/api/v1/{path}")
            assert len(answer.json()["items"]) == number
            costs.append(seen.statements)

    assert costs[0] == costs[1] > 0


@time_machine.travel(NOW, tick=False)
async def test_etags(li: Member) -> None:
    url = await start(li.client)
    first = await li.client.get(url)

    same = await li.client.get(url, headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    await finish(li.client, url)
    changed = await li.client.get(url, headers={"If-None-Match": first.headers["etag"]})

    assert (same.status_code, same.content) == (304, b"")
    assert (changed.status_code, changed.json()["state"]) == (200, "finished")


@time_machine.travel(NOW, tick=False)
async def test_a_self_made_patrol_is_not_amended_and_stays_finished(
    li: Member, session: AsyncSession
) -> None:
    patrol_id = (await check_in(li.client, today("08:30")))["patrol_id"]
    url = f"/api/v1/patrols/{patrol_id}"
    before = await shown(li.client, url)

    amended = await li.client.put(
        url, json={"started_at": today("08:00")}, headers={"If-Match": "*"}
    )
    finished = await finish(li.client, url, "11:00")

    assert (amended.status_code, amended.json()["code"]) == (409, "conflict")
    assert finished.json() == before
    assert (await session.get_one(Patrol, UUID(patrol_id))).origin is PatrolOrigin.self_made
