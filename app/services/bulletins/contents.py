"""What a bulletin says: figures of the reports, compared with other periods, and its texts."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain.bulletin_periods import BulletinPeriod
from app.models import Organisation
from app.services.access import Caller
from app.services.reports import coverage, progress
from app.services.reports.report import Report, ask
from app.settings import Settings

# What of a unit is said: the report's own figures, and `missing` = owed − met, for when a period is
# over all of it was due.
_REPORTED = ("holders", "owed", "done", "met")
FIGURES = (*_REPORTED, "missing")
_COLD_NAMED = 50


async def figures(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    settings: Settings,
    *,
    now: datetime,
) -> dict[str, Any]:
    """The figures of the period, as known now: units in the order of their codes.

    By rate only where the office switched ranking of organisations on; people are in no order, for
    they are not in it at all.
    """
    here = await _progress(session, caller, organisation, period, now=now)
    before = await _progress(session, caller, organisation, period.previous, now=now)
    year_ago = await _progress(session, caller, organisation, period.year_ago, now=now)
    asked = here.asked
    rates = {name: _rates(of) for name, of in (("previous", before), ("year_ago", year_ago))}
    units = [
        {
            "code": row["code"],
            "name": row["name"],
            **_figures(row),
            "rate": row["rate"],
            **{
                f"change_{name}": _change(row["rate"], earlier.get(row["code"]))
                for name, earlier in rates.items()
            },
        }
        for row in here.rows
        if row["owed"] or row["done"]
    ]
    if settings.rank_organisations:
        units.sort(key=lambda unit: (-_or_less(unit["rate"]), unit["code"]))
    places = await coverage.report(session, asked)
    cold = _cold(places)
    return {
        "definitions": [
            {"report": each.report, "version": each.version, "text": each.text}
            for each in (here.definition, places.definition)
        ],
        "as_of": asked.as_of.isoformat(),
        "units": units,
        "totals": {
            **_figures(here.totals),
            "rate": here.totals["rate"],
            "change_previous": _change(here.totals["rate"], before.totals["rate"]),
            "change_year_ago": _change(here.totals["rate"], year_ago.totals["rate"]),
        },
        "short": [
            {"code": unit["code"], "name": unit["name"], "missing": unit["missing"]}
            for unit in units
            if unit["missing"]
        ],
        "coverage": {
            "cells": places.totals["cells"],
            "visited": places.totals["visited"],
            "cold": len(cold),
            "rate": places.totals["coverage"],
            "cold_cells": cold[:_COLD_NAMED],
        },
        "ranked": settings.rank_organisations,
    }


async def _progress(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    period: BulletinPeriod,
    *,
    now: datetime,
) -> Report:
    asked = await ask(
        session,
        caller,
        now=now,
        from_on=period.from_on,
        to_on=period.to_on,
        as_of=as_of(period, now),
        organisation=organisation.code,
    )
    return await progress.report(session, asked)


def as_of(period: BulletinPeriod, now: datetime) -> date:
    """The day about which a bulletin speaks: its last, or today while the period runs."""
    return min(period.to_on, max(clock.day_of(now), period.from_on))


def _figures(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in _REPORTED} | {"missing": row["owed"] - row["met"]}


def _rates(report: Report) -> Mapping[str, float | None]:
    return {row["code"]: row["rate"] for row in report.rows}


def _change(rate: float | None, earlier: float | None) -> float | None:
    """How much more of what was owed was done, in parts of one; null where nothing was owed."""
    return None if rate is None or earlier is None else round(rate - earlier, 6)


def _or_less(rate: float | None) -> float:
    return -1.0 if rate is None else rate


def _cold(places: Report) -> list[dict[str, str]]:
    """The cells that nobody visited in the period."""
    names: dict[str, str] = {}
    visited: set[str] = set()
    for row in places.rows:
        names[row["code"]] = row["name"]
        if row["visits"]:
            visited.add(row["code"])
    return [{"code": code, "name": name} for code, name in names.items() if code not in visited]


def digest(content: Mapping[str, Any]) -> bytes:
    """SHA-256 of the content as JSON in UTF-8 with sorted keys and no spaces."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()
