"""The book of bulletins: find, draft, edit and sign them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import clock
from app.domain import bulletin_periods
from app.domain.bulletin_periods import BulletinPeriod
from app.errors import Forbidden, Invalid, NotFound, StaleVersion, WrongState
from app.models import (
    Bulletin,
    BulletinFile,
    BulletinState,
    DocumentKind,
    Organisation,
    Person,
    Role,
)
from app.services import access, audit
from app.services.access import Caller
from app.services.bulletins import contents, corrections, documents
from app.settings import Settings

OPENING = "现将{period}巡河履职情况通报如下。"
CLOSING = "请未完成的单位及时补齐，有困难的请与河长办联系。"
_MOST_CHARACTERS = 4000
_MOST_REMARK = 300


@dataclass(frozen=True, slots=True)
class Texts:
    """What people write: paragraphs before and after the figures, a remark a unit by its code."""

    opening: str
    closing: str
    remarks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A bulletin as it stands: `bulletin` is null while nobody has drafted it."""

    period: BulletinPeriod
    organisation: Organisation
    bulletin: Bulletin | None
    content: Mapping[str, Any]

    @property
    def is_final(self) -> bool:
        """Whether it was signed."""
        return self.bulletin is not None and self.bulletin.state is BulletinState.final


def period_of(code: str) -> BulletinPeriod:
    """The period of this code. Raises `NotFound`."""
    period = bulletin_periods.read(code)
    if period is None:
        raise NotFound("没有这一期，期号应写成 2026-06 或 2026-Q2。")
    return period


async def office_of(session: AsyncSession, caller: Caller, code: str | None) -> Organisation:
    """Whose bulletin is meant: the organisation of this code, else the one that the caller manages.

    For admins that is the top of their tree. Raises `NotFound` outside of what the caller may see.
    """
    if code is not None:
        await access.within(session, caller, code)
        found = await session.scalar(select(Organisation).where(Organisation.code == code))
        if found is None:
            raise NotFound("没有找到这个组织。")
        return found
    if caller.api_key is not None:
        return await session.get_one(Organisation, caller.api_key.organisation_id)
    organisation = await access.organisation_of(session, access.person_of(caller))
    while caller.person is not None and caller.person.role is Role.admin and organisation.parent_id:
        organisation = await session.get_one(Organisation, organisation.parent_id)
    return organisation


async def listed(
    session: AsyncSession, caller: Caller, organisation: Organisation
) -> Sequence[tuple[Bulletin, str | None]]:
    """The bulletins of an organisation, newest first, with who signed; programs see signed ones."""
    signer = aliased(Person)
    statement = (
        select(Bulletin, signer.name)
        .outerjoin(signer, signer.id == Bulletin.signed_by_id)
        .where(Bulletin.organisation_id == organisation.id)
        .order_by(Bulletin.drafted_at.desc(), Bulletin.id.desc())
    )
    if caller.api_key is not None:
        statement = statement.where(Bulletin.state == BulletinState.final)
    return [(bulletin, name) for bulletin, name in await session.execute(statement)]


async def find(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    settings: Settings,
    *,
    now: datetime,
) -> Shown:
    """A bulletin as it stands: the signed one as it was, else today's figures with what is written.

    Programs see the texts of signed ones only. Raises `NotFound` before the period has begun.
    """
    bulletin = await _bulletin(session, organisation, period)
    if bulletin is not None and bulletin.state is BulletinState.final:
        assert bulletin.content is not None  # noqa: S101  the table sees to that
        return Shown(period, organisation, bulletin, bulletin.content)
    _require_begun(period, now)
    seen = bulletin if caller.api_key is None else None
    texts = _texts_of(seen) if seen is not None else Texts("", "", {})
    content = await _content(session, caller, organisation, period, texts, settings, now=now)
    state = "draft" if seen is not None else "preview"
    return Shown(period, organisation, seen, content | {"state": state})


async def draft(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    *,
    now: datetime,
) -> Bulletin:
    """Begin a bulletin, if nobody has; the one there is. Raises as `find`, `_require_office`."""
    person = await _require_office(session, caller, organisation)
    _require_begun(period, now)
    there = await _bulletin(session, organisation, period, lock=True)
    if there is not None:
        return there
    bulletin = Bulletin(
        organisation_id=organisation.id,
        period=period.code,
        state=BulletinState.draft,
        version=1,
        opening=OPENING.format(period=period.title),
        closing=CLOSING,
        remarks={},
        drafted_at=now,
        drafted_by_id=person.id,
        edited_at=now,
    )
    session.add(bulletin)
    await audit.record(
        session, person, "create", _subject(organisation, period), via="web", now=now
    )
    return bulletin


async def edit(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    texts: Texts,
    *,
    version: int,
    now: datetime,
) -> Bulletin:
    """Write the texts of a draft.

    Raises `StaleVersion` when somebody else wrote since `version`, `WrongState` for a signed one,
    `Invalid` for texts that are too long, `NotFound`, `Forbidden`.
    """
    person = await _require_office(session, caller, organisation)
    bulletin = await _draft_of(session, organisation, period, version)
    _require_short(texts)
    before = _said(_texts_of(bulletin))
    bulletin.opening, bulletin.closing = texts.opening, texts.closing
    bulletin.remarks = {code: remark for code, remark in texts.remarks.items() if remark}
    after = _said(_texts_of(bulletin))
    if after != before:
        bulletin.version += 1
        bulletin.edited_at = now
        await audit.record(
            session, person, "edit", _subject(organisation, period), via="web",
            before=before, after=after, now=now,
        )  # fmt: skip
    await session.flush()
    return bulletin


async def sign(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    settings: Settings,
    *,
    version: int,
    now: datetime,
) -> Bulletin:
    """Make a draft final: its figures as known now, its texts, its documents, for good.

    Raises as `edit`, and `WrongState` before the period is over.
    """
    person = await _require_office(session, caller, organisation)
    bulletin = await _draft_of(session, organisation, period, version)
    if clock.day_of(now) <= period.to_on:
        raise WrongState(f"{period.title}还没有结束，结束后才能定稿。")
    texts = _texts_of(bulletin)
    content = await _content(session, caller, organisation, period, texts, settings, now=now)
    content["signed_by"] = {"code": person.code, "name": person.name, "title": person.title}
    content["state"] = "final"
    bulletin.state, bulletin.content, bulletin.known_at = BulletinState.final, content, now
    bulletin.digest, bulletin.signed_by_id = contents.digest(content), person.id
    for kind in DocumentKind:
        written = await documents.written(session, organisation, content, kind)
        session.add(
            BulletinFile(
                bulletin_id=bulletin.id,
                kind=kind,
                content=written,
                sha256=documents.sha256(written),
            )
        )
    await audit.record(
        session, person, "sign", _subject(organisation, period), via="web",
        after={"digest": bulletin.digest.hex(), "known_at": content["known_at"]}, now=now,
    )  # fmt: skip
    return bulletin


async def document(session: AsyncSession, shown: Shown, kind: DocumentKind) -> bytes:
    """The bulletin as a document: of a signed one always the same bytes."""
    if shown.is_final and shown.bulletin is not None:
        kept = await session.get_one(BulletinFile, (shown.bulletin.id, kind))
        return kept.content
    return await documents.written(session, shown.organisation, shown.content, kind)


async def _content(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    texts: Texts,
    settings: Settings,
    *,
    now: datetime,
) -> dict[str, Any]:
    said = await contents.figures(session, caller, organisation, period, settings, now=now)
    for unit in said["units"]:
        unit["remark"] = texts.remarks.get(unit["code"], "")
    kind = "季通报" if period.is_quarter else "月通报"
    return {
        "period": period.code,
        "title": f"{organisation.name}{period.title}巡河{kind}",
        "organisation": {"code": organisation.code, "name": organisation.name},
        "from": period.from_on.isoformat(),
        "to": period.to_on.isoformat(),
        "known_at": now.astimezone(clock.LAKE).isoformat(),
        "opening": texts.opening,
        "closing": texts.closing,
        **said,
        "corrections": await _corrections(session, caller, organisation, period, settings, now=now),
    }


async def _corrections(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    settings: Settings,
    *,
    now: datetime,
) -> Sequence[dict[str, Any]]:
    """What the signed one of the period before would say today."""
    before = await _bulletin(session, organisation, period.previous)
    if before is None or before.content is None:
        return []
    today = await contents.figures(
        session, caller, organisation, period.previous, settings, now=now
    )
    return corrections.between(period.previous.code, before.content, today)


async def _bulletin(
    session: AsyncSession, organisation: Organisation, period: BulletinPeriod, *, lock: bool = False
) -> Bulletin | None:
    statement = select(Bulletin).where(
        Bulletin.organisation_id == organisation.id, Bulletin.period == period.code
    )
    if lock:
        # Two who begin the same one at once: the second waits here, and finds it.
        await session.execute(
            select(Organisation.id).where(Organisation.id == organisation.id).with_for_update()
        )
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def _draft_of(
    session: AsyncSession, organisation: Organisation, period: BulletinPeriod, version: int
) -> Bulletin:
    bulletin = await _bulletin(session, organisation, period, lock=True)
    if bulletin is None:
        raise NotFound("这一期还没有起草。")
    if bulletin.state is BulletinState.final:
        raise WrongState("这一期已经定稿，不能再改；有出入的数会列在下一期的更正里。")
    if bulletin.version != version:
        raise StaleVersion
    return bulletin


async def _require_office(
    session: AsyncSession, caller: Caller, organisation: Organisation
) -> Person:
    """The manager who may write it. Raises `Forbidden`."""
    person = access.person_of(caller)
    if not caller.is_manager or not await access.manages(session, caller, organisation.id):
        raise Forbidden
    return person


def _require_begun(period: BulletinPeriod, now: datetime) -> None:
    if period.from_on > clock.day_of(now):
        raise NotFound(f"{period.title}还没有开始。")


def _require_short(texts: Texts) -> None:
    faults = [
        {"pointer": pointer, "detail": f"太长，最多 {_MOST_CHARACTERS} 个字"}
        for pointer, said in (("/opening", texts.opening), ("/closing", texts.closing))
        if len(said) > _MOST_CHARACTERS
    ]
    faults += [
        {"pointer": f"/remarks/{code}", "detail": f"太长，最多 {_MOST_REMARK} 个字"}
        for code, remark in texts.remarks.items()
        if len(remark) > _MOST_REMARK
    ]
    if faults:
        raise Invalid(errors=faults)


def _texts_of(bulletin: Bulletin) -> Texts:
    return Texts(bulletin.opening, bulletin.closing, bulletin.remarks)


def _said(texts: Texts) -> dict[str, Any]:
    return {"opening": texts.opening, "closing": texts.closing, "remarks": dict(texts.remarks)}


def _subject(organisation: Organisation, period: BulletinPeriod) -> str:
    return f"bulletin:{organisation.code}/{period.code}"
