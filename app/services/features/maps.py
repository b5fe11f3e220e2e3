"""The public collections: water, reaches, grid and steles, without anybody's name."""

from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, join, outerjoin

from app.models import (
    GridCell,
    GridCellKind,
    Organisation,
    Reach,
    Stele,
    SteleKind,
    Waterbody,
    WaterbodyKind,
)
from app.models.base import Coded
from app.services.access import Caller
from app.services.features.collection import (
    Collection,
    Condition,
    Kind,
    Points,
    Property,
    Shapes,
    Source,
    Visible,
)

_CODE, _NAME = Property("code", "编码"), Property("name", "名称")
_ORGANISATION = (
    Property("organisation", "责任单位编码"),
    Property("organisation_name", "责任单位"),
)


def _in_use(model: type[Coded]) -> Visible:
    """Everybody sees what is not retired."""

    async def visible(_session: AsyncSession, _caller: Caller | None) -> ColumnElement[bool]:
        return model.retired_on.is_(None)

    return visible


def _is(column: SQLColumnExpression[Any]) -> Condition:
    return lambda value: column == value


def _of_organisation(column: SQLColumnExpression[Any]) -> Condition:
    return lambda code: column.in_(select(Organisation.id).where(Organisation.code == code))


WATERBODIES = Collection(
    id="waterbodies",
    title="水体",
    description="湖泊和河流。",
    geometry_types=("LineString", "MultiLineString", "Polygon", "MultiPolygon"),
    properties=(
        _CODE,
        _NAME,
        Property("kind", "类别（river 河流，lake 湖泊）", choices=tuple(WaterbodyKind)),
    ),
    filters=("code", "kind"),
    source=Source(
        table=Waterbody.__table__,
        joined=Waterbody.__table__,
        row_id=Waterbody.id,
        feature_id=Waterbody.code,
        named=_is(Waterbody.code),
        key=((Waterbody.code, str),),
        columns={"code": Waterbody.code, "name": Waterbody.name, "kind": Waterbody.kind},
        place=Shapes(Waterbody),
        visible=_in_use(Waterbody),
        filters={"code": _is(Waterbody.code), "kind": _is(Waterbody.kind)},
    ),
)

REACHES = Collection(
    id="reaches",
    title="河段",
    description="河流或湖岸中有人负责的一段。",
    geometry_types=("LineString", "MultiLineString"),
    properties=(
        _CODE,
        _NAME,
        Property("short_name", "简称"),
        Property("waterbody", "水体编码"),
        Property("waterbody_name", "水体"),
        Property("start", "起点"),
        Property("end", "终点"),
        Property("target", "水质目标"),
        Property("length_m", "长度（米，按椭球面计算）", Kind.number),
    ),
    filters=("code", "waterbody"),
    source=Source(
        table=Reach.__table__,
        joined=join(Reach, Waterbody, Reach.waterbody_id == Waterbody.id),
        row_id=Reach.id,
        feature_id=Reach.code,
        named=_is(Reach.code),
        key=((Reach.code, str),),
        columns={
            "code": Reach.code,
            "name": Reach.name,
            "short_name": Reach.short_name,
            "waterbody": Waterbody.code,
            "waterbody_name": Waterbody.name,
            "start": Reach.start,
            "end": Reach.end,
            "target": Reach.target,
            "length_m": Reach.length_m,
        },
        place=Shapes(Reach),
        visible=_in_use(Reach),
        filters={
            "code": _is(Reach.code),
            "waterbody": lambda code: Reach.waterbody_id.in_(
                select(Waterbody.id).where(Waterbody.code == code)
            ),
        },
    ),
)

_Parent = aliased(GridCell)

GRID_CELLS = Collection(
    id="grid_cells",
    title="网格",
    description="责任网格，逐级嵌套；每个网格有一个责任单位。",
    geometry_types=("Polygon", "MultiPolygon"),
    properties=(
        _CODE,
        _NAME,
        Property(
            "kind",
            "类别（river_cleaning 河道清理，wetland_protection 湿地保护，sanitation 环境保洁，"
            "general 综合网格）",
            choices=tuple(GridCellKind),
        ),
        Property("parent", "上级网格编码"),
        Property("level", "层级（1 为最上级）", Kind.number),
        *_ORGANISATION,
        Property("area_m2", "面积（平方米，按椭球面计算）", Kind.number),
    ),
    filters=("code", "kind", "organisation"),
    source=Source(
        table=GridCell.__table__,
        joined=outerjoin(
            join(GridCell, Organisation, GridCell.organisation_id == Organisation.id),
            _Parent,
            GridCell.parent_id == _Parent.id,
        ),
        row_id=GridCell.id,
        feature_id=GridCell.code,
        named=_is(GridCell.code),
        key=((GridCell.code, str),),
        columns={
            "code": GridCell.code,
            "name": GridCell.name,
            "kind": GridCell.kind,
            "parent": _Parent.code,
            "level": func.cardinality(GridCell.lineage),
            "organisation": Organisation.code,
            "organisation_name": Organisation.name,
            "area_m2": GridCell.area_m2,
        },
        place=Shapes(GridCell),
        visible=_in_use(GridCell),
        filters={
            "code": _is(GridCell.code),
            "kind": _is(GridCell.kind),
            "organisation": _of_organisation(GridCell.organisation_id),
        },
    ),
)

STELES = Collection(
    id="steles",
    title="界碑和公示牌",
    # Not what is written on them: on many that is somebody's name and telephone number.
    description="岸边的界碑和公示牌，不含碑文。",
    geometry_types=("Point",),
    properties=(
        _CODE,
        _NAME,
        Property("short_name", "简称"),
        Property(
            "kind", "类别（boundary_stone 界碑，notice_board 公示牌）", choices=tuple(SteleKind)
        ),
        Property("reach", "河段编码"),
        *_ORGANISATION,
        Property("radius_m", "有效范围（米）", Kind.number),
        Property("placed_on", "设立日期", Kind.day),
    ),
    filters=("code", "kind", "organisation"),
    source=Source(
        table=Stele.__table__,
        joined=outerjoin(
            join(Stele, Organisation, Stele.organisation_id == Organisation.id),
            Reach,
            Stele.reach_id == Reach.id,
        ),
        row_id=Stele.id,
        feature_id=Stele.code,
        named=_is(Stele.code),
        key=((Stele.code, str),),
        columns={
            "code": Stele.code,
            "name": Stele.name,
            "short_name": Stele.short_name,
            "kind": Stele.kind,
            "reach": Reach.code,
            "organisation": Organisation.code,
            "organisation_name": Organisation.name,
            "radius_m": Stele.radius_m,
            "placed_on": Stele.placed_on,
        },
        place=Points(
            Stele.lon, Stele.lat, lambda box: Stele.bounds.op("&&", is_comparison=True)(box)
        ),
        visible=_in_use(Stele),
        filters={
            "code": _is(Stele.code),
            "kind": _is(Stele.kind),
            "organisation": _of_organisation(Stele.organisation_id),
        },
    ),
)
