"""A small lake as a dataset, for the tests of import and export."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.dataset.faults import BadDataset
from app.services.dataset.importing import import_folder
from app.services.dataset.summary import Counts, Summary
from app.settings import Settings

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def square(west: float, south: float, size: float = 0.01) -> dict[str, Any]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def line(*points: tuple[float, float]) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": [list(point) for point in points]}


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def geojson(*features: tuple[Mapping[str, Any], Any]) -> str:
    """A feature a line, the first on line 2."""
    rows = [
        json.dumps({"type": "Feature", "properties": dict(properties), "geometry": geometry})
        for properties, geometry in features
    ]
    return '{"type": "FeatureCollection", "features": [\n' + ",\n".join(rows) + "\n]}\n"


LAKE: dict[str, str] = {
    "organisations.csv": """code,name,kind,parent_code,short_name,phone
GWH,示例管委会,committee,,管委会,0871-1234567
HB,示例环保部门,department,GWH,,
CUN,示例村,village,GWH,,
ENT,示例度假村,enterprise,GWH,,
""",
    "people.csv": """code,name,phone,organisation_code,role,party_member,title,public_name,from,to
P1,示例甲,19900000001,GWH,manager,true,主任,,2025-01-01,
P2,示例乙,19900000002,HB,member,true,,,2025-01-01,
P3,示例丙,,ENT,member,false,,,,
""",
    "posts.csv": """code,person_code,kind,organisation_code,area_kind,area_code,deputy_code,from,to
Z1,P1,reach_chief,GWH,reach,R1,P2,2025-01-01,
Z2,P2,grid_worker,,grid_cell,G1-1,,,
Z3,P3,enterprise_chief,ENT,stele,JB-01,,,
Z4,P1,chief,,waterbody,LAKE,,,
""",
    "waterbodies.geojson": geojson(
        ({"code": "LAKE", "name": "示例湖", "kind": "lake"}, square(102.97, 24.88, 0.05)),
        ({"code": "RIVER", "name": "示例河", "kind": "river"}, line((103, 24.9), (103.02, 24.9))),
    ),
    "reaches.geojson": geojson(
        (
            {"code": "R1", "name": "上段", "waterbody_code": "RIVER", "target": "水清岸绿"},
            line((103, 24.9), (103.01, 24.9)),
        ),
    ),
    "grid_cells.geojson": geojson(
        (
            {"code": "G1-1", "name": "内网格", "kind": "sanitation", "parent_code": "G1",
             "organisation_code": "HB", "person_code": "P2"},
            square(103.002, 24.902, 0.002),
        ),
        (
            {"code": "G1", "name": "外网格", "kind": "general", "organisation_code": "GWH"},
            square(103, 24.9),
        ),
    ),
    "steles.geojson": geojson(
        (
            {"code": "JB-01", "name": "一号碑", "reach_code": "R1", "organisation_code": "ENT",
             "radius_m": 80, "placed_on": "2025-03-01"},
            point(103.005, 24.9),
        ),
    ),
    "pairings.csv": "department_code,reach_code,village_code,from,to\nHB,R1,CUN,2025-01-01,\n",
    "letters.csv": """number,organisation_code,person_code,signed_on,starts_on,ends_on,document
ZRS-1,ENT,P3,2026-01-05,2026-01-01,2026-12-31,zrs/one.pdf
""",
    "zrs/one.pdf": "a signed letter",
    "obligations.csv": """code,holder_kind,holder_code,area_kind,area_code,times,period,starts_on,ends_on,months,min_minutes,min_metres,kinds,photo,letter_number
O1,organisation,HB,paired,,6,year,2025-01-01,,,,,,,
O2,person,P2,grid_cell,G1-1,2,month,2025-01-01,2026-12-31,11-3,20,500,"foot,boat",required,
O3,organisation,ENT,stele,JB-01,1,week,2026-01-01,,,,,,,ZRS-1
""",
    "exemptions.csv": """code,holder_kind,holder_code,obligation_code,from,to,kind,reason,approved_by
X1,person,P2,O2,2026-02-01,2026-02-10,leave,住院,P1
""",
    "patrols.csv": """code,person_code,on,area_kind,area_code,kind,note
L1,P2,2025-03-12,reach,R1,foot,未见异常
L2,P1,2025-03-13,any,,,
""",
}  # fmt: skip


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """The folder with these files in it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def without(text: str, *codes: str) -> str:
    """A CSV without the rows that begin with these codes."""
    lines = text.splitlines(keepends=True)
    return "".join(row for row in lines if row.split(",")[0] not in codes)


async def imported(
    session: AsyncSession,
    folder: Path,
    settings: Settings | None = None,
    *,
    now: datetime = NOW,
    **options: Any,
) -> Summary:
    """Import with the documents beside the folder."""
    return await import_folder(
        session,
        folder,
        settings or Settings(_env_file=None),
        documents_dir=documents_of(folder),
        now=now,
        **options,
    )


async def refused(session: AsyncSession, folder: Path, **options: Any) -> list[str]:
    """The lines of the refusal."""
    try:
        summary = await imported(session, folder, **options)
    except BadDataset as error:
        return str(error).splitlines()
    raise AssertionError(summary.lines())


def documents_of(folder: Path) -> Path:
    return folder.parent / "documents"


def counts(summary: Summary) -> dict[str, tuple[int, int, int, int]]:
    """New, changed, unchanged, retired of each file."""
    return {file: _tuple(count) for file, count in summary.files.items()}


def _tuple(count: Counts) -> tuple[int, int, int, int]:
    return count.new, count.changed, count.unchanged, count.retired
