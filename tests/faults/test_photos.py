"""Photos under stress, on real connections: many at once, slow phones, gone buckets, scraps."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app import clock, jobs
from app.database import connect
from app.errors import StorageUnavailable
from app.main import create_app
from app.models import Image, Photo
from app.services import pictures
from app.settings import S3, Settings
from app.state import State
from app.storage import open_store, original_key
from tests import databases
from tests.buckets import operator, s3_server
from tests.conftest import Client, Member
from tests.pictures import a_jpeg


@pytest.fixture
async def engine(server_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """In place of the savepoints: a database of its own, and a real pool of ten connections."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        engine, _ = connect(url, settings.database)
        yield engine
        await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, expire_on_commit=False)


async def checked_in(member: Member) -> str:
    id_ = str(uuid4())
    position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 15, "datum": "wgs84"}
    response = await member.client.put(
        f"/api/v1/check-ins/{id_}", json={"at": clock.now().isoformat(), "position": position}
    )
    assert response.status_code == 201, response.text
    return id_


async def send(
    client: httpx.AsyncClient, check_in_id: str, content: bytes, id_: str | None = None
) -> httpx.Response:
    return await client.post(
        f"/api/v1/check-ins/{check_in_id}/photos",
        data={"id": id_ or str(uuid4())},
        files={"file": ("a.jpg", content)},
    )


async def counted(session: AsyncSession) -> dict[str, int]:
    return {
        "photos": await session.scalar(select(func.count()).select_from(Photo)) or 0,
        "images": await session.scalar(select(func.count()).select_from(Image)) or 0,
        "jobs": await session.scalar(
            text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'make_renditions'")
        ),
    }


async def test_fifty_identical_uploads_at_once_are_one(li: Member, session: AsyncSession) -> None:
    check_in_id, id_, content = await checked_in(li), str(uuid4()), a_jpeg()
    answers = await asyncio.gather(*(send(li.client, check_in_id, content, id_) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].json()["received"] == 1
    assert await counted(session) == {"photos": 1, "images": 1, "jobs": 1}


async def test_one_content_under_many_ids_at_once_is_one_photo(
    li: Member, session: AsyncSession
) -> None:
    check_in_id, content = await checked_in(li), a_jpeg()
    answers = await asyncio.gather(*(send(li.client, check_in_id, content) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert await counted(session) == {"photos": 1, "images": 1, "jobs": 1}


async def test_one_id_on_many_check_ins_at_once_is_one_photo(
    li: Member, session: AsyncSession
) -> None:
    check_in_ids, id_ = [await checked_in(li) for _ in range(8)], str(uuid4())
    answers = await asyncio.gather(
        *(send(li.client, each, a_jpeg(n), id_) for n, each in enumerate(check_in_ids))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    # What was refused left its image, whose bytes are whole; only the photo is on a record.
    assert (await counted(session))["photos"] == 1


async def test_never_more_than_thirty_at_once(li: Member, session: AsyncSession) -> None:
    check_in_id = await checked_in(li)
    answers = await asyncio.gather(
        *(send(li.client, check_in_id, a_jpeg(n, (40, 30))) for n in range(36))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 30 + [422] * 6
    received = sorted(a.json()["received"] for a in answers if a.status_code == 201)
    assert received == list(range(1, 31))
    assert (await counted(session))["photos"] == 30


async def test_no_connection_waits_for_a_slow_phone(
    li: Member, engine: AsyncEngine, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_in_id, in_use = await checked_in(li), {}
    await session.close()
    inspect = pictures.inspect

    async def watched(content: bytes) -> pictures.Inspected:
        in_use["decoding"] = engine.pool.checkedout()  # type: ignore[attr-defined]  # a QueuePool
        return await inspect(content)

    monkeypatch.setattr(pictures, "inspect", watched)
    form = (
        b'--edge\r\nContent-Disposition: form-data; name="id"\r\n\r\n'
        + str(uuid4()).encode()
        + b'\r\n--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + a_jpeg()
        + b"\r\n--edge--\r\n"
    )

    async def dripping() -> AsyncIterator[bytes]:
        yield form[:5000]
        in_use["arriving"] = engine.pool.checkedout()  # type: ignore[attr-defined]
        yield form[5000:]

    response = await li.client.post(
        f"/api/v1/check-ins/{check_in_id}/photos",
        content=dripping(),
        headers={"Content-Type": "multipart/form-data; boundary=edge"},
    )
    assert response.status_code == 201
    assert in_use == {"arriving": 0, "decoding": 0}


async def test_a_stranger_is_refused_before_the_body_is_read(li: Member, client: Client) -> None:
    check_in_id = await checked_in(li)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield bytes(1 << 16)

    for token, status in ((None, 401), ("wrong", 401)):
        response = await client(token).post(
            f"/api/v1/check-ins/{check_in_id}/photos",
            content=endless(),
            headers={"Content-Type": "multipart/form-data; boundary=edge"},
        )
        assert response.status_code == status
    assert read == 0


async def test_a_phone_that_goes_away_leaves_nothing(
    li: Member, state: State, session: AsyncSession
) -> None:
    """The connection breaks in the middle of the body."""
    check_in_id = await checked_in(li)
    messages: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": b"--edge\r\n", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def answer(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": f"/api/v1/check-ins/{check_in_id}/photos",
        "query_string": b"",
        "headers": [
            (b"authorization", li.client.headers["Authorization"].encode()),
            (b"content-type", b"multipart/form-data; boundary=edge"),
        ],
        "state": dict(state),
    }
    await create_app()(scope, receive, answer)
    assert sent[0]["status"] == 400
    assert await counted(session) == {"photos": 0, "images": 0, "jobs": 0}


async def test_bytes_without_their_row_are_in_nobodys_way(
    li: Member, state: State, session: AsyncSession
) -> None:
    """As a process leaves them that is killed between the two, or a disk that lied about it."""
    check_in_id, content = await checked_in(li), a_jpeg()
    key = original_key(hashlib.sha256(content).digest())
    for left in (content, content[:700]):
        await state["store"].put(key, left)
        assert (await send(li.client, check_in_id, content)).status_code in {200, 201}
        assert await state["store"].get(key) == content
    assert await counted(session) == {"photos": 1, "images": 1, "jobs": 1}


async def test_renditions_wait_until_the_store_is_back(li: Member, state: State) -> None:
    content = a_jpeg()
    photo_id = (await send(li.client, await checked_in(li), content)).json()["id"]
    sha256 = hashlib.sha256(content).digest()
    context: Any = SimpleNamespace(additional_context={"state": state})
    await state["store"].delete(original_key(sha256))
    with pytest.raises(StorageUnavailable):
        await jobs.make_renditions.func(context, sha256.hex())
    assert jobs.make_renditions.retry_strategy is not None
    assert (await li.client.get(f"/api/v1/photos/{photo_id}")).json()["code"] == "not-ready"
    await state["store"].put(original_key(sha256), content)
    await jobs.make_renditions.func(context, sha256.hex())
    assert (await li.client.get(f"/api/v1/photos/{photo_id}")).status_code == 200


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as s3:
        yield s3


async def test_all_the_way_through_a_bucket(
    li: Member, state: State, s3: S3, session: AsyncSession
) -> None:
    operator(s3).create_bucket(Bucket="photos")
    state["store"] = open_store("s3://photos/xunhe", s3)
    check_in_id, content = await checked_in(li), a_jpeg(5)
    name = hashlib.sha256(content).hexdigest()

    photo_id = (await send(li.client, check_in_id, content)).json()["id"]
    context: Any = SimpleNamespace(additional_context={"state": state})
    await jobs.make_renditions.func(context, name)

    stored = operator(s3).list_objects_v2(Bucket="photos")["Contents"]
    assert [each["Key"] for each in stored] == [
        f"xunhe/originals/{name[:2]}/{name}",
        f"xunhe/renditions/{name[:2]}/{name}-large.jpg",
        f"xunhe/renditions/{name[:2]}/{name}-small.jpg",
    ]
    original = await li.client.get(f"/api/v1/photos/{photo_id}?size=original")
    assert (original.status_code, original.content) == (200, content)
    assert (await li.client.get(f"/api/v1/photos/{photo_id}")).status_code == 200

    for each in stored:
        operator(s3).delete_object(Bucket="photos", Key=each["Key"])
    operator(s3).delete_bucket(Bucket="photos")
    before = await counted(session)
    gone = [
        await send(li.client, check_in_id, a_jpeg(6)),
        await li.client.get(f"/api/v1/photos/{photo_id}?size=original"),
        await li.client.get(f"/api/v1/photos/{photo_id}"),
    ]
    assert [(each.status_code, each.json()["code"]) for each in gone] == [
        (503, "storage-unavailable")
    ] * 3
    await session.rollback()
    assert await counted(session) == before == {"photos": 1, "images": 1, "jobs": 1}
