"""Where a point is."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.domain import datum as datums
from app.domain.datum import Datum
from app.models import NoticeKind
from app.routers.deps import AppSettings, Reader, Session
from app.schemas.fields import answer_datum
from app.schemas.places import Place
from app.services import consents, places

router = APIRouter(prefix="/api/v1", tags=["places"])


@router.get("/locate")
async def locate(
    session: Session,
    caller: Reader,
    settings: AppSettings,
    lon: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)],
    lat: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)],
    datum: Annotated[Datum, Query(description="lon、lat 的坐标系，回答也用它")],
    accuracy_m: Annotated[float | None, Query(ge=0, le=1_000_000, allow_inf_nan=False)] = None,
) -> Place:
    """Grid cells from the outermost in, nearest steles with distances, reach; 200 everywhere.

    `datum` is that of the question and, as on any GET, that of the answer.
    """
    if caller.person is not None:
        await consents.require(session, caller.person, NoticeKind.position)
    answer_datum.set(datum)
    wgs = datums.to_wgs84(lon, lat, datum)
    return Place.of(*wgs, accuracy_m, await places.locate(session, *wgs, settings))
