"""Photos, from the phone to whoever may look at them."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import time_machine
from PIL import Image
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import jobs
from app.models import Image as ImageRow
from app.models import Photo
from app.state import State
from app.storage import original_key
from tests.conftest import Lake, Member
from tests.factories import a_person, a_token
from tests.pictures import a_jpeg, a_picture, a_png_bomb, encoded, taken

EAST = {"lon": 103.01, "lat": 24.9, "accuracy_m": 15, "datum": "wgs84"}
WEST = {"lon": 102.97, "lat": 24.9, "accuracy_m": 15, "datum": "wgs84"}
NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


async def checked_in(member: Member, position: dict[str, Any] = EAST, **given: Any) -> str:
    """The id of a new check-in at noon of the day that the clock shows."""
    id_ = str(uuid4())
    body = {"at": "2026-06-01T12:00:00+08:00", "position": position} | given
    response = await member.client.put(f"/api/v1/check-ins/{id_}", json=body)
    assert response.status_code == 201, response.text
    return id_


async def send(
    client: httpx.AsyncClient,
    check_in_id: str,
    content: bytes,
    id_: str | None = None,
    **fields: str,
) -> httpx.Response:
    return await client.post(
        f"/api/v1/check-ins/{check_in_id}/photos",
        data={"id": id_ or str(uuid4()), **fields},
        files={"file": ("照片.jpg", content, "image/jpeg")},
    )


async def sent(client: httpx.AsyncClient, check_in_id: str, content: bytes, **fields: str) -> str:
    response = await send(client, check_in_id, content, **fields)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def work(session: AsyncSession, state: State) -> int:
    """Run the rendition jobs that were deferred; how many there were."""
    rows = await session.execute(
        text(
            "UPDATE procrastinate_jobs SET status = 'succeeded'"
            " WHERE task_name = 'make_renditions' AND status = 'todo' RETURNING args"
        )
    )
    waiting = rows.scalars().all()
    await session.commit()
    for arguments in waiting:
        context: Any = SimpleNamespace(additional_context={"state": state})
        await jobs.make_renditions.func(context, **arguments)
    return len(waiting)


async def count(session: AsyncSession, table: type[Photo | ImageRow]) -> int:
    return (await session.scalar(select(func.count()).select_from(table))) or 0


def evidence_of(check_in: dict[str, Any], check: str) -> dict[str, Any]:
    return {
        name: value
        for entry in check_in["evidence"]
        if entry["check"] == check
        for name, value in entry.items()
        if name != "check"
    }


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


# -- sending -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content_type", "ending"),
    [
        ("JPEG", "image/jpeg", "jpg"),
        ("PNG", "image/png", "png"),
        ("WEBP", "image/webp", "webp"),
        ("HEIF", "image/heic", "heic"),
    ],
)
async def test_a_photo_all_the_way(
    li: Member, session: AsyncSession, state: State, kind: str, content_type: str, ending: str
) -> None:
    check_in_id = await checked_in(li, photos_expected=3)
    content = encoded(a_picture(), kind, exif=taken("2026:06:01 11:58:00"))
    id_ = str(uuid4())

    response = await send(li.client, check_in_id, content, id_)

    assert response.status_code == 201
    sha256 = hashlib.sha256(content).hexdigest()
    assert response.json() == {"id": id_, "sha256": sha256, "received": 1, "expected": 3}
    assert await state["store"].get(original_key(bytes.fromhex(sha256))) == content
    check_in = (await li.client.get(f"/api/v1/check-ins/{check_in_id}")).json()
    assert check_in["photos"] == {"received": 1, "expected": 3}
    assert check_in["verdict"] == "accepted"
    assert evidence_of(check_in, "photo_taken") == {"passed": True, "value": 120, "limit": 86400}

    waiting = await li.client.get(f"/api/v1/photos/{id_}")
    assert (waiting.status_code, waiting.json()["code"]) == (404, "not-ready")
    assert waiting.headers["Retry-After"] == "2"
    assert await work(session, state) == 1

    for size, side in (("large", 800), ("small", 480)):
        shown = await li.client.get(f"/api/v1/photos/{id_}", params={"size": size})
        assert shown.status_code == 200
        picture = Image.open(io.BytesIO(shown.content))
        assert (picture.format, max(picture.size), dict(picture.getexif())) == ("JPEG", side, {})
        assert shown.headers["Content-Type"] == "image/jpeg"
        assert shown.headers["ETag"] == f'"{sha256}-{size}"'
        assert "Content-Disposition" not in shown.headers
    assert (await li.client.get(f"/api/v1/photos/{id_}")).headers["ETag"] == f'"{sha256}-large"'
    original = await li.client.get(f"/api/v1/photos/{id_}", params={"size": "original"})
    assert (original.status_code, original.content) == (200, content)
    assert {name: original.headers[name] for name in (
        "Content-Type", "Content-Length", "ETag", "Cache-Control",
        "X-Content-Type-Options", "Content-Disposition",
    )} == {
        "Content-Type": content_type,
        "Content-Length": str(len(content)),
        "ETag": f'"{sha256}-original"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'attachment; filename="{id_}.{ending}"',
    }  # fmt: skip


async def test_who_has_it_already_gets_304(li: Member, session: AsyncSession, state: State) -> None:
    id_ = await sent(li.client, await checked_in(li), a_jpeg())
    await work(session, state)
    etag = (await li.client.get(f"/api/v1/photos/{id_}")).headers["ETag"]
    again = await li.client.get(f"/api/v1/photos/{id_}", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    other = await li.client.get(f"/api/v1/photos/{id_}?size=small", headers={"If-None-Match": etag})
    assert other.status_code == 200


async def test_the_same_again_changes_nothing(li: Member, session: AsyncSession) -> None:
    check_in_id, id_, content = await checked_in(li), str(uuid4()), a_jpeg()
    first = await send(li.client, check_in_id, content, id_)
    again = await send(li.client, check_in_id, content, id_)
    renamed = await send(li.client, check_in_id, content)
    assert (first.status_code, again.status_code, renamed.status_code) == (201, 200, 200)
    assert first.json() == again.json() == renamed.json()
    assert (first.json()["received"], first.json()["expected"]) == (1, None)
    assert (await count(session, Photo), await count(session, ImageRow)) == (1, 1)


async def test_the_same_id_with_other_content_is_a_conflict(
    li: Member, zhou: Member, session: AsyncSession
) -> None:
    check_in_id, id_ = await checked_in(li), str(uuid4())
    await sent(li.client, check_in_id, a_jpeg(1), id_=id_)
    other_check_in = await checked_in(li, WEST)
    refused = [
        await send(li.client, check_in_id, a_jpeg(2), id_),
        await send(li.client, other_check_in, a_jpeg(1), id_),
        await send(zhou.client, await checked_in(zhou), a_jpeg(1), id_),
    ]
    for response in refused:
        assert (response.status_code, response.json()) == (
            409,
            {
                "type": "urn:xunhe:problem:conflict",
                "title": "这条记录与已保存的内容不一致，没有覆盖。",
                "status": 409,
                "code": "conflict",
            },
        )
    assert await count(session, Photo) == 1


async def test_one_image_on_two_check_ins_is_kept_once(li: Member, session: AsyncSession) -> None:
    content = a_jpeg()
    await sent(li.client, await checked_in(li), content)
    await sent(li.client, await checked_in(li), content)
    assert (await count(session, Photo), await count(session, ImageRow)) == (2, 1)


async def test_thirty_photos_and_not_one_more(li: Member, session: AsyncSession) -> None:
    check_in_id = await checked_in(li)
    contents = [a_jpeg(n, (40, 30)) for n in range(31)]
    for content in contents[:30]:
        await sent(li.client, check_in_id, content)
    refused = await send(li.client, check_in_id, contents[30])
    assert (refused.status_code, refused.json()["code"], refused.json()["errors"]) == (
        422,
        "invalid",
        [{"pointer": "/file", "detail": "一条巡河记录最多30张照片。"}],
    )
    assert (await send(li.client, check_in_id, contents[0])).status_code == 200
    assert await count(session, Photo) == 30


async def test_what_the_phone_says_of_the_time_is_believed_without_exif(li: Member) -> None:
    check_in_id = await checked_in(li)
    await sent(li.client, check_in_id, a_jpeg(), taken_at="2026-06-01T11:00:00+08:00")
    check_in = (await li.client.get(f"/api/v1/check-ins/{check_in_id}")).json()
    assert evidence_of(check_in, "photo_taken") == {"passed": True, "value": 3600, "limit": 86400}


# -- what is refused ---------------------------------------------------------------------------


async def test_nobody_else_adds_photos(
    li: Member,
    zhou: Member,
    wang: Member,
    qian: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    client: Any,
    session: AsyncSession,
) -> None:
    check_in_id = await checked_in(li)
    statuses = [
        (response.status_code, response.json()["code"])
        for response in [
            await send(each, check_in_id, a_jpeg())
            for each in (
                zhou.client, wang.client, qian.client, stranger, program, client(None), client("x"),
            )
        ]
    ]  # fmt: skip
    assert statuses == [
        (404, "not-found"),
        (404, "not-found"),
        (404, "not-found"),
        (403, "not-bound"),
        (403, "forbidden"),
        (401, "unauthenticated"),
        (401, "unauthenticated"),
    ]
    nowhere = await send(li.client, str(uuid4()), a_jpeg())
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not-found")
    odd = await send(li.client, "not-a-uuid", a_jpeg())
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid")
    assert (await count(session, Photo), await count(session, ImageRow)) == (0, 0)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ("这是一段文字".encode() * 50, 422, "photo-unreadable"),
        (b"", 422, "photo-unreadable"),
        (a_jpeg()[:-2000], 422, "photo-unreadable"),
        (a_jpeg() + bytes((20 << 20) + 1 - len(a_jpeg())), 413, "too-large"),
        (bytes(21 << 20), 413, "too-large"),
    ],
    ids=["text", "empty", "cut short", "one byte too many", "21 MiB"],
)
async def test_no_photo(
    li: Member, session: AsyncSession, content: bytes, status: int, code: str
) -> None:
    check_in_id = await checked_in(li, photos_expected=1)
    response = await send(li.client, check_in_id, content)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["Content-Type"] == "application/problem+json"
    check_in = (await li.client.get(f"/api/v1/check-ins/{check_in_id}")).json()
    assert check_in["photos"] == {"received": 0, "expected": 1}
    assert (await count(session, Photo), await count(session, ImageRow)) == (0, 0)


async def test_a_bomb_is_unreadable(li: Member) -> None:
    response = await send(li.client, await checked_in(li), a_png_bomb())
    assert (response.status_code, response.json()) == (
        422,
        {
            "type": "urn:xunhe:problem:photo-unreadable",
            "title": "照片打不开或没有传完整，请重新拍一张或重传。",
            "status": 422,
            "code": "photo-unreadable",
        },
    )


async def test_twenty_mebibytes_are_well(li: Member) -> None:
    content = a_jpeg()
    content += bytes((20 << 20) - len(content))
    assert (await send(li.client, await checked_in(li), content)).status_code == 201


@pytest.mark.parametrize(
    ("fields", "with_file", "errors"),
    [
        ({}, True, [("/id", "必填项没有填写")]),
        ({"id": "seven"}, True, [("/id", "编号格式不对（应为 UUID）")]),
        ({"id": str(UUID(int=1))}, False, [("/file", "必填项没有填写")]),
        ({"id": str(UUID(int=1)), "file": "text"}, False, [("/file", "格式不对")]),
        ({}, False, [("/id", "必填项没有填写"), ("/file", "必填项没有填写")]),
        (
            {"id": str(UUID(int=1)), "taken_at": "2026-06-01 11:00"},
            True,
            [("/taken_at", "时间要写成带时区的格式，例如 2026-06-01T08:30:00+08:00")],
        ),
    ],
)
async def test_fields_are_named(
    li: Member, fields: dict[str, str], with_file: bool, errors: list[tuple[str, str]]
) -> None:
    response = await li.client.post(
        f"/api/v1/check-ins/{await checked_in(li)}/photos",
        files=[(name, (None, value)) for name, value in fields.items()]
        + (
            [("file", ("a.jpg", a_jpeg(), "image/jpeg"))]
            if with_file
            else [("unknown", (None, "1"))]
        ),
    )
    assert response.status_code == 422
    found = [(each["pointer"], each["detail"]) for each in response.json()["errors"]]
    assert sorted(found) == sorted(errors)


async def test_an_empty_taken_at_is_none(li: Member) -> None:
    response = await send(li.client, await checked_in(li), a_jpeg(), taken_at="")
    assert response.status_code == 201


def a_form(content: bytes) -> bytes:
    return (
        b'--edge\r\nContent-Disposition: form-data; name="id"\r\n\r\n'
        + str(uuid4()).encode()
        + b'\r\n--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        + content
        + b"\r\n--edge--\r\n"
    )


@pytest.mark.parametrize("left", [3, 30, 5000, 200_000])
async def test_a_form_cut_short_is_refused(li: Member, session: AsyncSession, left: int) -> None:
    body = a_form(a_jpeg() + bytes(2 << 20))
    response = await li.client.post(
        f"/api/v1/check-ins/{await checked_in(li)}/photos",
        content=body[:-left],
        headers={"Content-Type": "multipart/form-data; boundary=edge"},
    )
    assert (response.status_code, response.json()["code"], response.json()["detail"]) == (
        400,
        "bad-request",
        "照片没有传完整，请重传。",
    )
    assert (await count(session, Photo), await count(session, ImageRow)) == (0, 0)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=other",
        "application/json",
        "application/x-www-form-urlencoded",
        "image/jpeg",
    ],
)
async def test_what_is_no_form_is_refused(li: Member, content_type: str) -> None:
    response = await li.client.post(
        f"/api/v1/check-ins/{await checked_in(li)}/photos",
        content=a_form(a_jpeg()),
        headers={"Content-Type": content_type},
    )
    assert (response.status_code, response.json()["code"]) == (400, "bad-request")


async def test_two_files_are_one_too_many(li: Member) -> None:
    response = await li.client.post(
        f"/api/v1/check-ins/{await checked_in(li)}/photos",
        data={"id": str(uuid4())},
        files=[("file", ("a.jpg", a_jpeg(1))), ("file", ("b.jpg", a_jpeg(2)))],
    )
    assert (response.status_code, response.json()["code"]) == (400, "bad-request")


async def test_a_store_that_is_gone_records_nothing(
    li: Member, session: AsyncSession, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_in_id, id_ = await checked_in(li), str(uuid4())
    with monkeypatch.context() as broken:

        def no_room(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        broken.setattr(Path, "replace", no_room)
        refused = await send(li.client, check_in_id, a_jpeg(), id_)
    assert (refused.status_code, refused.json()["code"]) == (503, "storage-unavailable")
    assert refused.headers["Retry-After"] == "5"
    assert "space" not in refused.text
    assert (await count(session, Photo), await count(session, ImageRow)) == (0, 0)
    assert [each async for each in state["store"].list("incoming")] == []
    assert (await send(li.client, check_in_id, a_jpeg(), id_)).status_code == 201


# -- looking -----------------------------------------------------------------------------------


async def test_who_may_look(
    li: Member,
    zhou: Member,
    chen: Member,
    zhao: Member,
    wang: Member,
    qian: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
    client: Any,
    session: AsyncSession,
    state: State,
) -> None:
    id_ = await sent(li.client, await checked_in(li), a_jpeg())
    await work(session, state)
    doors = {
        "owner": li.client,
        "colleague": zhou.client,
        "enterprise chief": chen.client,
        "village secretary": zhao.client,
        "manager": wang.client,
        "admin": qian.client,
        "stranger": stranger,
        "program": program,
        "west program": west_program,
        "nobody": client(None),
    }
    may = {
        name: [
            (await door.get(f"/api/v1/photos/{id_}", params={"size": size})).status_code
            for size in ("small", "large", "original")
        ]
        for name, door in doors.items()
    }
    assert may == {
        "owner": [200, 200, 200],
        "colleague": [404, 404, 404],
        "enterprise chief": [404, 404, 404],
        "village secretary": [404, 404, 404],
        "manager": [200, 200, 200],
        "admin": [200, 200, 200],
        "stranger": [403, 403, 403],
        "program": [200, 200, 403],
        "west program": [404, 404, 404],
        "nobody": [401, 401, 401],
    }


async def test_a_companion_sees_and_does_not_take_the_original(
    li: Member, zhou: Member, session: AsyncSession, state: State
) -> None:
    patrol_id = str(uuid4())
    started = {"started_at": "2026-06-01T11:50:00+08:00", "companions": ["ZHOU"]}
    response = await li.client.put(f"/api/v1/patrols/{patrol_id}", json=started)
    assert response.status_code == 201, response.text
    id_ = await sent(li.client, await checked_in(li, patrol_id=patrol_id), a_jpeg())
    await work(session, state)
    seen = [
        (await zhou.client.get(f"/api/v1/photos/{id_}?size={size}")).status_code
        for size in ("small", "original")
    ]
    assert seen == [200, 403]


async def test_the_manager_of_the_place_may_have_the_original(
    li: Member, lake: Lake, client: Any, session: AsyncSession
) -> None:
    """Li belongs to the east branch, the stele to the enterprise."""
    boss = await a_person(session, code="BOSS", organisation_id=lake.enterprise.id, role="manager")
    check_in_id = await checked_in(li, stele={"code": "JB-01"})
    id_ = await sent(li.client, check_in_id, a_jpeg())
    response = await client(await a_token(session, boss)).get(f"/api/v1/photos/{id_}?size=original")
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [(str(UUID(int=5)), 404), ("seven", 422), (f"{UUID(int=5)}?size=huge", 422)],
)
async def test_no_such_photo(li: Member, path: str, status: int) -> None:
    assert (await li.client.get(f"/api/v1/photos/{path}")).status_code == status


async def test_a_photo_that_cannot_be_shown_says_so(
    li: Member, session: AsyncSession, state: State
) -> None:
    """Bytes that rot in the store, or that pass the door and cannot be decoded after all."""
    content = a_jpeg()
    id_ = await sent(li.client, await checked_in(li), content)
    await state["store"].put(original_key(hashlib.sha256(content).digest()), content[:3000])
    await work(session, state)
    shown = await li.client.get(f"/api/v1/photos/{id_}")
    assert (shown.status_code, shown.json()["code"], shown.json()["detail"]) == (
        404,
        "not-found",
        "这张照片无法显示：照片打不开或没有传完整，请重新拍一张或重传。",
    )


async def test_bytes_that_are_gone_are_unavailable(li: Member, state: State) -> None:
    content = a_jpeg(99)
    id_ = await sent(li.client, await checked_in(li), content)
    await state["store"].delete(original_key(hashlib.sha256(content).digest()))
    shown = await li.client.get(f"/api/v1/photos/{id_}?size=original")
    assert (shown.status_code, shown.json()["code"]) == (503, "storage-unavailable")


# -- what it proves ----------------------------------------------------------------------------


async def state_of(member: Member, check_in_id: str) -> tuple[str, Any, Any]:
    """Verdict, photo_reused, photo_near_same."""
    check_in = (await member.client.get(f"/api/v1/check-ins/{check_in_id}")).json()
    return (
        check_in["verdict"],
        evidence_of(check_in, "photo_reused")["passed"],
        evidence_of(check_in, "photo_near_same")["passed"],
    )


async def test_bytes_used_before_flag_the_later_one_at_once(
    li: Member, zhou: Member, session: AsyncSession, state: State
) -> None:
    content = a_jpeg()
    first, second = await checked_in(li), await checked_in(zhou, WEST)
    await sent(li.client, first, content)
    with time_machine.travel(datetime(2026, 6, 1, 4, 1, tzinfo=UTC), tick=False):
        await sent(zhou.client, second, content)
    assert await state_of(li, first) == ("accepted", True, None)
    assert await state_of(zhou, second) == ("flagged", False, None)
    await work(session, state)
    assert await state_of(li, first) == ("accepted", True, True)
    assert await state_of(zhou, second) == ("flagged", False, True)


@pytest.mark.parametrize("hashed_first", ["earlier", "later"])
async def test_near_same_by_another_person_flags_whoever_came_later(
    li: Member, zhou: Member, session: AsyncSession, state: State, hashed_first: str
) -> None:
    """In whatever order the jobs run."""
    first, second = await checked_in(li), await checked_in(zhou, WEST)
    await sent(li.client, first, a_jpeg())
    if hashed_first == "earlier":
        await work(session, state)
    with time_machine.travel(datetime(2026, 6, 1, 4, 1, tzinfo=UTC), tick=False):
        await sent(zhou.client, second, encoded(a_picture().resize((640, 480)), quality=60))
    assert await state_of(zhou, second) == ("accepted", True, None)
    if hashed_first == "later":
        # The queue hands out the later job first.
        await session.execute(
            text(
                "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (SELECT min(id) FROM procrastinate_jobs)"
            )
        )
        await session.commit()
        assert await work(session, state) == 1
        assert await state_of(zhou, second) == ("accepted", True, True)
        await session.execute(
            text("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing'")
        )
        await session.commit()
    assert await work(session, state) == 1
    assert await state_of(li, first) == ("accepted", True, True)
    assert await state_of(zhou, second) == ("flagged", True, False)


async def test_near_same_by_the_same_person_at_the_same_place_is_only_noted(
    li: Member, session: AsyncSession, state: State
) -> None:
    first, second = await checked_in(li), await checked_in(li)
    await sent(li.client, first, a_jpeg())
    await sent(li.client, second, encoded(a_picture().resize((640, 480)), quality=60))
    await work(session, state)
    assert (await state_of(li, second))[0] == "accepted"


async def test_dark_pictures_prove_nothing(
    li: Member, zhou: Member, session: AsyncSession, state: State
) -> None:
    first, second = await checked_in(li), await checked_in(zhou, WEST)
    await sent(li.client, first, encoded(Image.new("RGB", (80, 60), (1, 2, 3)), "JPEG"))
    await sent(zhou.client, second, encoded(Image.new("RGB", (80, 61), (1, 2, 3)), "JPEG"))
    await work(session, state)
    assert await state_of(zhou, second) == ("accepted", True, None)


async def test_making_renditions_twice_is_harmless(li: Member, state: State) -> None:
    check_in_id = await checked_in(li)
    await sent(li.client, check_in_id, a_jpeg())
    sha256 = hashlib.sha256(a_jpeg()).hexdigest()
    context: Any = SimpleNamespace(additional_context={"state": state})
    await jobs.make_renditions.func(context, sha256)
    before = (await li.client.get(f"/api/v1/check-ins/{check_in_id}")).json()
    await jobs.make_renditions.func(context, sha256)
    assert (await li.client.get(f"/api/v1/check-ins/{check_in_id}")).json() == before
    await jobs.make_renditions.func(context, "00" * 32)


async def test_renditions_that_were_given_up_are_tried_again_by_night(
    li: Member, session: AsyncSession, state: State
) -> None:
    waiting, young = a_jpeg(1), a_jpeg(2)
    photo_id = await sent(li.client, await checked_in(li), waiting)
    await sent(li.client, await checked_in(li), a_jpeg(3))
    await session.execute(
        text("UPDATE procrastinate_jobs SET status = 'failed' WHERE args->>'sha256' = :name"),
        {"name": hashlib.sha256(waiting).hexdigest()},
    )
    await session.commit()
    assert await work(session, state) == 1
    context: Any = SimpleNamespace(additional_context={"state": state})
    with time_machine.travel(datetime(2026, 6, 2, 19, 23, tzinfo=UTC), tick=False):
        await sent(li.client, await checked_in(li), young)
        for _ in range(2):
            await jobs.sweep_photos.func(context, 0)
    deferred = await session.scalars(
        text("SELECT args->>'sha256' FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
    )
    assert deferred.all() == [hashlib.sha256(each).hexdigest() for each in (young, waiting)]
    assert await work(session, state) == 2
    assert (await li.client.get(f"/api/v1/photos/{photo_id}")).status_code == 200
