"""Steles, without what is written on them."""

from sqlalchemy.orm import join, outerjoin

from app.models import Organisation, Reach, Stele, SteleKind
from app.services.features.collection import Collection, Kind, Property, Source
from app.services.features.common import CODE, NAME, ORGANISATION, in_use, is_, of_organisation
from app.services.features.place import Points

STELES = Collection(
    id="steles",
    title="界碑和公示牌",
    # Not what is written on them: on many that is somebody's name and telephone number.
    description="岸边的界碑和公示牌，不含碑文。",
    geometry_types=("Point",),
    properties=(
        CODE,
        NAME,
        Property("short_name", "简称"),
        Property(
            "kind", "类别（boundary_stone 界碑，notice_board 公示牌）", choices=tuple(SteleKind)
        ),
        Property("reach", "河段编码"),
        *ORGANISATION,
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
        named=is_(Stele.code),
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
        visible=in_use(Stele),
        filters={
            "code": is_(Stele.code),
            "kind": is_(Stele.kind),
            "organisation": of_organisation(Stele.organisation_id),
        },
    ),
)
