"""Base maps: on what our drawings lie, and in whose degrees they have to be."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from app.domain.datum import Datum
from app.models import GridCell, Stele
from app.schemas import shapes
from app.schemas.fields import answer_datum
from app.services.histories import Visit
from app.services.review_cases import Case
from app.settings import Settings


class BaseMap(NamedTuple):
    """The tiles of the map, if any are set, and the datum in which they are drawn."""

    tile_url: str
    attribution: str
    datum: Datum
    origin: str


def of(settings: Settings) -> BaseMap:
    """Without tiles the map is ours, and in WGS-84."""
    given = settings.map
    datum = Datum(given.tile_datum) if given.tile_url else Datum.wgs84
    return BaseMap(given.tile_url, given.tile_attribution, datum, given.tile_origin)


@contextmanager
def drawn_for(base: BaseMap) -> Iterator[None]:
    """Shapes that are made in here lie right on this map."""
    token = answer_datum.set(base.datum)
    try:
        yield
    finally:
        answer_datum.reset(token)


def of_case(base: BaseMap, case: Case, cell: GridCell | None) -> Mapping[str, Any]:
    """Where a check-in was, its cell, the stele and the records before and after it."""
    own = case.visit.check_in
    with drawn_for(base):
        drawn = [] if cell is None else [_cell(cell)]
        if case.stele is not None:
            drawn.append(_stele(case.stele))
        drawn += [
            shapes.feature(
                shapes.point_of(each.visit.check_in.lon, each.visit.check_in.lat),
                kind="neighbour",
                label=("前一条" if each.is_before else "后一条"),
            )
            for each in case.neighbours
        ]
        drawn.append(_own(own.lon, own.lat, own.accuracy_m, "这条记录"))
        return shapes.collection(drawn)


def of_visits(base: BaseMap, visits: Sequence[Visit]) -> Mapping[str, Any]:
    """Where some check-ins were."""
    with drawn_for(base):
        return shapes.collection(
            [
                _own(each.check_in.lon, each.check_in.lat, None, str(n))
                for n, each in enumerate(visits, start=1)
            ]
        )


def of_place(base: BaseMap, wkb: bytes, kind: str, label: str) -> Mapping[str, Any]:
    """A reach or a grid cell."""
    with drawn_for(base):
        return shapes.collection([shapes.feature(shapes.shape_of(wkb), kind=kind, label=label)])


def of_stele(base: BaseMap, stele: Stele) -> Mapping[str, Any]:
    """A stele with its radius."""
    with drawn_for(base):
        return shapes.collection([_stele(stele)])


def _own(lon: float, lat: float, accuracy_m: float | None, label: str) -> dict[str, Any]:
    return shapes.feature(shapes.point_of(lon, lat), kind="visit", label=label, radius_m=accuracy_m)


def _cell(cell: GridCell) -> dict[str, Any]:
    return shapes.feature(shapes.shape_of(cell.geometry), kind="cell", label=cell.name)


def _stele(stele: Stele) -> dict[str, Any]:
    return shapes.feature(
        shapes.point_of(stele.lon, stele.lat),
        kind="stele",
        label=stele.name,
        radius_m=stele.radius_m,
    )
