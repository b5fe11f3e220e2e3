"""The product's records read as a world of the reference for visits: every row as it stands."""

from collections import defaultdict
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import models
from tests.reference import visits as reference
from tests.reference.visits import World


async def read(session: AsyncSession) -> World:
    """All of it, by the codes of places, people and organisations."""
    code: dict[UUID | None, str] = {}
    for model in (models.Organisation, models.Person, models.Reach, models.GridCell, models.Stele):
        code |= {row.id: row.code for row in await _all(session, model)}
    verdicts = defaultdict(list)
    for row in await _all(session, models.CheckInVerdict):
        verdicts[row.check_in_id].append(
            reference.Fact(row.verdict.value, row.recorded_at, row.revoked_at)
        )
    check_ins = defaultdict(list)
    for row in await _all(session, models.CheckIn):
        check_ins[row.patrol_id].append(_check_in(row, code, verdicts[row.id]))
    along = defaultdict(list)
    for row in await _all(session, models.Companion):
        along[row.patrol_id].append(
            reference.Walker(
                code[row.person_id],
                code[row.organisation_id],
                row.added_at,
                [each for each in (row.removed_at, row.declined_at) if each is not None],
            )
        )
    stood = defaultdict(list)
    for row in await _all(session, models.EarlierVersion):
        if row.subject == "patrols":
            retired_on = row.content["retired_on"]
            stood[row.row_id].append(
                reference.Stood(
                    row.content["state"] == "finished",
                    retired_on and date.fromisoformat(retired_on),
                    row.superseded_at,
                )
            )
    return World(
        cells=[
            reference.Cell(
                row.code, code[row.organisation_id], code.get(row.parent_id), row.retired_on
            )
            for row in await _all(session, models.GridCell)
        ],
        patrols=[
            reference.Patrol(
                id=str(row.id),
                walkers=[
                    reference.Walker(
                        code[row.person_id], code[row.organisation_id], row.received_at
                    ),
                    *along[row.id],
                ],
                is_finished=row.state == "finished",
                is_paper=row.origin == "paper",
                started_at=row.started_at,
                received_at=row.received_at,
                metres=row.distance_m,
                seconds=row.duration_s,
                check_ins=check_ins[row.id],
                reach=code.get(row.reach_id),
                cell=code.get(row.grid_cell_id),
                stele=code.get(row.stele_id),
                retired_on=row.retired_on,
                stood=stood[row.id],
            )
            for row in await _all(session, models.Patrol)
        ],
        organisation_of_stele={
            row.code: code[row.organisation_id] for row in await _all(session, models.Stele)
        },
        reminders=await _reminders(session, code),
        credits=await _credits(session),
    )


def _check_in(
    row: Any, code: dict[UUID | None, str], verdicts: list[reference.Fact]
) -> reference.CheckIn:
    stele = row.nearest_stele_id if row.nearest_stele_within else None
    if row.stele_id is not None:
        stele = row.stele_id if row.stele_within else None
    return reference.CheckIn(
        id=str(row.id),
        at=row.at,
        received_at=row.received_at,
        cells=[code[id_] for id_ in row.grid_cell_ids],
        reach=code.get(row.reach_id),
        stele=code.get(stele),
        verdicts=verdicts,
        withdrawn_at=row.withdrawn_at,
    )


async def _reminders(
    session: AsyncSession, code: dict[UUID | None, str]
) -> list[reference.Reminder]:
    homes = {row.id: code[row.organisation_id] for row in await _all(session, models.Person)}
    duties = {row.id: row for row in await _all(session, models.Obligation)}
    items = defaultdict(list)
    for row in await _all(session, models.ReminderItem):
        duty = duties[row.obligation_id]
        target = row.slice if row.kind == "due_soon" else row.done + row.behind
        items[row.reminder_id].append(
            reference.Item(duty.code, duty.period.value, row.window_from, target)
        )
    attempts = defaultdict(list)
    for row in await _all(session, models.Delivery):
        attempts[row.reminder_id].append(row.answered_at)
    return [
        reference.Reminder(
            id=str(row.id),
            organisation=homes[row.person_id],
            kind=row.kind.value,
            day=row.day,
            planned_at=row.planned_at,
            state=row.state.value,
            reason=row.reason,
            sent_at=row.sent_at,
            attempts=attempts[row.id],
            items=items[row.id],
        )
        for row in await _all(session, models.Reminder)
    ]


async def _credits(session: AsyncSession) -> dict[str, list[reference.Fact]]:
    codes = {row.id: row.code for row in await _all(session, models.Obligation)}
    found = defaultdict(list)
    for row in await _all(session, models.Credit):
        if not row.pending:
            found[codes[row.obligation_id]].append(
                reference.Fact(row.counted_on, row.recorded_at, row.revoked_at)
            )
    return found


async def _all(session: AsyncSession, model: Any) -> list[Any]:
    rows = await session.scalars(select(model).execution_options(populate_existing=True))
    return list(rows)
