"""Judging: from what was said to what is stored, and again when photos arrive later."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.domain import evidence, geometry
from app.domain.evidence import RULES_VERSION, Limits
from app.keys import Keys
from app.models import CheckIn, CheckInVerdict, Source, Verdict, uuid7
from app.services import chain, credits, facts, photo_facts, places, stele_codes
from app.services.facts import Surroundings, Visit
from app.services.new_check_in import NewCheckIn
from app.services.outings import Outing
from app.services.places import Place
from app.services.stele_codes import Standing
from app.settings import Settings


async def rows_of(
    session: AsyncSession,
    ready: Sequence[tuple[NewCheckIn, Outing]],
    named: Mapping[str, Any],
    settings: Settings,
    keys: Keys,
) -> list[dict[str, Any]]:
    """The rows of check_ins for what was said and the outings it joined."""
    points = [(new.lon, new.lat) for new, _ in ready]
    visits = [
        Visit(
            id=new.id,
            person_id=new.person.id,
            patrol_id=outing.patrol_id,
            at=new.at,
            day=clock.day_of(new.at),
            lon=new.lon,
            lat=new.lat,
            raw_lon=new.raw_lon,
            raw_lat=new.raw_lat,
            accuracy_m=new.accuracy_m,
            device=new.device or None,
            picked_on_map=new.source is Source.chat,
        )
        for new, outing in ready
    ]
    apart = settings.evidence.device_shared_s
    about_places = places.questions(points, settings)
    answers = await at_once(session, *about_places, *facts.questions(visits, device_apart_s=apart))
    here = await places.answered(session, points, answers[: len(about_places)], settings)
    around = facts.answered(visits, answers[len(about_places) :], device_apart_s=apart)
    scanned = [
        (named[new.stele_code].id, new.stele_token)
        for new, _ in ready
        if new.stele_code is not None and new.stele_token is not None
    ]
    codes = await stele_codes.check(session, keys, scanned)
    limits = Limits(**settings.evidence.model_dump())
    rows = []
    for (new, outing), place, surroundings in zip(ready, here, around, strict=True):
        stele = named.get(new.stele_code) if new.stele_code is not None else None
        code = (
            codes.get((stele.id, new.stele_token))
            if stele is not None and new.stele_token is not None
            else None
        )
        rows.append(_row(new, outing, place, stele, code, surroundings, limits, settings))
    return rows


def _row(
    new: NewCheckIn,
    outing: Outing,
    place: Place,
    stele: Any,
    code: Standing | None,
    around: Surroundings,
    limits: Limits,
    settings: Settings,
) -> dict[str, Any]:
    nearest = place.steles[0] if place.steles else None
    named = _named(new, stele, code, nearest)
    verdict, findings = evidence.judge(_facts(new, outing, named, around, settings), limits)
    within = named is not None and named.distance_m <= named.radius_m + evidence.allowance_m(
        new.accuracy_m, new.source is Source.chat, limits
    )
    return {
        "id": new.id,
        "person_id": new.person.id,
        "organisation_id": new.person.organisation_id,
        "patrol_id": outing.patrol_id,
        "source": new.source,
        "at": new.at,
        "taken_on": clock.day_of(new.at),
        "received_at": new.received_at,
        "lon": new.lon,
        "lat": new.lat,
        "accuracy_m": new.accuracy_m,
        "datum": new.datum,
        "raw_lon": new.raw_lon,
        "raw_lat": new.raw_lat,
        "grid_cell_id": place.cell.id if place.cell else None,
        "grid_cell_ids": place.cell_ids,
        "reach_id": place.reach.id if place.reach else None,
        "stele_id": stele.id if stele is not None else None,
        "stele_distance_m": round(named.distance_m, 1) if named else None,
        "stele_within": within if named else None,
        "nearest_stele_id": nearest.id if nearest else None,
        "nearest_stele_distance_m": round(nearest.distance_m, 1) if nearest else None,
        "nearest_stele_within": nearest.distance_m <= nearest.radius_m if nearest else None,
        "place": _snapshot(place, stele, named, within, nearest),
        "note": new.note or None,
        "device": new.device or None,
        "photos_expected": new.photos_expected,
        "no_photo_reason": None,
        "verdict": verdict,
        "evidence": [finding.as_dict() for finding in findings],
        "rules_version": RULES_VERSION,
        "reviewed_at": None,
        "withdrawn_at": None,
        "content_digest": new.digest,
    }


def _named(
    new: NewCheckIn, stele: Any, code: Standing | None, nearest: places.SteleHere | None
) -> evidence.NamedStele | None:
    """The stele that the check-in names, seen from where it was made."""
    if stele is None:
        return None
    metres = geometry.distance_m(new.lon, new.lat, stele.lon, stele.lat)
    return evidence.NamedStele(
        distance_m=metres,
        radius_m=stele.radius_m,
        nearest_distance_m=nearest.distance_m if nearest else metres,
        nearest_is_named=nearest is None or nearest.id == stele.id,
        code=code.value if code is not None else None,
    )


def _facts(
    new: NewCheckIn,
    outing: Outing,
    named: evidence.NamedStele | None,
    around: Surroundings,
    settings: Settings,
) -> evidence.Facts:
    """All that the checks look at."""
    return evidence.Facts(
        at=new.at,
        received_at=new.received_at,
        person_id=new.person.id,
        patrol_id=outing.patrol_id,
        lon=new.lon,
        lat=new.lat,
        accuracy_m=new.accuracy_m,
        picked_on_map=new.source is Source.chat,
        in_area_of_interest=facts.is_in_area(settings.area_of_interest, new.lon, new.lat),
        stele=named,
        patrol_times=outing.times,
        neighbours=around.neighbours,
        elsewhere_m=around.elsewhere_m,
        identical_on_days=around.identical_on_days,
        device_shared=around.device_shared,
    )


def _snapshot(
    place: Place,
    stele: Any,
    named: evidence.NamedStele | None,
    within: bool,
    nearest: places.SteleHere | None,
) -> dict[str, Any]:
    """What the answer shows of the place, in the words of the day."""
    shown = None
    if stele is not None and named is not None:
        shown = (stele.code, stele.name, named.distance_m, within)
    elif nearest is not None and nearest.distance_m <= nearest.radius_m:
        # Nobody named a stele, but here one stands.
        shown = (nearest.code, nearest.name, nearest.distance_m, True)
    return {
        "grid_cell": {
            "code": place.cell.code,
            "name": place.cell.name,
            "path": [{"code": code, "name": name} for code, name in place.path],
        }
        if place.cell
        else None,
        "stele": dict(
            zip(
                ("code", "name", "distance_m", "within"),
                (*shown[:2], round(shown[2], 1), shown[3]),
                strict=True,
            )
        )
        if shown
        else None,
        "reach": {
            "code": place.reach.code,
            "name": place.reach.name,
            "distance_m": round(place.reach.distance_m, 1),
        }
        if place.reach
        else None,
    }


async def rejudge(
    session: AsyncSession, check_in_ids: Collection[UUID], settings: Settings, *, now: datetime
) -> None:
    """Look at the photos anew and let the verdict follow; a review outranks it.

    Call it in the transaction in which a photo arrived or its hash was made.
    """
    await credits.hold(session, check_ins=check_in_ids)
    check_ins = (
        await session.scalars(
            select(CheckIn)
            .where(CheckIn.id.in_(check_in_ids))
            .order_by(CheckIn.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).all()
    by_check_in = await photo_facts.facts_of(
        session,
        [check_in.id for check_in in check_ins],
        near_same_bits=settings.evidence.near_same_bits,
    )
    limits = Limits(**settings.evidence.model_dump())
    changed: set[UUID] = set()
    for check_in in check_ins:
        findings = evidence.judge_photos(
            by_check_in.get(check_in.id, ()),
            at=check_in.at,
            person_id=check_in.person_id,
            patrol_id=check_in.patrol_id,
            lon=check_in.lon,
            lat=check_in.lat,
            limits=limits,
        )
        verdict, renewed = evidence.renew(check_in.evidence, findings)
        if renewed != check_in.evidence:
            check_in.evidence = renewed
            changed.add(check_in.id)
        if check_in.reviewed_at is None and check_in.verdict != verdict:
            await conclude(
                session, check_in, Verdict(verdict), now=now, rules_version=RULES_VERSION
            )
            changed.add(check_in.id)
    await chain.append(session, {chain.CHECK_IN: changed}, now=now)
    # Also where the verdict stays: a duty may ask for a photo.
    await credits.judge(session, {check_in.patrol_id for check_in in check_ins}, now=now)


async def conclude(
    session: AsyncSession,
    check_in: CheckIn,
    verdict: Verdict,
    *,
    now: datetime,
    rules_version: int | None = None,
    reviewer_id: UUID | None = None,
    reason: str | None = None,
) -> None:
    """Append the verdict as a fact and revoke the one before; both are vouched for.

    The caller vouches for the check-in, of which there may be more to change.
    """
    revoked = await session.scalars(
        update(CheckInVerdict)
        .where(CheckInVerdict.check_in_id == check_in.id, CheckInVerdict.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(CheckInVerdict.id)
    )
    fact = CheckInVerdict(
        id=uuid7(),
        check_in_id=check_in.id,
        verdict=verdict,
        rules_version=rules_version,
        reviewer_id=reviewer_id,
        reason=reason,
        recorded_at=now,
    )
    session.add(fact)
    check_in.verdict = verdict
    await chain.append(session, {chain.VERDICT: [*revoked, fact.id]}, now=now)
