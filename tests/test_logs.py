import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app import logs


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What a process of ours writes; afterwards all is as pytest had it."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("INFO")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


async def test_a_refused_row_is_logged_without_its_values(
    session: AsyncSession, said: io.StringIO
) -> None:
    await session.execute(text("CREATE TEMPORARY TABLE t (note text CHECK (note <> 'secret'))"))
    with pytest.raises(DBAPIError) as caught:
        await session.execute(text("INSERT INTO t VALUES (:note)"), {"note": "secret"})

    structlog.get_logger("ours").error("refused", exc_info=caught.value)
    logging.getLogger("theirs").error("refused", exc_info=caught.value)

    lines = [line for line in said.getvalue().splitlines() if "refused" in line]
    assert [json.loads(line)["logger"] for line in lines] == ["ours", "theirs"]
    for line in lines:
        told = json.loads(line)["exception"]
        assert "secret" not in told.split("IntegrityError", 1)[1]
        assert "Failing row" not in told
        assert "test_logs.py" in told
        assert 'new row for relation "t" violates check constraint "t_note_check"' in told
