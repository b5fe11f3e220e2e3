"""An offline queue in one request: each operation as if it had come alone."""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Busy, Invalid, Unexpected, XunheError
from app.keys import Keys
from app.models import NoticeKind, Person
from app.routers import check_ins as check_in_routes
from app.routers import patrols as patrol_routes
from app.routers.deps import AppKeys, AppSettings, Me, Now, Session
from app.routers.problems import body_of, explain_fields
from app.schemas.check_ins import NewCheckIn
from app.schemas.fields import Strict
from app.schemas.patrols import NewFinish, NewPatrol, NewPoints
from app.schemas.sync import Queue, Result, Results
from app.services import check_ins, consents, patrols, tracks
from app.services.check_in_lists import Recorded
from app.settings import Settings

router = APIRouter(prefix="/api/v1/sync", tags=["sync"])

log = structlog.get_logger(__name__)


class _Envelope(Strict):
    op: Literal["put_patrol", "put_check_in", "append_track", "finish_patrol"]
    id: UUID
    body: dict[str, Any]


_BODIES: dict[str, type[Strict]] = {
    "put_patrol": NewPatrol,
    "put_check_in": NewCheckIn,
    "append_track": NewPoints,
    "finish_patrol": NewFinish,
}


@dataclass(frozen=True, slots=True)
class _Operation:
    n: int
    id: UUID
    body: Any


@dataclass(frozen=True, slots=True)
class _Phone:
    """Whose queue it is, and what carrying it out needs."""

    session: AsyncSession
    me: Person
    now: datetime
    settings: Settings
    keys: Keys


@router.post("")
async def sync(
    queue: Queue, session: Session, me: Me, now: Now, settings: AppSettings, keys: AppKeys
) -> Results:
    """Carry out all operations: patrols first, then tracks, check-ins and finishes.

    Check-ins and finishes in the order in which they happened: what was recorded after a patrol
    ended is none of it, however the queue is sorted.
    """
    phone = _Phone(session, me, now, settings, keys)
    outcomes: dict[int, int | XunheError] = {}
    by_op: dict[str, list[_Operation]] = {op: [] for op in _BODIES}
    for n, raw in enumerate(queue.operations):
        try:
            op, operation = _read(n, raw)
        except XunheError as refusal:
            outcomes[n] = refusal
        else:
            by_op[op].append(operation)
    for operation in by_op["put_patrol"]:
        outcomes[operation.n] = await _alone(session, _start, phone, operation)
    for operation in by_op["append_track"]:
        outcomes[operation.n] = await _alone(session, _append, phone, operation)
    visits = sorted(by_op["put_check_in"], key=_happened_at)
    for finish in sorted(by_op["finish_patrol"], key=_happened_at):
        before = bisect_right(visits, _happened_at(finish), key=_happened_at)
        outcomes |= await _record(phone, visits[:before])
        del visits[:before]
        outcomes[finish.n] = await _alone(session, _finish, phone, finish)
    outcomes |= await _record(phone, visits)
    return Results(results=[_result(raw, outcomes[n]) for n, raw in enumerate(queue.operations)])


def _read(n: int, raw: Any) -> tuple[str, _Operation]:
    try:
        envelope = _Envelope.model_validate(raw)
    except ValidationError as error:
        raise Invalid(errors=explain_fields(error.errors(), ())) from None
    try:
        body = _BODIES[envelope.op].model_validate(envelope.body)
    except ValidationError as error:
        raise Invalid(errors=explain_fields(error.errors(), ("body",))) from None
    return envelope.op, _Operation(n, envelope.id, body)


def _happened_at(operation: _Operation) -> datetime:
    """When a check-in or a finish was, by the phone's clock."""
    body: NewCheckIn | NewFinish = operation.body
    return body.at if isinstance(body, NewCheckIn) else body.finished_at


def _result(raw: Any, outcome: int | XunheError) -> Result:
    told = raw if isinstance(raw, dict) else {}
    return Result(
        id=_text(told.get("id")),
        op=_text(told.get("op")),
        status=outcome.status if isinstance(outcome, XunheError) else outcome,
        problem=body_of(outcome) if isinstance(outcome, XunheError) else None,
    )


def _text(value: Any) -> str | None:
    """What was sent, if it can be sent back: half a surrogate pair cannot."""
    return value if isinstance(value, str) and value.isprintable() else None


async def _alone(
    session: AsyncSession,
    carry_out: Callable[[_Phone, _Operation], Awaitable[int]],
    phone: _Phone,
    operation: _Operation,
) -> int | XunheError:
    """In a savepoint, so that its failure undoes itself and nothing else."""
    try:
        async with session.begin_nested():
            return await carry_out(phone, operation)
    except XunheError as refusal:
        return refusal
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        if isinstance(error, OperationalError):
            # In the way of somebody else's transaction: what we hold since our savepoint is free.
            return Busy(retry_after=2)
        log.error("operation failed", error=type(error).__name__)
        return Unexpected()


async def _start(phone: _Phone, operation: _Operation) -> int:
    new = patrol_routes.said(operation.id, operation.body)
    _, created = await patrols.start(phone.session, phone.me, new, now=phone.now)
    return 201 if created else 200


async def _append(phone: _Phone, operation: _Operation) -> int:
    points = patrol_routes.points_of(operation.body)
    await tracks.append(phone.session, phone.me, operation.id, points, now=phone.now)
    return 200


async def _finish(phone: _Phone, operation: _Operation) -> int:
    body: NewFinish = operation.body
    await patrols.finish(
        phone.session,
        phone.me,
        operation.id,
        finished_at=body.finished_at,
        findings=body.findings,
        note=body.note,
        now=phone.now,
    )
    return 200


async def _record(phone: _Phone, operations: Sequence[_Operation]) -> dict[int, int | XunheError]:
    """All check-ins in one go; one by one if that fails."""
    if not operations:
        return {}
    if not await consents.agreed(phone.session, [phone.me.id], NoticeKind.position):
        return {operation.n: consents.needed(NoticeKind.position) for operation in operations}
    try:
        async with phone.session.begin_nested():
            recorded = await _record_many(phone, operations)
    except DBAPIError as error:
        if error.connection_invalidated or len(operations) == 1:
            raise
        alone = {}
        for operation in operations:
            alone[operation.n] = await _alone(phone.session, _record_one, phone, operation)
        return alone
    return {
        operation.n: each if isinstance(each, XunheError) else _status(each)
        for operation, each in zip(operations, recorded, strict=True)
    }


async def _record_many(
    phone: _Phone, operations: Sequence[_Operation]
) -> list[Recorded | XunheError]:
    news = [
        check_in_routes.said(operation.id, operation.body, phone.me, phone.now)
        for operation in operations
    ]
    return await check_ins.record_many(phone.session, news, phone.settings, phone.keys)


async def _record_one(phone: _Phone, operation: _Operation) -> int:
    (recorded,) = await _record_many(phone, [operation])
    if isinstance(recorded, XunheError):
        raise recorded
    return _status(recorded)


def _status(recorded: Recorded) -> int:
    return 201 if recorded.created else 200
