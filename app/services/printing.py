"""Printing: what the operator hands out on paper, codes made and noted before they are drawn."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.errors import CommandFailed
from app.keys import Keys
from app.models import Organisation, Person, Stele, on_roster
from app.services import audit, invitations, slips, stele_codes, stele_sheets
from app.services.slips import Slip
from app.services.stele_sheets import Sheet
from app.wechat.client import WeChat
from app.wechat.errors import WeChatError


async def invitation_code(
    session: AsyncSession, keys: Keys, person_code: str, *, now: datetime, days: int
) -> str:
    """A new invitation code for somebody on the roster. Raises `CommandFailed`."""
    person = await session.scalar(
        select(Person).where(Person.code == person_code, on_roster(clock.day_of(now)))
    )
    if person is None:
        raise CommandFailed(f"名册上没有这位人员：{person_code}")
    code, _ = await invitations.create(session, keys, person, by=None, now=now, days=days)
    return code


async def invitation_slips(
    sessions: async_sessionmaker[AsyncSession],
    keys: Keys,
    wechat: WeChat | None,
    organisation_code: str,
    *,
    now: datetime,
    days: int,
    only: str | None = None,
    by: Person | None = None,
    reason: str | None = None,
) -> tuple[bytes, int]:
    """A PDF of slips for whoever of the organisation's subtree is not in the chat; how many.

    `only` is the code of the one to be invited. Without `wechat` (no service account yet) they
    bear the code alone. A manager (`by`) is written down. Raises `CommandFailed`.
    """
    async with sessions.begin() as session:
        organisation = await organisation_named(session, organisation_code)
        invited = []
        for person, place in await invitations.awaited(session, organisation, now=now):
            if only is not None and person.code != only:
                continue
            code, scene = await invitations.create(session, keys, person, by=by, now=now, days=days)
            invited.append((person, place, code, scene))
            if by is not None:
                await audit.record(
                    session, by, "invite", f"person:{person.code}", via="web",
                    reason=reason, now=now,
                )  # fmt: skip
    if not invited:
        raise CommandFailed(f"{organisation.name}没有需要邀请的人：名册上的人都已在服务号里。")
    addresses = await _scene_codes(wechat, [scene for *_, scene in invited])
    until = clock.day_of(now + timedelta(days=days))
    drawn = [
        Slip(person.name, place.name, code, address, until)
        for (person, place, code, _), address in zip(invited, addresses, strict=True)
    ]
    return slips.draw(drawn, now=now), len(drawn)


async def stele_code_sheets(
    sessions: async_sessionmaker[AsyncSession],
    keys: Keys,
    wechat: WeChat | None,
    public_url: str,
    *,
    codes: Sequence[str],
    anew: Sequence[str],
    now: datetime,
) -> tuple[bytes, int]:
    """A PDF of a sheet a stele (all of them without `codes`), and how many there are.

    With `wechat` the QR code is the service account's scene, else the stele's page with its token.
    The prints of the steles in `anew` are called in first. Raises `CommandFailed`.
    """
    async with sessions.begin() as session:
        wanted = [*codes, *anew]
        statement = select(Stele).where(Stele.retired_on.is_(None)).order_by(Stele.code)
        if wanted:
            statement = statement.where(Stele.code.in_(wanted))
        steles = (await session.scalars(statement)).all()
        if missing := sorted(set(wanted) - {stele.code for stele in steles}):
            raise CommandFailed(f"没有这些界碑：{'、'.join(missing)}")
        if not steles:
            raise CommandFailed("还没有界碑，请先导入 steles.geojson。")
        for stele in steles:
            if stele.code in anew:
                await stele_codes.new_print(session, stele, by=None, reason=None, now=now)
        keepers = {
            organisation.id: organisation.name
            for organisation in await session.scalars(
                select(Organisation).where(
                    Organisation.id.in_({stele.organisation_id for stele in steles})
                )
            )
        }
        tokens = await stele_codes.tokens(session, keys, steles, now=now)
    if wechat is None:
        contents = [f"{public_url}/s/{stele.code}?t={tokens[stele.id]}" for stele in steles]
        hint = "微信扫一扫，看谁负责、怎样巡河"
    else:
        scenes = [f"{stele_codes.SCENE_PREFIX}{stele.code}" for stele in steles]
        contents = [content or "" for content in await _scene_codes(wechat, scenes)]
        hint = "微信扫一扫，关注后发位置巡河"
    sheets = [
        Sheet(stele.name, stele.code, keepers[stele.organisation_id], content, hint)
        for stele, content in zip(steles, contents, strict=True)
    ]
    return stele_sheets.draw(sheets, now=now), len(sheets)


async def organisation_named(session: AsyncSession, code: str) -> Organisation:
    """The organisation of this code. Raises `CommandFailed`."""
    organisation = await session.scalar(
        select(Organisation).where(Organisation.code == code, Organisation.retired_on.is_(None))
    )
    if organisation is None:
        raise CommandFailed(f"没有这个组织：{code}")
    return organisation


async def _scene_codes(wechat: WeChat | None, scenes: Sequence[str]) -> list[str | None]:
    """What the service account's QR codes for these scenes say, in their order."""
    if wechat is None:
        return [None] * len(scenes)
    try:
        # One after the other: nobody waits for paper by the second.
        return [await wechat.service_account.permanent_code(scene) for scene in scenes]
    except WeChatError as error:
        raise CommandFailed(
            f"微信没有给出二维码（{error.errcode or '连不上'}），请稍后再试。"
        ) from None
