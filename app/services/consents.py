"""Consents: who agreed that positions, or tracks, are used; the latest answer counts."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.notices import NOTICES
from app.errors import ConsentNeeded, Invalid
from app.models import Consent, NoticeKind, Person, WechatUser


async def record(
    session: AsyncSession,
    wechat_user: WechatUser,
    notice: NoticeKind,
    *,
    agreed: bool,
    now: datetime,
    version: int | None = None,
) -> Consent:
    """Keep the answer of a WeChat user, bound or not; `version` is that of the text they saw.

    Raises `Invalid` for another version than the one in force.
    """
    in_force = NOTICES[notice].version
    if version is not None and version != in_force:
        detail = f"说明已更新，请阅读第 {in_force} 版后再同意"
        raise Invalid(errors=[{"pointer": "/version", "detail": detail}])
    consent = Consent(
        person_id=wechat_user.person_id,
        wechat_user_id=wechat_user.id,
        notice=notice,
        version=in_force,
        agreed=agreed,
        recorded_at=now,
    )
    session.add(consent)
    await session.flush()
    return consent


async def agreed(
    session: AsyncSession, person_ids: Collection[UUID], notice: NoticeKind
) -> set[UUID]:
    """Those of the people whose latest answer is a yes to the text in force."""
    latest = await session.execute(
        select(Consent.person_id, Consent.agreed, Consent.version)
        .where(Consent.person_id.in_(person_ids), Consent.notice == notice)
        .order_by(Consent.person_id, Consent.recorded_at.desc(), Consent.id.desc())
        .ext(distinct_on(Consent.person_id))
    )
    return {
        person_id
        for person_id, yes, version in latest
        if person_id is not None and yes and version == NOTICES[notice].version
    }


def needed(notice: NoticeKind) -> ConsentNeeded:
    """The refusal that carries what has to be read and agreed to first."""
    text = NOTICES[notice]
    return ConsentNeeded(
        notice=notice.value, version=text.version, notice_title=text.title, text=text.text
    )


async def require(session: AsyncSession, person: Person, notice: NoticeKind) -> None:
    """Go on only with the person's consent. Raises `ConsentNeeded` with the notice's text."""
    if not await agreed(session, [person.id], notice):
        raise needed(notice)


async def standing(session: AsyncSession, person: Person) -> Mapping[NoticeKind, Consent]:
    """The person's latest answer to each notice they ever answered."""
    rows = await session.scalars(
        select(Consent)
        .where(Consent.person_id == person.id)
        .order_by(Consent.notice, Consent.recorded_at.desc(), Consent.id.desc())
        .ext(distinct_on(Consent.notice))
    )
    return {consent.notice: consent for consent in rows}


async def carry_over(session: AsyncSession, wechat_user: WechatUser, person: Person) -> None:
    """Let the person have what the WeChat user answered before being bound."""
    await session.execute(
        update(Consent)
        .where(Consent.wechat_user_id == wechat_user.id, Consent.person_id.is_(None))
        .values(person_id=person.id)
    )


async def withdraw_given_by(session: AsyncSession, wechat_user: WechatUser, person: Person) -> None:
    """Take back what this WeChat user agreed to in the person's name.

    Used when the two are parted: perhaps it never was this person who agreed. It is dated like the
    answer that it undoes, so that whatever the right one answered since, or will answer, counts.
    """
    for notice, consent in (await standing(session, person)).items():
        if consent.agreed and consent.wechat_user_id == wechat_user.id:
            session.add(
                Consent(
                    person_id=person.id,
                    notice=notice,
                    version=consent.version,
                    agreed=False,
                    recorded_at=consent.recorded_at,
                )
            )
    await session.flush()
