"""The lake and its rivers."""

from app.models import Waterbody, WaterbodyKind
from app.services.features.collection import Collection, Property, Source
from app.services.features.common import CODE, NAME, in_use, is_
from app.services.features.place import Shapes

WATERBODIES = Collection(
    id="waterbodies",
    title="水体",
    description="湖泊和河流。",
    geometry_types=("LineString", "MultiLineString", "Polygon", "MultiPolygon"),
    properties=(
        CODE,
        NAME,
        Property("kind", "类别（river 河流，lake 湖泊）", choices=tuple(WaterbodyKind)),
    ),
    filters=("code", "kind"),
    source=Source(
        table=Waterbody.__table__,
        joined=Waterbody.__table__,
        row_id=Waterbody.id,
        feature_id=Waterbody.code,
        named=is_(Waterbody.code),
        key=((Waterbody.code, str),),
        columns={"code": Waterbody.code, "name": Waterbody.name, "kind": Waterbody.kind},
        place=Shapes(Waterbody),
        visible=in_use(Waterbody),
        filters={"code": is_(Waterbody.code), "kind": is_(Waterbody.kind)},
    ),
)
