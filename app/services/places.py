"""Where is this: covering grid cells, steles by distance and the reach of a point.

The index lives in the database (GiST on bounding boxes); only the one to three candidates a point
has are tested exactly, here, with shapely.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Question, at_once
from app.domain import geometry
from app.settings import Settings

if TYPE_CHECKING:  # loaded by `geometry` when it calculates
    from shapely.geometry.base import BaseGeometry

_MOST_STELES = 20
_MOST_GEOMETRIES = 4096

_CELLS = """
    SELECT p.n, c.id, c.code, c.name, c.kind, c.parent_id, c.lineage, c.area_m2, c.geometry_digest
    FROM unnest(CAST(%(lon)s AS float8[]), CAST(%(lat)s AS float8[]))
      WITH ORDINALITY AS p (lon, lat, n)
    JOIN grid_cells c
      ON c.bounds @> box(point(p.lon, p.lat), point(p.lon, p.lat)) AND c.retired_on IS NULL
"""

_STELES = """
    SELECT p.n, s.id, s.code, s.name, s.short_name, s.lon, s.lat, s.radius_m,
      p.lon AS from_lon, p.lat AS from_lat
    FROM unnest(CAST(%(lon)s AS float8[]), CAST(%(lat)s AS float8[]), CAST(%(around)s AS text[]))
      WITH ORDINALITY AS p (lon, lat, around, n)
    CROSS JOIN LATERAL (
      SELECT * FROM steles s
      WHERE s.bounds <@ CAST(p.around AS box) AND s.retired_on IS NULL
      ORDER BY ((s.lon - p.lon) * cos(radians(p.lat))) ^ 2 + (s.lat - p.lat) ^ 2, s.code
      LIMIT %(most)s
    ) s
"""

_REACHES = """
    SELECT p.n, r.id, r.code, r.name, r.geometry_digest, p.lon, p.lat
    FROM unnest(CAST(%(lon)s AS float8[]), CAST(%(lat)s AS float8[]), CAST(%(around)s AS text[]))
      WITH ORDINALITY AS p (lon, lat, around, n)
    JOIN reaches r ON r.bounds && CAST(p.around AS box) AND r.retired_on IS NULL
"""

_CELL_SHAPES: LiteralString = "SELECT id, geometry FROM grid_cells WHERE id = ANY(%(ids)s)"
_REACH_SHAPES: LiteralString = "SELECT id, geometry FROM reaches WHERE id = ANY(%(ids)s)"

_ANCESTORS: LiteralString = "SELECT id, code, name FROM grid_cells WHERE id = ANY(%(ids)s)"


@dataclass(frozen=True, slots=True)
class CellHere:
    """A grid cell that covers the point; `lineage` are the ids from the outermost to itself."""

    id: UUID
    code: str
    name: str
    kind: str
    lineage: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class SteleHere:
    """A stele near the point."""

    id: UUID
    code: str
    name: str
    short_name: str | None
    lon: float
    lat: float
    radius_m: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class ReachHere:
    """The nearest reach."""

    id: UUID
    code: str
    name: str
    distance_m: float


@dataclass(frozen=True, slots=True)
class Place:
    """All that the maps know of a point: cells from the outermost in, steles from the nearest on.

    `path` are (code, name) from the outermost ancestor of the innermost cell to that cell.
    """

    cells: Sequence[CellHere]
    steles: Sequence[SteleHere]
    reach: ReachHere | None
    path: Sequence[tuple[str, str]]

    @property
    def cell(self) -> CellHere | None:
        """The innermost covering cell."""
        return self.cells[-1] if self.cells else None

    @property
    def cell_ids(self) -> list[UUID]:
        """All covering cells and their ancestors, each once."""
        return list(dict.fromkeys(id_ for cell in self.cells for id_ in cell.lineage))


class Shapes:
    """Geometries that were needed lately, by row and digest: a changed row is another entry."""

    def __init__(self, statement: LiteralString, *, prepared: bool) -> None:
        self._statement = statement
        self._prepared = prepared
        self._known: OrderedDict[tuple[UUID, bytes], BaseGeometry] = OrderedDict()

    async def of(
        self, session: AsyncSession, wanted: set[tuple[UUID, bytes]]
    ) -> "dict[tuple[UUID, bytes], BaseGeometry]":
        """The geometries of these (id, digest) pairs."""
        digests = {key[0]: key[1] for key in wanted if key not in self._known}
        if digests:
            (rows,) = await at_once(session, (self._statement, {"ids": list(digests)}))
            for id_, wkb in rows:
                shape = geometry.from_wkb(bytes(wkb))
                if self._prepared:
                    geometry.prepare(shape)
                self._known[id_, digests[id_]] = shape
        found = {}
        for key in wanted & self._known.keys():
            self._known.move_to_end(key)
            found[key] = self._known[key]
        while len(self._known) > _MOST_GEOMETRIES:
            self._known.popitem(last=False)
        return found


# One of each a process: a cache of immutable values, nothing that two processes could disagree on.
_cell_shapes = Shapes(_CELL_SHAPES, prepared=True)
_reach_shapes = Shapes(_REACH_SHAPES, prepared=False)


def questions(points: Sequence[tuple[float, float]], settings: Settings) -> list[Question]:
    """What to ask the database (`at_once`) about WGS-84 (lon, lat) points; for `answered`."""
    lon, lat = [point[0] for point in points], [point[1] for point in points]
    near = [geometry.around(*point, settings.stele_within_m) for point in points]
    beside = [geometry.around(*point, settings.reach_within_m) for point in points]
    return [
        (_CELLS, {"lon": lon, "lat": lat}),
        (_STELES, {"lon": lon, "lat": lat, "around": near, "most": _MOST_STELES}),
        (_REACHES, {"lon": lon, "lat": lat, "around": beside}),
    ]


async def answered(
    session: AsyncSession,
    points: Sequence[tuple[float, float]],
    answers: Sequence[Sequence[Any]],
    settings: Settings,
) -> list[Place]:
    """The places of the points, from the answers to their `questions`."""
    cell_rows, stele_rows, reach_rows = answers
    cells = await _cells(session, points, cell_rows)
    steles = _steles(len(points), stele_rows, settings.stele_within_m)
    reaches = await _reaches(session, len(points), reach_rows, settings.reach_within_m)
    paths = await _paths(session, cells)
    return [Place(*parts) for parts in zip(cells, steles, reaches, paths, strict=True)]


async def locate_many(
    session: AsyncSession, points: Sequence[tuple[float, float]], settings: Settings
) -> list[Place]:
    """The places of WGS-84 (lon, lat) points, in their order."""
    answers = await at_once(session, *questions(points, settings))
    return await answered(session, points, answers, settings)


async def locate(session: AsyncSession, lon: float, lat: float, settings: Settings) -> Place:
    """The place of one WGS-84 point."""
    return (await locate_many(session, [(lon, lat)], settings))[0]


async def _cells(
    session: AsyncSession, points: Sequence[tuple[float, float]], rows: Sequence[Any]
) -> list[list[CellHere]]:
    shapes = await _cell_shapes.of(session, {(row.id, row.geometry_digest) for row in rows})
    candidates: list[list[tuple[Any, bool]]] = [[] for _ in points]
    for row in rows:
        n = row.n - 1
        shape = shapes.get((row.id, row.geometry_digest))
        if shape is not None and geometry.covers(shape, *points[n]):
            on_edge = not geometry.holds_inside(shape, *points[n])
            candidates[n].append((row, on_edge))
    return [_one_side_of_edges(covering) for covering in candidates]


def _one_side_of_edges(covering: list[tuple[Any, bool]]) -> list[CellHere]:
    """From the outermost in; of neighbours whose common edge holds the point, the smaller code."""
    covering.sort(key=lambda each: (-each[0].area_m2, len(each[0].lineage), each[0].code))
    taken: dict[tuple[UUID | None, str], str] = {}
    for row, on_edge in covering:
        if on_edge:
            family = (row.parent_id, row.kind)
            taken[family] = min(taken.get(family, row.code), row.code)
    dropped = {
        row.id
        for row, on_edge in covering
        if on_edge and taken[row.parent_id, row.kind] != row.code
    }
    return [
        CellHere(row.id, row.code, row.name, row.kind, row.lineage)
        for row, _ in covering
        if not dropped.intersection(row.lineage)
    ]


def _steles(count: int, rows: Sequence[Any], within_m: float) -> list[list[SteleHere]]:
    found: list[list[SteleHere]] = [[] for _ in range(count)]
    if rows:
        distances = geometry.distances_m(
            [row.from_lon for row in rows],
            [row.from_lat for row in rows],
            [row.lon for row in rows],
            [row.lat for row in rows],
        )
        for row, distance in zip(rows, distances, strict=True):
            if distance <= within_m:
                found[row.n - 1].append(
                    SteleHere(
                        row.id,
                        row.code,
                        row.name,
                        row.short_name,
                        row.lon,
                        row.lat,
                        row.radius_m,
                        float(distance),
                    )
                )
    return [sorted(each, key=lambda stele: (stele.distance_m, stele.code)) for each in found]


async def _reaches(
    session: AsyncSession, count: int, rows: Sequence[Any], within_m: float
) -> list[ReachHere | None]:
    shapes = await _reach_shapes.of(session, {(row.id, row.geometry_digest) for row in rows})
    found: list[list[ReachHere]] = [[] for _ in range(count)]
    for row in rows:
        shape = shapes.get((row.id, row.geometry_digest))
        if shape is not None:
            distance = geometry.distance_to_line_m(row.lon, row.lat, shape)
            if distance <= within_m:
                found[row.n - 1].append(ReachHere(row.id, row.code, row.name, distance))
    return [min(each, key=lambda r: (r.distance_m, r.code)) if each else None for each in found]


async def _paths(
    session: AsyncSession, cells: Sequence[Sequence[CellHere]]
) -> list[list[tuple[str, str]]]:
    names = {cell.id: (cell.code, cell.name) for here in cells for cell in here}
    missing = {id_ for here in cells if here for id_ in here[-1].lineage if id_ not in names}
    if missing:
        (rows,) = await at_once(session, (_ANCESTORS, {"ids": list(missing)}))
        names |= {row.id: (row.code, row.name) for row in rows}
    return [[names[id_] for id_ in here[-1].lineage] if here else [] for here in cells]
