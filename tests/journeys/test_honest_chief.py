"""Two years of an honest chief: nothing is flagged. And what somebody does who is not."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import datum as datums
from app.keys import Keys
from app.models import CheckIn, Photo, Source
from app.models.base import uuid7
from app.services import check_ins, renditions, stele_codes
from app.services.new_check_in import NewCheckIn
from app.settings import Settings
from app.state import State
from tests.conftest import Lake, Member
from tests.pictures import a_jpeg, a_picture, encoded

FIRST_DAY = datetime(2024, 12, 2, tzinfo=UTC)
STELE = {"code": "JB-01"}


def failed(answer: dict[str, Any]) -> list[str]:
    return [entry["check"] for entry in answer["evidence"] if entry["passed"] is False]


def near_stele(dice: Random, error_m: float) -> tuple[float, float]:
    """Where a receiver thinks it is that stands within 20 m of the stele."""
    metres = dice.uniform(0, 20) + abs(dice.gauss(0, error_m))
    bearing = dice.uniform(0, 2 * math.pi)
    return (
        103.01 + metres * math.sin(bearing) / 100_990,
        24.9 + metres * math.cos(bearing) / 110_780,
    )


def days(dice: Random) -> Iterator[datetime]:
    """Monday and Thursday, or nearly, for 24 months, some time of the day."""
    for week in range(104):
        for weekday in (0, 3):
            yield FIRST_DAY + timedelta(
                weeks=week, days=weekday + dice.choice((0, 0, 0, 1)), minutes=dice.randint(0, 600)
            )


async def test_24_honest_months_with_the_mini_program(
    chen: Member, session: AsyncSession, state: State
) -> None:
    dice = Random(2024)  # noqa: S311
    chief, settings = chen.client, state["settings"]
    visits: list[tuple[datetime, dict[str, Any], datetime]] = []
    for number, at in enumerate(days(dice)):
        # Under trees and between hills a phone errs by more than it says.
        error_m = dice.choice((5, 8, 15, 30))
        lon, lat = near_stele(dice, error_m)
        datum = dice.choice(("wgs84", "gcj02"))
        if datum == "gcj02":
            lon, lat = datums.to_gcj02(lon, lat)
        body = {
            "at": at.isoformat(),
            "position": {
                "lon": round(lon, 6),
                "lat": round(lat, 6),
                "accuracy_m": max(4, round(error_m * dice.uniform(0.8, 2))),
                "datum": datum,
            },
            "stele": STELE,
            "device": f"phone-{number // 120}",
        }
        received_at = at + timedelta(seconds=dice.randint(1, 30))
        if dice.random() < 0.15:
            received_at = at + timedelta(days=6 * dice.random())
        visits.append((at, body, received_at))
        again = dice.random()
        if again < 0.15:
            # Tapped twice: the phone has not asked the satellites anew.
            later = at + timedelta(seconds=dice.randint(5, 50))
            visits.append((later, body | {"at": later.isoformat()}, max(received_at, later)))
        elif again < 0.4:
            # A second one on the way back, from where another fix was made.
            later = at + timedelta(minutes=dice.randint(2, 40))
            lon, lat = near_stele(dice, error_m)
            position = {"lon": lon, "lat": lat, "accuracy_m": 20, "datum": "wgs84"}
            visits.append(
                (
                    later,
                    body | {"at": later.isoformat(), "position": position},
                    max(received_at, later),
                )
            )
    visits.sort(key=lambda visit: visit[2])

    flagged = []
    for number, (at, body, received_at) in enumerate(visits):
        url = f"/api/v1/check-ins/{uuid4()}"
        with time_machine.travel(received_at, tick=False):
            response = await chief.put(url, json=body)
            assert response.status_code == 201, response.text
            if number % 4 == 0:
                await _send_photo(chief, url, a_jpeg(number, (96, 72)), session, state)
            answer = (await chief.get(url)).json()
        if answer["verdict"] != "accepted" or not answer["stele"]["within"]:
            flagged.append((at, failed(answer), answer["stele"]))

    assert flagged == []
    assert len(visits) > 230
    hashed = await session.scalars(select(Photo.id))
    assert len(hashed.all()) == len(range(0, len(visits), 4))
    assert settings.evidence.near_same_bits == 3


async def _send_photo(
    client: AsyncClient, url: str, content: bytes, session: AsyncSession, state: State
) -> None:
    """Upload, and what the job makes of it."""
    response = await client.post(
        f"{url}/photos",
        data={"id": str(uuid4())},
        files={"file": ("p.jpg", content, "image/jpeg")},
    )
    assert response.status_code in {200, 201}, response.text
    await renditions.make(
        session,
        state["store"],
        bytes.fromhex(response.json()["sha256"]),
        state["settings"],
        now=datetime.now(UTC),
    )
    await session.commit()


async def test_24_honest_months_in_the_chat(
    chen: Member, session: AsyncSession, settings: Settings
) -> None:
    """A place picked on a map: the same pixel every time, or one some way off."""
    dice = Random(7)  # noqa: S311
    keys = Keys(b"a secret for tests only")
    picks = [(103.011442, 24.897)] * 3 + [datums.to_gcj02(*near_stele(dice, 40)) for _ in range(9)]

    flagged = []
    for at in days(dice):
        for more in range(dice.choice((1, 1, 2))):
            sent_at = at + timedelta(seconds=30 * more)
            raw = dice.choice(picks)
            lon, lat = datums.to_wgs84(*raw, datums.Datum.gcj02)
            new = NewCheckIn(
                id=uuid7(),
                person=chen.person,
                source=Source.chat,
                at=sent_at,
                received_at=sent_at + timedelta(seconds=2),
                lon=lon,
                lat=lat,
                accuracy_m=None,
                datum="gcj02",
                raw_lon=raw[0],
                raw_lat=raw[1],
                stele_code=STELE["code"],
            )
            recorded = (await check_ins.record(session, new, settings, keys)).check_in
            if recorded.verdict != "accepted":
                flagged.append(
                    (sent_at, [e["check"] for e in recorded.evidence if e["passed"] is False])
                )
    await session.commit()

    assert flagged == []
    assert len((await session.scalars(select(CheckIn.id))).all()) > 230


# -- who is not honest -----------------------------------------------------------------------

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


async def put(
    client: AsyncClient, minutes: float = 0, lon: float = 103.01, lat: float = 24.9, **given: Any
) -> dict[str, Any]:
    """A check-in so many minutes from NOW; the answer with its URL."""
    url = f"/api/v1/check-ins/{uuid4()}"
    position = {"lon": lon, "lat": lat, "accuracy_m": given.pop("accuracy_m", 10), "datum": "wgs84"}
    at = (NOW + timedelta(minutes=minutes)).isoformat()
    response = await client.put(url, json={"at": at, "position": position} | given)
    assert response.status_code == 201, response.text
    return {"url": url, **response.json()}


@time_machine.travel(NOW, tick=False)
async def test_cheats_are_seen(
    li: Member, zhou: Member, chen: Member, lake: Lake, session: AsyncSession, state: State
) -> None:
    tokens = await stele_codes.tokens(
        session, state["keys"], [lake.stele, lake.west_stele], now=NOW
    )
    await stele_codes.new_print(session, lake.west_stele, by=None, reason="丢失", now=NOW)
    await session.commit()
    east, west = tokens[lake.stele.id], tokens[lake.west_stele.id]
    seen: dict[str, list[str]] = {}

    # At home, naming the stele; with a photographed code; with another stele's; with an old print.
    seen["from home"] = failed(await put(li.client, -600, 103.02, stele=STELE))
    seen["code from home"] = failed(
        await put(li.client, -590, 103.0195, stele=STELE | {"token": east})
    )
    seen["another stele's code"] = failed(await put(li.client, -580, stele=STELE | {"token": west}))
    seen["an old print"] = failed(
        await put(zhou.client, -580, 102.97, stele={"code": "JB-02", "token": west})
    )
    # A simulated position; one that pretends to know little; both banks within a minute.
    seen["exact to 0 m"] = failed(await put(li.client, -400, 103.0101, accuracy_m=0))
    seen["so bad that it may be anywhere"] = failed(
        await put(li.client, -390, 103.0102, accuracy_m=5000)
    )
    await put(zhou.client, -300, 102.9701)
    seen["across the lake in a minute"] = failed(await put(zhou.client, -299, 103.0103))
    # One phone for two people who did not go together; dates made up.
    await put(li.client, -200, 103.0104, device="one phone")
    seen["a colleague's phone"] = failed(await put(chen.client, -190, 103.0105, device="one phone"))
    seen["next week"] = failed(await put(chen.client, 60 * 24 * 7, 103.0106))
    seen["last month"] = failed(await put(chen.client, -60 * 24 * 30, 103.0107))

    assert seen == {
        "from home": ["stele_distance"],
        "code from home": ["stele_distance"],
        "another stele's code": ["stele_code"],
        "an old print": ["stele_print"],
        "exact to 0 m": ["accuracy"],
        "so bad that it may be anywhere": ["accuracy"],
        "across the lake in a minute": ["speed"],
        "a colleague's phone": ["device"],
        "next week": ["clock"],
        "last month": ["age"],
    }


@pytest.mark.parametrize("kind", ["the same bytes", "saved again"])
async def test_a_photo_that_was_used_before_is_seen(
    li: Member, zhou: Member, session: AsyncSession, state: State, kind: str
) -> None:
    picture = a_picture(5, (320, 240))
    first = encoded(picture, quality=90)
    second = first if kind == "the same bytes" else encoded(picture, quality=60)
    # The clock goes on: the later received is doubted.
    with time_machine.travel(NOW):
        mine, theirs = await put(li.client), await put(zhou.client, lon=103.0101)
        await _send_photo(li.client, mine["url"], first, session, state)
        await _send_photo(zhou.client, theirs["url"], second, session, state)
        answers = [
            (await member.client.get(each["url"])).json()
            for member, each in ((li, mine), (zhou, theirs))
        ]

    check = "photo_reused" if kind == "the same bytes" else "photo_near_same"
    assert [(each["verdict"], failed(each)) for each in answers] == [
        ("accepted", []),
        ("flagged", [check]),
    ]


async def test_one_s_own_picture_of_the_same_place_is_only_noted(
    li: Member, session: AsyncSession, state: State
) -> None:
    picture = a_picture(5, (320, 240))
    # The clock goes on: the later received is doubted.
    with time_machine.travel(NOW):
        here, again, elsewhere = (
            await put(li.client, -600),
            await put(li.client, -300, 103.0101),
            await put(li.client, 0, 103.0201),
        )
        for quality, each in ((90, here), (80, again), (60, elsewhere)):
            content = encoded(picture, quality=quality)
            await _send_photo(li.client, each["url"], content, session, state)
        answers = [(await li.client.get(each["url"])).json() for each in (here, again, elsewhere)]

    assert [failed(each) for each in answers] == [[], [], ["photo_near_same"]]
