"""A real, migrated PostgreSQL with a savepoint per test, the application on it, and the cast."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
import shapely
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
)
from starlette.types import Receive, Scope, Send

from app import embedded_postgres
from app.database import connect
from app.domain import geometry
from app.keys import Keys
from app.main import create_app
from app.models import GridCell, Organisation, OrganisationKind, Person, Reach, Role, Stele
from app.routers.deps import get_session, get_snapshot
from app.services import chain, conversations
from app.services.callback_queue import CallbackQueue
from app.services.check_in_queue import CheckInQueue
from app.services.exports.downloads import Downloads
from app.services.rate_limits import RateLimiter
from app.settings import MiniProgram, ServiceAccount, Settings
from app.state import State
from app.storage import open_store
from app.wechat.client import WeChat, open_wechat
from app.wechat.simulator.app import create_app as create_simulator
from app.wechat.simulator.config import AccountConfig, PlatformConfig
from app.wechat.simulator.platform import Platform
from tests import databases
from tests.factories import (
    a_grid_cell,
    a_login,
    a_person,
    a_reach,
    a_stele,
    a_token,
    a_wechat_user,
    an_api_key,
    an_organisation,
    rectangle,
)

KEYS = Keys(b"a secret for tests only")
chain.use(KEYS)
geometry.load()  # as every process does; the first of a property's examples has a deadline


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded PostgreSQL for this run, or the server that `XUNHE_TEST_DATABASE_URL` names."""
    if given := os.environ.get("XUNHE_TEST_DATABASE_URL"):
        yield given
        return
    with embedded_postgres.hold(tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture(scope="session")
def database_url(server_url: str) -> Iterator[str]:
    """A new database, migrated."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Nothing from the environment, limits off."""
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"))
    settings.rate_limit.per_person = settings.rate_limit.per_key = 0
    settings.rate_limit.per_address = 0
    return settings


@pytest.fixture(scope="session")
async def engine(database_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine, _ = connect(database_url, settings.database)
    yield engine
    await engine.dispose()


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection, connection.begin() as outer:
        yield connection
        await outer.rollback()


@pytest.fixture
def sessions(connection: AsyncConnection) -> async_sessionmaker[AsyncSession]:
    """Sessions whose commits are savepoints inside the test's own transaction."""
    return async_sessionmaker(
        connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )


@pytest.fixture
async def session(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """For arranging; each change is committed (to the savepoint) by the factory that makes it."""
    async with sessions() as session:
        yield session


SERVICE_ACCOUNT = AccountConfig(
    app_id="wx00000000000000aa", secret="service-secret", token="service-token", mode="plain"
)
MINI_PROGRAM = AccountConfig(
    app_id="wx00000000000000bb", secret="mini-secret", token="mini-token", mode="plain"
)


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    """WeChat as the simulator plays it, one Open Platform account, nobody there yet."""
    platform = Platform(
        PlatformConfig(service_account=SERVICE_ACCOUNT, mini_program=MINI_PROGRAM, people=())
    )
    yield platform
    await platform.close()


@pytest.fixture
async def wechat(
    platform: Platform, settings: Settings, sessions: async_sessionmaker[AsyncSession]
) -> AsyncIterator[WeChat]:
    """Our client, as it speaks to the simulated platform."""
    configured = settings.model_copy(
        update={
            name: kind(
                _env_file=None, app_id=app.app_id, secret=SecretStr(app.secret), token=app.token
            )
            for name, kind, app in (
                ("service_account", ServiceAccount, SERVICE_ACCOUNT),
                ("mini_program", MiniProgram, MINI_PROGRAM),
            )
        }
    )
    transport = httpx.ASGITransport(create_simulator(platform))
    async with httpx.AsyncClient(transport=transport, base_url="http://wechat") as http:
        yield open_wechat(http, configured, sessions)


@pytest.fixture
def state(settings: Settings, sessions: async_sessionmaker[AsyncSession], wechat: WeChat) -> State:
    """What lifespan would have opened."""
    keys, limiter = KEYS, RateLimiter(sessions)
    return State(
        settings=settings,
        keys=keys,
        sessions=sessions,
        limiter=limiter,
        recorder=CheckInQueue(sessions, limiter, settings, keys),
        store=open_store(settings.media, settings.s3),
        wechat=wechat,
        doors={},
        callbacks=CallbackQueue(sessions, conversations.answering(settings, keys)),
        downloads=Downloads(sessions),
    )


Client = Callable[[str | None], httpx.AsyncClient]


@pytest.fixture
async def client(state: State) -> AsyncIterator[Client]:
    """`client(token)` speaks to the application in this process; `client(None)` to its public part."""
    app = create_app()
    # All sessions of a test are in one transaction, which cannot become a snapshot.
    app.dependency_overrides[get_snapshot] = get_session
    opened: list[httpx.AsyncClient] = []

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    def of(token: str | None = None) -> httpx.AsyncClient:
        opened.append(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(with_state, raise_app_exceptions=False),
                base_url="http://xunhe",
                headers={"Authorization": f"Bearer {token}"} if token else {},
            )
        )
        return opened[-1]

    yield of
    for each in opened:
        await each.aclose()


@dataclass
class Member:
    """Somebody of the cast, and their door to the application."""

    person: Person
    client: httpx.AsyncClient


@dataclass
class Lake:
    """East bank and west bank under one committee, a stele and a reach on the east bank."""

    committee: Organisation
    east_branch: Organisation
    west_branch: Organisation
    village: Organisation
    enterprise: Organisation
    shore: GridCell
    east: GridCell
    east_inner: GridCell
    west: GridCell
    stele: Stele
    west_stele: Stele
    reach: Reach


@pytest.fixture
async def lake(session: AsyncSession) -> Lake:
    """103.00-103.02 E is the east bank, 102.96-102.98 E the west bank, 24.89-24.91 N both."""
    committee = await an_organisation(
        session, code="GWH", name="示例管委会", kind=OrganisationKind.committee
    )
    east, west, village, enterprise = [
        await an_organisation(session, code=code, name=name, kind=kind, parent_id=committee.id)
        for code, name, kind in (
            ("EAST", "东岸党支部", OrganisationKind.branch),
            ("WEST", "西岸党支部", OrganisationKind.branch),
            ("VILLAGE", "示例村", OrganisationKind.village),
            ("ENT", "示例度假村", OrganisationKind.enterprise),
        )
    ]
    shore = await a_grid_cell(
        session,
        rectangle(102.95, 24.85, 103.03, 24.95),
        code="G-0",
        name="环湖网格",
        organisation_id=committee.id,
    )
    east_cell = await a_grid_cell(
        session,
        rectangle(103.00, 24.89, 103.02, 24.91),
        code="G-1",
        name="东岸网格",
        parent=shore,
        organisation_id=east.id,
    )
    inner = await a_grid_cell(
        session,
        rectangle(103.008, 24.898, 103.012, 24.902),
        code="G-1-1",
        name="东岸一号网格",
        parent=east_cell,
        organisation_id=east.id,
    )
    west_cell = await a_grid_cell(
        session,
        rectangle(102.96, 24.89, 102.98, 24.91),
        code="G-2",
        name="西岸网格",
        parent=shore,
        organisation_id=west.id,
    )
    reach = await a_reach(
        session, shapely.LineString([(103.01, 24.89), (103.01, 24.91)]), code="R-1", name="东岸河段"
    )
    return Lake(
        committee=committee,
        east_branch=east,
        west_branch=west,
        village=village,
        enterprise=enterprise,
        shore=shore,
        east=east_cell,
        east_inner=inner,
        west=west_cell,
        stele=await a_stele(
            session,
            code="JB-01",
            name="东岸一号碑",
            lon=103.01,
            lat=24.90,
            reach_id=reach.id,
            organisation_id=enterprise.id,
        ),
        west_stele=await a_stele(
            session, code="JB-02", name="西岸一号碑", lon=102.97, lat=24.90, organisation_id=west.id
        ),
        reach=reach,
    )


async def _joined(
    session: AsyncSession,
    client: Client,
    organisation: Organisation,
    code: str,
    name: str,
    role: Role = Role.member,
) -> Member:
    person = await a_person(
        session, code=code, name=name, organisation_id=organisation.id, role=role
    )
    return Member(person, client(await a_token(session, person)))


@pytest.fixture
async def li(session: AsyncSession, client: Client, lake: Lake) -> Member:
    """Li walks the east bank."""
    return await _joined(session, client, lake.east_branch, "LI", "示例李")


@pytest.fixture
async def zhou(session: AsyncSession, client: Client, lake: Lake) -> Member:
    """Zhou walks the west bank."""
    return await _joined(session, client, lake.west_branch, "ZHOU", "示例周")


@pytest.fixture
async def chen(session: AsyncSession, client: Client, lake: Lake) -> Member:
    """Chen is the enterprise chief."""
    return await _joined(session, client, lake.enterprise, "CHEN", "示例陈")


@pytest.fixture
async def zhao(session: AsyncSession, client: Client, lake: Lake) -> Member:
    """Zhao is the village secretary and manages the village only."""
    return await _joined(session, client, lake.village, "ZHAO", "示例赵", Role.manager)


@pytest.fixture
async def wang(session: AsyncSession, client: Client, lake: Lake) -> Member:
    """Wang manages both banks."""
    return await _joined(session, client, lake.committee, "WANG", "示例王", Role.manager)


@pytest.fixture
async def qian(session: AsyncSession, client: Client, lake: Lake) -> Member:
    """Qian is the admin."""
    return await _joined(session, client, lake.committee, "QIAN", "示例钱", Role.admin)


@pytest.fixture
async def stranger(session: AsyncSession, client: Client) -> httpx.AsyncClient:
    """The stranger has a WeChat account and no post."""
    return client(await a_login(session, await a_wechat_user(session)))


@pytest.fixture
async def program(session: AsyncSession, client: Client, lake: Lake) -> httpx.AsyncClient:
    """Management's program reads everything of the committee."""
    return client(await an_api_key(session, lake.committee))


@pytest.fixture
async def west_program(session: AsyncSession, client: Client, lake: Lake) -> httpx.AsyncClient:
    """A program that may read the west branch only."""
    return client(await an_api_key(session, lake.west_branch))
