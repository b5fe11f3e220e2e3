"""Grid cells, without the person who answers for them."""

from sqlalchemy import func
from sqlalchemy.orm import aliased, join, outerjoin

from app.models import GridCell, GridCellKind, Organisation
from app.services.features.collection import Collection, Kind, Property, Source
from app.services.features.common import CODE, NAME, ORGANISATION, in_use, is_, of_organisation
from app.services.features.place import Shapes

_Parent = aliased(GridCell)

GRID_CELLS = Collection(
    id="grid_cells",
    title="网格",
    description="责任网格，逐级嵌套；每个网格有一个责任单位。",
    geometry_types=("Polygon", "MultiPolygon"),
    properties=(
        CODE,
        NAME,
        Property(
            "kind",
            "类别（river_cleaning 河道清理，wetland_protection 湿地保护，sanitation 环境保洁，"
            "general 综合网格）",
            choices=tuple(GridCellKind),
        ),
        Property("parent", "上级网格编码"),
        Property("level", "层级（1 为最上级）", Kind.number),
        *ORGANISATION,
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
        named=is_(GridCell.code),
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
        visible=in_use(GridCell),
        filters={
            "code": is_(GridCell.code),
            "kind": is_(GridCell.kind),
            "organisation": of_organisation(GridCell.organisation_id),
        },
    ),
)
