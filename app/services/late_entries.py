"""Late entries: patrols that a manager enters from paper, and that count once another accepts."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, queue
from app.errors import Conflict, Forbidden, Invalid, NotFound, PhotoMissing, WrongState
from app.models import (
    Image,
    LateEntry,
    LateEntryState,
    Membership,
    Patrol,
    PatrolOrigin,
    PatrolState,
    Person,
    uuid7,
)
from app.services import (
    access,
    audit,
    credits,
    edits,
    images,
    late_entry_lists,
    messages,
    photos,
)
from app.services.access import Caller
from app.services.dataset import editing
from app.services.photos import Size, View
from app.storage import Store

_MOST_CHARACTERS = 40
_AREA = ("area_kind", "reach_id", "grid_cell_id", "stele_id")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What the paper says, by the columns of patrols.csv, how long and how far, and why so late."""

    id: UUID
    said: editing.Said
    minutes: int | None
    metres: int | None
    reason: str

    @property
    def digest(self) -> bytes:
        """The same for the same content."""
        said = [dict(self.said), self.minutes, self.metres, self.reason]
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


async def enter(
    session: AsyncSession, caller: Caller, new: NewEntry, *, now: datetime
) -> tuple[LateEntry, bool]:
    """The entry as it now stands, and whether it is new; nothing counts yet.

    Raises `Conflict` for an id that stands for something else, `Invalid`, and `UnknownCode` (also
    for people whom the caller does not manage).
    """
    manager = access.person_of(caller)
    there = await session.get(LateEntry, new.id)
    if there is None:
        # A file's rows have codes; the patrol gets its own when there is one.
        said = {**new.said, "code": new.id.hex}
        draft = await editing.draft(session, "patrols", said, id_=new.id, now=now)
        await edits.require_inside(session, caller, draft)
        of = draft.attributes
        if await _organisation_then(session, of["person_id"], of["started_on"]) is None:
            detail = f"{of['started_on']} 这一天该人员不在名册上"
            raise Invalid(errors=[{"pointer": "/on", "detail": detail}])
        entry = LateEntry(
            id=new.id,
            person_id=of["person_id"],
            walked_on=of["started_on"],
            kind=of["kind"],
            note=of["note"],
            minutes=new.minutes,
            metres=new.metres,
            reason=new.reason,
            state=LateEntryState.entered,
            entered_by_id=manager.id,
            entered_at=now,
            content_digest=new.digest,
            **{name: of[name] for name in _AREA},
        )
        try:
            async with session.begin_nested():
                session.add(entry)
        except IntegrityError:
            there = await session.get(LateEntry, new.id, populate_existing=True)
        else:
            after = {**new.said, "minutes": new.minutes, "metres": new.metres}
            await _audit(session, manager, "enter", entry, None, after, new.reason, now)
            return entry, True
    if there is None or (there.entered_by_id, there.content_digest) != (manager.id, new.digest):
        raise Conflict
    return there, False


async def require_own(session: AsyncSession, caller: Caller, id_: UUID) -> None:
    """Whether the caller may add the photo: whoever entered it.

    Raises `NotFound`, and `Forbidden` for others who see it.
    """
    shown = await late_entry_lists.find(session, caller, id_)
    if shown.entry.entered_by_id != access.person_of(caller).id:
        raise Forbidden("只有录入的人可以上传这条补录的照片。")


async def attach(
    session: AsyncSession, store: Store, caller: Caller, id_: UUID, content: bytes, *, now: datetime
) -> bool:
    """Keep the photo of the paper; whether it is new. There is one, and it is not exchanged.

    Raises as `require_own` and `images.keep`, `Conflict` when there is another photo, and
    `WrongState` once the entry is decided.
    """
    image = await images.keep(session, store, content, now=now)
    await require_own(session, caller, id_)
    entry = await _locked(session, id_)
    if entry.image_sha256 == image.sha256:
        return False
    if entry.state is not LateEntryState.entered:
        raise WrongState("这条补录已经处理过了。")
    if entry.image_sha256 is not None:
        raise Conflict("这条补录已有照片，如传错了请另录一条。")
    entry.image_sha256 = image.sha256
    await queue.defer(session, "make_renditions", sha256=image.sha256.hex())
    after = {"photo": image.sha256.hex()}
    await _audit(session, access.person_of(caller), "attach", entry, None, after, None, now)
    return True


async def look_at(session: AsyncSession, caller: Caller, id_: UUID, size: Size) -> View:
    """The photo of the paper, for people who see the entry. Raises as `photos.view_of`."""
    access.person_of(caller)
    shown = await late_entry_lists.find(session, caller, id_)
    if shown.entry.image_sha256 is None:
        raise NotFound("这条补录还没有照片。")
    image = await session.get_one(Image, shown.entry.image_sha256)
    return photos.view_of(image, size, name=str(id_))


async def decide(
    session: AsyncSession,
    caller: Caller,
    id_: UUID,
    verdict: LateEntryState,
    *,
    reason: str,
    now: datetime,
) -> None:
    """Accept, and it becomes a patrol that counts at once; or decline. The walker is told.

    Saying the same again changes nothing. Raises `NotFound`, `Forbidden` for whoever entered or
    walked it, `PhotoMissing`, `WrongState` when it was decided otherwise or by somebody else.
    """
    await credits.hold(session)
    await _require_managed(session, caller, id_)
    entry, manager = await _locked(session, id_), access.person_of(caller)
    if manager.id in (entry.entered_by_id, entry.person_id):
        raise Forbidden("补录要由录入人和巡河人以外的管理人员审核。")
    if entry.state is not LateEntryState.entered:
        if (entry.state, entry.decided_by_id) == (verdict, manager.id):
            return
        raise WrongState("这条补录已经处理过了。")
    if verdict is LateEntryState.accepted:
        if entry.image_sha256 is None:
            raise PhotoMissing
        patrol = await _patrol(session, entry, now)
        entry.patrol_id = patrol.id
    before, entry.state = entry.state, verdict
    entry.decided_by_id, entry.decided_at, entry.decision_reason = manager.id, now, reason
    await session.flush()
    if entry.patrol_id is not None:
        await credits.judge(session, [entry.patrol_id], now=now)
    patrol_id = str(entry.patrol_id) if entry.patrol_id else None
    after = {"state": verdict, "patrol_id": patrol_id}
    await _audit(session, manager, "decide", entry, {"state": before}, after, reason, now)
    await _tell(session, entry, reason, now)


async def _patrol(session: AsyncSession, entry: LateEntry, now: datetime) -> Patrol:
    """The patrol that was walked, at noon: paper knows no hour."""
    organisation_id = await _organisation_then(session, entry.person_id, entry.walked_on)
    if organisation_id is None:
        raise WrongState("名册已经变动，该人员那一天不在名册上，不能接受。")
    at = datetime.combine(entry.walked_on, time(12), clock.LAKE)
    patrol = Patrol(
        id=uuid7(),
        code=f"LATE-{entry.id.hex}",
        person_id=entry.person_id,
        organisation_id=organisation_id,
        kind=entry.kind,
        state=PatrolState.finished,
        origin=PatrolOrigin.paper,
        started_at=at,
        started_on=entry.walked_on,
        finished_at=at + timedelta(minutes=entry.minutes or 0),
        note=entry.note,
        distance_m=float(entry.metres or 0),
        duration_s=entry.minutes * 60 if entry.minutes is not None else None,
        received_at=now,
        **{name: getattr(entry, name) for name in _AREA},
    )
    session.add(patrol)
    await session.flush()
    return patrol


async def _organisation_then(session: AsyncSession, person_id: UUID, day: date) -> UUID | None:
    """The organisation that the person was in on that day; none when not on the roster."""
    return await session.scalar(
        select(Membership.organisation_id)
        .join(Person, Person.id == Membership.person_id)
        .where(
            Person.id == person_id,
            edits.not_retired(Person, day),
            Membership.revoked_at.is_(None),
            or_(Membership.from_on.is_(None), Membership.from_on <= day),
            or_(Membership.to_on.is_(None), Membership.to_on >= day),
        )
        .order_by(Membership.from_on.desc().nulls_last(), Membership.id.desc())
        .limit(1)
    )


async def _require_managed(session: AsyncSession, caller: Caller, id_: UUID) -> None:
    scope = await access.scope_of(session, caller)
    theirs = edits.people_inside(scope, LateEntry.person_id)
    if await session.scalar(select(LateEntry.id).where(LateEntry.id == id_, theirs)) is None:
        raise NotFound("没有找到这条补录。")


async def _locked(session: AsyncSession, id_: UUID) -> LateEntry:
    """One decision after the other: the second finds what the first has said."""
    return await session.get_one(LateEntry, id_, with_for_update=True, populate_existing=True)


async def _audit(
    session: AsyncSession,
    actor: Person,
    action: str,
    entry: LateEntry,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    reason: str | None,
    now: datetime,
) -> None:
    plain = {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in after.items()
    }
    await audit.record(
        session, actor, action, f"late_entry:{entry.id}",
        now=now, before=before, after=plain, reason=reason,
    )  # fmt: skip


async def _tell(session: AsyncSession, entry: LateEntry, reason: str, now: datetime) -> None:
    day = f"{entry.walked_on.month}月{entry.walked_on.day}日"
    news = "已补录" if entry.state is LateEntryState.accepted else "补录没有通过"
    short = reason if len(reason) <= _MOST_CHARACTERS else f"{reason[: _MOST_CHARACTERS - 1]}…"
    await messages.tell(
        session,
        person_id=entry.person_id,
        kind="late_entry",
        subject=f"late_entry:{entry.id}",
        text=f"您{day}的纸质巡河记录{news}：{short}",
        now=now,
    )
