"""The record chain: whatever is changed without the program's key is found, and nothing else is."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app import clock
from app.database import connect
from app.keys import Keys
from app.main import create_app
from app.models import Role
from app.services import chain, erasing, renditions
from app.services.chain import opening, sealing
from app.services.check_in_queue import CheckInQueue
from app.services.rate_limits import RateLimiter
from app.settings import Settings
from app.storage import open_store, original_key, rendition_key
from tests import databases
from tests.conftest import KEYS
from tests.factories import a_person, a_token, an_organisation
from tests.faults.processes import Running, command, eventually, xunhe
from tests.pictures import a_jpeg

WELL = "核对完毕，没有发现问题。\n"
NOW = datetime.now(UTC)
SECRET = "a secret for tests only"
Sessions = async_sessionmaker[AsyncSession]


@dataclass
class Book:
    """A database with records of Li's: three check-ins, a photo on the first, the second reviewed."""

    url: str
    data_dir: Path
    li: str
    check_ins: list[UUID]
    photo: UUID
    sha256: bytes

    def tamper(self, *statements: LiteralString, **given: object) -> None:
        """Each changes one row, and no foreign key looks."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                assert connection.execute(statement, given).rowcount == 1

    def ask(self, statement: LiteralString) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement).fetchall()

    def verify(self, **more: str) -> "subprocess.CompletedProcess[str]":
        given = {"XUNHE_DATABASE_URL": self.url, "XUNHE_SECRET_KEY": SECRET} | more
        return xunhe("verify", data_dir=self.data_dir, **given)


@asynccontextmanager
async def engine_of(url: str) -> AsyncIterator[AsyncEngine]:
    engine, _ = connect(url, Settings(_env_file=None).database)
    try:
        yield engine
    finally:
        await engine.dispose()


def sessions_of(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def an_app(url: str, data_dir: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Sessions]]:
    """The application on that database, and the sessions it has."""
    settings = Settings(_env_file=None, data_dir=data_dir)
    async with engine_of(url) as engine:
        sessions = sessions_of(engine)
        limiter = RateLimiter(sessions)
        state = {
            "settings": settings,
            "keys": KEYS,
            "sessions": sessions,
            "limiter": limiter,
            "recorder": CheckInQueue(sessions, limiter, settings, KEYS),
            "store": open_store(settings.media, settings.s3),
        }
        app = create_app()

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state)
            await app(scope, receive, send)

        transport = httpx.ASGITransport(with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://xunhe") as client:
            yield client, sessions


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def check_in(client: httpx.AsyncClient, token: str, **given: Any) -> UUID:
    id_ = uuid4()
    position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10.5, "datum": "wgs84"}
    body = {"at": NOW.isoformat(), "position": position} | given
    answer = await client.put(f"/api/v1/check-ins/{id_}", json=body, headers=bearer(token))
    assert answer.status_code == 201, answer.text
    return id_


async def add_photo(client: httpx.AsyncClient, token: str, id_: UUID) -> tuple[UUID, bytes]:
    photo = uuid4()
    answer = await client.post(
        f"/api/v1/check-ins/{id_}/photos",
        data={"id": str(photo)},
        files={"file": ("p.jpg", a_jpeg(), "image/jpeg")},
        headers=bearer(token),
    )
    assert answer.status_code == 201, answer.text
    return photo, bytes.fromhex(answer.json()["sha256"])


async def write(url: str, data_dir: Path) -> Book:
    async with an_app(url, data_dir) as (client, sessions):
        async with sessions.begin() as session:
            await chain.begin(session, now=NOW)
        async with sessions() as session:
            office = await an_organisation(session)
            li = await a_token(session, await a_person(session, organisation_id=office.id))
            boss = await a_person(session, organisation_id=office.id, role=Role.admin)
            wang = await a_token(session, boss)
        first = await check_in(client, li, note="水面有漂浮物", device="phone-1")
        second, third = await check_in(client, li), await check_in(client, li)
        photo, sha256 = await add_photo(client, li, first)
        reviewed = await client.post(
            f"/api/v1/check-ins/{second}/review",
            json={"verdict": "rejected", "reason": "位置不对"},
            headers=bearer(wang),
        )
        assert reviewed.status_code == 200, reviewed.text
        answered = await client.post(
            f"/api/v1/check-ins/{second}/review/answer", json={"text": "我在"}, headers=bearer(li)
        )
        assert answered.status_code == 204, answered.text
        # Three check-ins with their verdicts; the photo and what it changed of the evidence; of the
        # review the verdict given, the one taken back and the check-in; the answer.
        assert await chain.seal(sessions, now=NOW) == 3 * 2 + 2 + 3 + 1
    return Book(url, data_dir, li, [first, second, third], photo, sha256)


@pytest.fixture(scope="module")
def written(
    server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Book, Path]]:
    """Written once; each test has a copy of the database."""
    data_dir = tmp_path_factory.mktemp("chain") / "data"
    data_dir.mkdir()
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield asyncio.run(write(url, data_dir)), data_dir


@pytest.fixture
def book(written: tuple[Book, Path], server_url: str) -> Iterator[Book]:
    there, _ = written
    with databases.copied(server_url, there.url) as url:
        yield Book(url, there.data_dir, there.li, there.check_ins, there.photo, there.sha256)


async def faults(book: Book) -> list[str]:
    async with engine_of(book.url) as engine, engine.connect() as connection:
        return [line async for line in chain.faults(connection, lambda *_: None)]


async def remarks(book: Book) -> list[str]:
    async with engine_of(book.url) as engine, sessions_of(engine)() as session:
        return await chain.remarks(session)


async def seal(book: Book, now: datetime = NOW) -> int:
    async with engine_of(book.url) as engine:
        return await chain.seal(sessions_of(engine), now=now)


# -- what `xunhe verify` finds ---------------------------------------------------------------


def test_what_the_program_wrote_is_well(book: Book) -> None:
    done = book.verify()
    assert (done.returncode, done.stdout, done.stderr) == (0, WELL, "")


def test_an_update_is_found(book: Book) -> None:
    book.tamper("UPDATE check_ins SET lon = lon + 0.001 WHERE id = %(id)s", id=book.check_ins[0])
    done = book.verify()
    assert done.returncode == 1
    assert f"巡河记录与存证不符，被改动过：{book.check_ins[0]}" in done.stdout.splitlines()


def test_a_delete_is_found(book: Book) -> None:
    book.tamper("DELETE FROM photos WHERE id = %(id)s", id=book.photo)
    done = book.verify()
    assert (done.returncode, done.stdout) == (1, f"照片有存证，记录却不见了：{book.photo}\n")


def test_an_insert_is_found(book: Book) -> None:
    forged = uuid4()
    book.tamper(
        "INSERT INTO photos (id, check_in_id, person_id, sha256, source, received_at) "
        "SELECT %(new)s, %(id)s, person_id, sha256, source, received_at FROM photos",
        new=forged,
        id=book.check_ins[2],
    )
    done = book.verify()
    assert (done.returncode, done.stdout) == (1, f"照片没有存证，不是程序写入的：{forged}\n")


def test_a_photo_file_that_was_changed_or_is_missing_is_found(book: Book) -> None:
    path = book.data_dir / "media" / original_key(book.sha256)
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        changed = book.verify()
        path.unlink()
        missing = book.verify()
    finally:
        path.write_bytes(content)
    key = original_key(book.sha256)
    assert (changed.returncode, changed.stdout) == (1, f"原件内容与校验值不符：{key}\n")
    assert (missing.returncode, missing.stdout) == (1, f"原件不见了：{key}\n")


async def test_a_rendition_that_was_changed_or_is_missing_is_found(book: Book) -> None:
    settings = Settings(_env_file=None, data_dir=book.data_dir)
    engine, sessions = connect(book.url, settings.database)
    async with sessions.begin() as session:
        store = open_store(settings.media, settings.s3)
        await renditions.make(session, store, book.sha256, settings, now=NOW)
    await engine.dispose()
    assert (await asyncio.to_thread(book.verify)).stdout == WELL
    for size in ("large", "small"):
        key = rendition_key(book.sha256, size)
        path = book.data_dir / "media" / key
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        changed = await asyncio.to_thread(book.verify)
        path.unlink()
        missing = await asyncio.to_thread(book.verify)
        path.write_bytes(content)
        assert (changed.returncode, changed.stdout) == (1, f"缩略图内容与校验值不符：{key}\n")
        assert (missing.returncode, missing.stdout) == (1, f"缩略图不见了：{key}\n")


async def test_records_wait_for_their_seal_and_are_checked_before_it(book: Book) -> None:
    async with an_app(book.url, book.data_dir) as (client, _):
        id_ = await check_in(client, book.li)
    done = await asyncio.to_thread(book.verify)
    assert (done.returncode, done.stdout) == (0, WELL)
    assert done.stderr == "还有 2 条存证没有封存（后台程序每分钟封存一次）。\n"
    book.tamper("UPDATE check_ins SET note = '补记' WHERE id = %(id)s", id=id_)
    assert await faults(book) == [f"巡河记录与存证不符，被改动过：{id_}"]


COLUMNS = [
    (shape, column) for shape in chain.SHAPES.values() for column in (*shape.core, *shape.state)
]


async def test_every_column_is_covered(book: Book) -> None:
    """Whichever column of a row is changed, that row is named and no other."""
    async with engine_of(book.url) as engine, engine.connect() as connection:
        for table, columns in (
            (shape.table, {*shape.core, *shape.state}) for shape in chain.SHAPES.values()
        ):
            there = await connection.scalars(
                text(
                    "SELECT column_name FROM information_schema.columns "
                    "WHERE table_schema = 'public' AND table_name = :table"
                ),
                {"table": table},
            )
            assert set(there) == columns
        await connection.rollback()
        await connection.execute(text("SET session_replication_role = replica"))
        await connection.commit()
        for shape, column in COLUMNS:
            if column == "id":
                continue
            types = await connection.execute(
                text(
                    "SELECT udt_name FROM information_schema.columns "
                    "WHERE table_name = :table AND column_name = :column"
                ),
                {"table": shape.table, "column": column},
            )
            kind = types.scalar_one()
            await connection.execute(text("SET session_replication_role = replica"))
            row = await connection.execute(
                text(
                    f"UPDATE {shape.table} SET {column} = {OTHER[kind]} "  # noqa: S608
                    f"WHERE id = (SELECT min(id::text)::uuid FROM {shape.table}) RETURNING id".replace(
                        "COLUMN", column
                    )
                )
            )
            id_ = row.scalar_one()
            found = [line async for line in chain.faults(connection, lambda *_: None)]
            assert found == [f"{shape.name}与存证不符，被改动过：{id_}"], column
            await connection.rollback()


# What of each type no row has.
OTHER = {
    "uuid": "gen_random_uuid()",
    "text": "coalesce(COLUMN, '') || 'x'",
    "varchar": "CASE COLUMN WHEN 'accepted' THEN 'flagged' WHEN 'rejected' THEN 'accepted' "
    "ELSE 'paper' END",
    "timestamptz": "coalesce(COLUMN, now()) + interval '1 microsecond'",
    "date": "COLUMN + 1",
    "float8": "coalesce(COLUMN, 0) + 1e-6",
    "int4": "coalesce(COLUMN, 0) + 1",
    "bool": "NOT coalesce(COLUMN, false)",
    "_uuid": "COLUMN || gen_random_uuid()",
    "jsonb": "CASE jsonb_typeof(COLUMN) WHEN 'array' THEN COLUMN || '[1]' "
    """ELSE COLUMN || '{"x": 1}' END""",
    "bytea": r"COLUMN || '\x00'",
}


# -- tampering with the chain itself ---------------------------------------------------------


TAMPERED: list[tuple[LiteralString, list[str]]] = [
    (
        "UPDATE chain_events SET day = day - 1 WHERE id = (SELECT event_id FROM chain_links "
        "WHERE position = 1)",
        [
            "{name[1]}与存证不符，被改动过：{id[1]}",
            "存证或存证链被改动过：第 1 环，{name[1]} {id[1]}",
        ],
    ),
    (
        "UPDATE chain_links SET mac = '\\x00' WHERE position = 3",
        [
            "存证或存证链被改动过：第 3 环，{name[3]} {id[3]}",
            "存证或存证链被改动过：第 4 环，{name[4]} {id[4]}",
        ],
    ),
    (
        "DELETE FROM chain_links WHERE position = 12",
        [
            "存证链缺环：第 12 至第 12 环",
            "存证没有封存，也不在等待封存：存证 {event[12]}，{name[12]} {id[12]}",
        ],
    ),
    ("DELETE FROM chain_heads", ["存证链的链头不见了"]),
    (
        "UPDATE chain_heads SET position = 10",
        ["存证链的链头被改动过", "存证链的链头与最后一环不符：链头在第 10 环，最后是第 12 环"],
    ),
    ("UPDATE chain_heads SET sealed_at = now()", ["存证链的链头被改动过"]),
]


@pytest.mark.parametrize(("statement", "said"), TAMPERED)
async def test_tampering_with_the_chain_is_found(
    book: Book, statement: LiteralString, said: list[str]
) -> None:
    links = book.ask(
        "SELECT l.position, e.id, e.kind, e.record_id FROM chain_links l "
        "JOIN chain_events e ON e.id = l.event_id"
    )
    named = {
        "event": {row[0]: row[1] for row in links},
        "name": {row[0]: chain.SHAPES[row[2]].name for row in links},
        "id": {row[0]: row[3] for row in links},
    }
    book.tamper(statement)
    assert await faults(book) == [line.format(**named) for line in said]


async def test_an_event_that_was_removed_is_found(book: Book) -> None:
    book.tamper("DELETE FROM chain_events WHERE record_id = %(id)s", id=book.photo)
    position, event = book.ask(
        "SELECT position, event_id FROM chain_links l "
        "WHERE NOT EXISTS (SELECT FROM chain_events e WHERE e.id = l.event_id)"
    )[0]
    assert await faults(book) == [
        f"照片没有存证，不是程序写入的：{book.photo}",
        f"存证不见了：第 {position} 环，存证 {event}",
    ]


async def test_a_record_that_goes_with_its_events_and_links_leaves_holes(book: Book) -> None:
    positions = [
        row[0]
        for row in book.ask(
            "SELECT position FROM chain_links l JOIN chain_events e ON e.id = l.event_id "
            "WHERE e.kind = 'photo'"
        )
    ]
    with psycopg.connect(book.url) as connection:
        connection.execute("DELETE FROM photos")
        connection.execute(
            "DELETE FROM chain_links USING chain_events e WHERE e.id = event_id "
            "AND e.kind = 'photo'"
        )
        connection.execute("DELETE FROM chain_events WHERE kind = 'photo'")
    assert await faults(book) == [
        f"存证链缺环：第 {positions[0]} 至第 {positions[0]} 环",
    ]


async def test_a_row_changed_before_the_program_changed_it_too_is_still_found(book: Book) -> None:
    """The event of a later photo or review does not vouch for what somebody slipped in before."""
    book.tamper("UPDATE check_ins SET lat = 25 WHERE id = %(id)s", id=book.check_ins[1])
    async with engine_of(book.url) as engine, sessions_of(engine).begin() as session:
        await chain.append(session, {chain.CHECK_IN: [book.check_ins[1]]}, now=NOW)
    assert await faults(book) == [f"巡河记录与存证不符，被改动过：{book.check_ins[1]}"]


async def test_an_earlier_state_put_back_is_found(book: Book) -> None:
    """The review is undone: check-in and verdicts as they were, with the events of then."""
    id_ = book.check_ins[1]
    with psycopg.connect(book.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "DELETE FROM check_in_verdicts WHERE check_in_id = %s AND reviewer_id IS NOT NULL",
            [id_],
        )
        connection.execute(
            "UPDATE check_in_verdicts SET revoked_at = NULL WHERE check_in_id = %s", [id_]
        )
        connection.execute(
            "UPDATE check_ins SET verdict = 'accepted', reviewed_at = NULL WHERE id = %s", [id_]
        )
    found = await faults(book)
    assert len(found) == 3
    assert f"巡河记录与存证不符，被改动过：{id_}" in found


async def test_a_wrong_secret_vouches_for_nothing(book: Book) -> None:
    done = book.verify(XUNHE_SECRET_KEY="another secret, long enough")
    assert done.returncode == 1
    assert "存证链的链头被改动过" in done.stdout.splitlines()


# -- sealing ---------------------------------------------------------------------------------


def day(n: int) -> datetime:
    """Noon of the n-th day from today."""
    return clock.start_of(clock.day_of(NOW)) + timedelta(days=n, hours=12)


async def test_each_day_is_closed_once_and_says_how_many(book: Book) -> None:
    with capture_logs() as logs:
        assert await seal(book, day(2)) == 0
        assert await seal(book, day(2)) == 0
    today = clock.day_of(NOW)
    closed = book.ask(
        "SELECT day, events, late, position, encode(link, 'hex') FROM chain_closings ORDER BY day"
    )
    link = book.ask("SELECT encode(mac, 'hex') FROM chain_links WHERE position = 12")[0][0]
    assert closed == [
        (today, 12, 0, 12, link),
        (clock.day_of(day(1)), 0, 0, 12, link),
    ]
    # What to keep elsewhere is in the log.
    assert [(log["day"], log["position"], log["link"]) for log in logs] == [
        (str(row[0]), 12, link) for row in closed
    ]
    assert await faults(book) == []


async def test_what_commits_after_the_closing_is_sealed_later_and_told(book: Book) -> None:
    async with an_app(book.url, book.data_dir) as (client, sessions):
        async with sessions() as late, late.begin():
            await chain.append(late, {chain.PHOTO: [book.photo]}, now=NOW)
            assert await chain.seal(sessions, now=day(1)) == 0
        assert await chain.seal(sessions, now=day(1)) == 1
        assert await chain.seal(sessions, now=day(2)) == 0
        await check_in(client, book.li)
    assert book.ask("SELECT events, late FROM chain_closings ORDER BY day") == [(12, 0), (1, 1)]
    assert await faults(book) == []
    assert await remarks(book) == [
        "还有 2 条存证没有封存（后台程序每分钟封存一次）。",
        "1 条存证在当日封账以后才到，计入了以后的封账。",
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE chain_closings SET events = 10 WHERE day = %(day)s", ["封账被改动过：{day}"]),
        (
            "DELETE FROM chain_closings WHERE day = %(day)s",
            ["封账不见了：{day}", "封账被改动过：{next}", "封账的条数与存证链不符：{next}"],
        ),
        ("DELETE FROM chain_closings WHERE day = %(day)s::date + 1", ["封账不见了：{next}"]),
    ],
)
async def test_tampering_with_closings_is_found(
    book: Book, statement: LiteralString, said: list[str]
) -> None:
    await seal(book, day(2))
    book.tamper(statement, day=clock.day_of(NOW))
    names = {"day": clock.day_of(NOW), "next": clock.day_of(day(1))}
    found = await faults(book)
    assert found[0] == said[0].format(**names)
    assert set(found) <= {line.format(**names) for line in said}


async def test_a_chain_cut_short_is_found(book: Book) -> None:
    """Links, events and records of the end go, and the head stays where it was."""
    with psycopg.connect(book.url) as connection:
        connection.execute("DELETE FROM chain_links WHERE position > 6")
        connection.execute(
            "DELETE FROM chain_events WHERE id NOT IN (SELECT event_id FROM chain_links)"
        )
    assert "存证链缺环：第 7 至第 12 环" in await faults(book)
    # Nor does the next seal hide it.
    async with an_app(book.url, book.data_dir) as (client, _):
        await check_in(client, book.li)
    assert await seal(book) == 2
    assert "存证链缺环：第 7 至第 12 环" in await faults(book)


async def test_a_head_that_is_not_ours_is_not_continued(book: Book) -> None:
    book.tamper("UPDATE chain_heads SET sealed_at = now() + interval '1 day'")
    with pytest.raises(chain.ChainBroken):
        await seal(book)


async def test_a_chain_without_its_end_is_not_begun_anew(book: Book) -> None:
    book.tamper("DELETE FROM chain_heads")
    async with engine_of(book.url) as engine:
        async with sessions_of(engine).begin() as session:
            await chain.begin(session, now=NOW)
        assert await chain.take_over(sessions_of(engine), now=NOW) == 0
    assert book.ask("SELECT count(*) FROM chain_heads") == [(0,)]


async def test_many_record_while_several_seal(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_AT_A_TIME", 3)
    async with an_app(book.url, book.data_dir) as (client, sessions):

        async def sealer() -> int:
            total = 0
            for _ in range(30):
                total += await chain.seal(sessions, now=NOW)
                await asyncio.sleep(0.01)
            return total

        async def phone(n: int) -> None:
            for m in range(5):
                at = NOW - timedelta(minutes=n * 5 + m)
                await check_in(client, book.li, at=at.isoformat())

        sealed = await asyncio.gather(sealer(), sealer(), *(phone(n) for n in range(6)))
        rest = await chain.seal(sessions, now=NOW)
    assert sum(n for n in sealed if n is not None) + rest == 60
    positions = book.ask("SELECT position FROM chain_links ORDER BY position")
    assert positions == [(n,) for n in range(1, 73)]
    assert await faults(book) == []


async def test_a_sealer_that_is_killed_leaves_a_whole_chain(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its step is undone with its transaction; the next one does it."""
    async with an_app(book.url, book.data_dir) as (client, sessions):
        await check_in(client, book.li)
        linked = sealing._link

        async def killed(session: AsyncSession, *rest: Any) -> None:
            await linked(session, *rest)
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with monkeypatch.context() as patched:
            patched.setattr(sealing, "_link", killed)
            with pytest.raises(Exception, match="terminat"):
                await chain.seal(sessions, now=NOW)
        assert await faults(book) == []
        assert await chain.seal(sessions, now=NOW) == 2
    assert await faults(book) == []


# -- keys ------------------------------------------------------------------------------------


async def test_a_new_key_signs_and_the_old_one_still_verifies(book: Book) -> None:
    rotated = {"XUNHE_CHAIN_SECRETS": "2:a second secret for tests"}
    try:
        chain.use(Keys(SECRET.encode(), {2: b"a second secret for tests"}))
        async with an_app(book.url, book.data_dir) as (client, _):
            id_ = await check_in(client, book.li)
        assert await seal(book) == 2
        assert await faults(book) == []
    finally:
        chain.use(KEYS)
    assert book.ask("SELECT key_version, count(*) FROM chain_events GROUP BY 1 ORDER BY 1") == [
        (1, 12),
        (2, 2),
    ]
    done = book.verify(**rotated)
    assert (done.returncode, done.stdout) == (0, WELL)
    lost = book.verify()
    assert lost.returncode == 1
    assert "没有存证密钥第 2 版，用它存证的记录无法核对" in lost.stdout.splitlines()
    # The root secret may be replaced as well: its chain key goes on as version 1.
    moved = book.verify(
        XUNHE_SECRET_KEY="another secret, long enough",
        XUNHE_CHAIN_SECRETS=f"1:{SECRET},2:a second secret for tests",
    )
    assert "存证" not in moved.stdout
    book.tamper("UPDATE check_ins SET note = 'x' WHERE id = %(id)s", id=id_)
    assert f"被改动过：{id_}" in book.verify(**rotated).stdout


# -- erasing ---------------------------------------------------------------------------------


async def test_what_was_erased_cannot_be_guessed_and_the_chain_stays_whole(book: Book) -> None:
    id_ = book.check_ins[0]
    async with engine_of(book.url) as engine, sessions_of(engine).begin() as session:
        await erasing.erase(session, id_, reason="本人要求", now=NOW)
    assert book.ask("SELECT DISTINCT note, device FROM check_ins WHERE note IS NOT NULL") == []
    salts = book.ask(
        "SELECT origin, salt IS NULL FROM chain_events WHERE kind = 'check-in' AND record_id = "
        "(SELECT record_id FROM chain_events WHERE origin = 'erased') ORDER BY id"
    )
    assert salts == [("recorded", True), ("recorded", True), ("erased", False)][-len(salts) :]
    assert await seal(book) == 1
    assert await faults(book) == []
    # It is no cover for anything else.
    book.tamper("UPDATE check_ins SET lat = 25 WHERE id = %(id)s", id=id_)
    assert await faults(book) == [f"巡河记录与存证不符，被改动过：{id_}"]


# -- what was there before the chain ---------------------------------------------------------


def without_chain(book: Book) -> None:
    """As after the migration of a system that had records already."""
    with psycopg.connect(book.url) as connection:
        connection.execute(
            "TRUNCATE chain_events, unsealed_events, chain_links, chain_heads, chain_closings"
        )


async def test_earlier_records_are_taken_over_and_said_to_be(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_chain(book)
    monkeypatch.setattr(opening, "_AT_A_TIME", 2)
    vouch = opening._vouch
    done = 0

    async def dies(*given: Any) -> int:
        nonlocal done
        done += 1
        if done > 2:
            raise KeyboardInterrupt
        return await vouch(*given)

    async with an_app(book.url, book.data_dir) as (client, sessions):
        with monkeypatch.context() as patched:
            patched.setattr(opening, "_vouch", dies)
            with pytest.raises(KeyboardInterrupt):
                await chain.take_over(sessions, now=NOW)
        assert await remarks(book) == [
            "存证链启用以前的记录还没有接管完，后台程序会继续；接管以前无法核对。",
            "还有 4 条存证没有封存（后台程序每分钟封存一次）。",
            f"4 条是存证链启用以前的记录，{clock.day_of(NOW)} 接管，此前的改动无法核对。",
        ]
        assert await faults(book) == []
        new = await check_in(client, book.li)
        # Three check-ins, a photo, four verdicts; four of them are done.
        assert await chain.take_over(sessions, now=NOW) == 4
        assert await chain.take_over(sessions, now=NOW) == 0
        assert await chain.seal(sessions, now=NOW) == 10
    assert await faults(book) == []
    assert await remarks(book) == [
        f"8 条是存证链启用以前的记录，{clock.day_of(NOW)} 接管，此前的改动无法核对。"
    ]
    forged = uuid4()
    book.tamper(
        "INSERT INTO photos (id, check_in_id, person_id, sha256, source, received_at) "
        "SELECT %(new)s, %(id)s, person_id, sha256, source, received_at FROM photos",
        new=forged,
        id=new,
    )
    async with engine_of(book.url) as engine:
        assert await chain.take_over(sessions_of(engine), now=NOW) == 0
    assert await faults(book) == [f"照片没有存证，不是程序写入的：{forged}"]


def test_migrate_takes_over_and_says_so(book: Book) -> None:
    without_chain(book)
    given = {"XUNHE_DATABASE_URL": book.url, "XUNHE_SECRET_KEY": SECRET}
    done = xunhe("migrate", data_dir=book.data_dir, **given)
    assert done.stdout == "数据库结构已是最新。\n已接管存证链启用以前的 8 条记录。\n"
    assert xunhe("migrate", data_dir=book.data_dir, **given).stdout == "数据库结构已是最新。\n"
    assert book.verify().returncode == 0


def test_the_worker_seals_each_minute_and_after_a_kill(book: Book) -> None:
    with psycopg.connect(book.url) as connection:
        connection.execute("INSERT INTO unsealed_events SELECT day, id FROM chain_events")
        connection.execute("TRUNCATE chain_links")
        connection.execute("DELETE FROM chain_heads")
    given = {"XUNHE_DATABASE_URL": book.url, "XUNHE_SECRET_KEY": SECRET}

    def sealed() -> bool:
        """Also what the worker's other jobs add: the photo is judged by its look."""
        return book.ask(
            "SELECT count(*) FILTER (WHERE e.kind = 'photo'), (SELECT count(*) FROM unsealed_events)"
            " FROM chain_links l JOIN chain_events e ON e.id = l.event_id"
        ) == [(1, 0)]

    first = Running(command("worker"), book.data_dir, **given)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.communicate()
    second = Running(command("worker"), book.data_dir, **given)
    try:
        assert eventually(sealed) or eventually(sealed)
    finally:
        second.end()
    assert book.verify().stdout == WELL
