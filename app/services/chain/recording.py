"""Recording: the application vouches for what it writes, in the transaction that writes it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.models import ChainOrigin
from app.services.chain import signing
from app.services.chain.shapes import CHECK_IN, VERDICT, Shape

Rows = Mapping[Shape, Collection[UUID]]

# The ends of a statement whose `vouched` names events: they are written and wait for their seal.
INSERT: LiteralString = """
    written AS (
      INSERT INTO chain_events
        (record_id, day, encoding, key_version, kind, origin, core, mac, salt)
      SELECT record_id, day, encoding, key_version, kind, origin, core, mac, salt FROM vouched
      RETURNING day, id
    ), waiting AS (
      INSERT INTO unsealed_events (day, event_id) SELECT day, id FROM written
    )
"""
GIVEN: LiteralString = """
    json_to_recordset(%(events)s::json) AS e (record_id uuid, day date, encoding smallint,
      key_version smallint, kind text, origin text, core bytea, mac bytea, salt bytea,
      check_in_id uuid)
"""
_APPEND: LiteralString = f"""
    WITH vouched AS (
      SELECT * FROM {GIVEN}
    ), {INSERT}
    SELECT
"""  # noqa: S608  put together from our own text alone


async def append(
    session: AsyncSession,
    rows: Rows,
    *,
    now: datetime,
    origin: ChainOrigin = ChainOrigin.recorded,
) -> None:
    """Vouch for the rows as they now stand. Call it last in whatever writes or changes them.

    They are read again, so that what is vouched for is what is stored. The rows are locked: this
    transaction wrote them, and events of one row are in the order of its changes.
    """
    rows = {shape: list(ids) for shape, ids in rows.items() if ids}
    if not rows:
        return
    found = await at_once(session, *[(row_of(shape), {"ids": ids}) for shape, ids in rows.items()])
    day = clock.day_of(now)
    events = [
        signing.event(shape, row._asdict(), day, origin)
        for shape, there in zip(rows, found, strict=True)
        for row in there
    ]
    await at_once(session, (_APPEND, {"events": as_json(events)}))


def row_of(shape: Shape, lock: LiteralString = "") -> LiteralString:
    """The statement that reads the chained columns of the rows with these ids."""
    columns = ", ".join((*shape.core, *shape.state))
    return f"SELECT {columns} FROM {shape.table} WHERE id = ANY(%(ids)s) ORDER BY id {lock}"  # noqa: S608


def of_check_ins(
    rows: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The events of check-ins that are about to be inserted, each with its first verdict.

    `check_in_id` says which insertion an event belongs to.
    """
    events = []
    for row, verdict in zip(rows, verdicts, strict=True):
        day = clock.day_of(row["received_at"])
        events.append(_of(CHECK_IN, row, day, row["id"]))
        events.append(_of(VERDICT, verdict, day, row["id"]))
    return events


def _of(shape: Shape, row: Mapping[str, Any], day: date, check_in_id: UUID) -> dict[str, Any]:
    return signing.event(shape, row, day) | {"check_in_id": check_in_id}


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows for json_to_recordset; bytea as PostgreSQL reads it."""
    return orjson.dumps(rows, default=lambda value: f"\\x{value.hex()}").decode()
