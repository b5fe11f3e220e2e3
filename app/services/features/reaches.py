"""Reaches."""

from sqlalchemy import select
from sqlalchemy.orm import join

from app.models import Reach, Waterbody
from app.services.features.collection import Collection, Kind, Property, Source
from app.services.features.common import CODE, NAME, in_use, is_
from app.services.features.place import Shapes

REACHES = Collection(
    id="reaches",
    title="河段",
    description="河流或湖岸中有人负责的一段。",
    geometry_types=("LineString", "MultiLineString"),
    properties=(
        CODE,
        NAME,
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
        named=is_(Reach.code),
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
        visible=in_use(Reach),
        filters={
            "code": is_(Reach.code),
            "waterbody": lambda code: Reach.waterbody_id.in_(
                select(Waterbody.id).where(Waterbody.code == code)
            ),
        },
    ),
)
