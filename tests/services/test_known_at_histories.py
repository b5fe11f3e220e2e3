"""What a report said at a moment is what it says of that moment later on, whatever came after."""

import time
from itertools import count
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, example, given, settings
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from tests.conftest import Lake, Member
from tests.databases import taken_back
from tests.services import duty_histories, known_histories
from tests.services.duty_histories import STARTS_AT, History, Step
from tests.services.known_histories import Question, ask, live


@pytest.fixture(autouse=True)
def travelling_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids say when they were made by the clock that travels; those of one moment are in order."""
    numbers = count(1)

    def uuid7() -> UUID:
        ms = time.time_ns() // 1_000_000
        return UUID(int=ms << 80 | 7 << 76 | 2 << 62 | next(numbers))

    monkeypatch.setattr("uuid_utils.compat.uuid7", uuid7)


# An outing that was open then, and is closed later as of before; a day's outing that goes on later.
CLOSED_LATER = [(5, 0, 0, 0, 0), (0, 0, 0, 0, 5), (17, 0, 0, 0, 0), (19, 0, 4, 0, 0)]
GOES_ON = [(0, 1, 0, 0, 0), (0, 1, 0, 0, 0), (0, 1, 1, 0, 0)]


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=known_histories.histories)
@example(made=(CLOSED_LATER, [(0, 60, 0)]))
@example(made=(GOES_ON, [(0, 60, 0)]))
async def test_what_was_said_then_is_said_of_then(
    made: tuple[list[Step], list[Question]],
    connection: AsyncConnection,
    session: AsyncSession,
    lake: Lake,
    li: Member,
    zhou: Member,
    chen: Member,
    wang: Member,
    qian: Member,
) -> None:
    steps, questions = made
    async with taken_back(connection, session):
        with time_machine.travel(STARTS_AT, tick=False) as traveller:
            await duty_histories.owe(session, lake, li, zhou, chen)
            history = History([li, zhou, chen], wang, session, traveller)
            for said in await live(history, steps, questions, qian, lake):
                params = {**said.params, "known_at": said.at.isoformat()}
                assert await ask(qian.client, said.report, params) == said.answer, said
