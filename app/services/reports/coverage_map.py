"""Coverage as a map: the report as GeoJSON (RFC 7946), a feature a cell."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.domain import datum as datums
from app.domain.datum import Datum
from app.services.reports.report import Report

MEDIA_TYPE = "application/geo+json"

_DIGITS = 7  # of a degree: a centimetre
_SHAPES: LiteralString = "SELECT code, geometry FROM grid_cells WHERE code = ANY(%(codes)s)"
_OF_A_CELL = ("code", "name", "kind", "kind_name", "organisation", "organisation_name")
_OF_A_MONTH = ("month", "visits", "days", "last_visit_on", "days_since")


async def write(session: AsyncSession, report: Report, *, datum: Datum = Datum.wgs84) -> bytes:
    """The coverage report as a feature collection: how each cell stood last, and its months.

    In WGS-84 as the RFC has it; in GCJ-02 for whoever draws on a Chinese map and says so.
    """
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for row in report.rows:
        cells.setdefault(row["code"], []).append(row)
    (found,) = await at_once(session, (_SHAPES, {"codes": list(cells)}))
    shapes = {row.code: row.geometry for row in found}
    drawn = _drawn([shapes[code] for code in cells], datum)
    asked = report.asked
    return orjson.dumps(
        {
            "type": "FeatureCollection",
            "report": report.definition.report,
            "title": report.definition.title,
            "definition_version": report.definition.version,
            "as_of": asked.as_of,
            "known_at": asked.known_at,
            "from": asked.from_on,
            "to": asked.to_on,
            "datum": datum,
            "totals": report.totals,
            "features": [
                {
                    "type": "Feature",
                    "id": code,
                    "geometry": shape,
                    "properties": _properties(months),
                }
                for (code, months), shape in zip(cells.items(), drawn, strict=True)
            ],
        }
    )


def _properties(months: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = months[-1]
    return {
        **{name: last[name] for name in _OF_A_CELL},
        "visits": sum(month["visits"] for month in months),
        "days": sum(month["days"] for month in months),
        "last_visit_on": last["last_visit_on"],
        "days_since": last["days_since"],
        "months": [{name: month[name] for name in _OF_A_MONTH} for month in months],
    }


def _drawn(wkbs: Sequence[bytes], datum: Datum) -> list[orjson.Fragment]:
    """Geometries with outer rings anticlockwise, as the RFC asks."""
    if not wkbs:
        return []
    import numpy  # noqa: PLC0415  as in domain.geometry
    import shapely  # noqa: PLC0415

    def moved(points: Any) -> Any:
        shifted = datums.array_to_gcj02(points) if datum is Datum.gcj02 else points
        return numpy.round(shifted, _DIGITS)

    shapes: Any = shapely.transform(shapely.from_wkb(wkbs), moved)
    turned = shapely.orient_polygons(shapes, exterior_cw=False)
    return [orjson.Fragment(text) for text in shapely.to_geojson(turned)]
