"""Check-ins, for managers and their programs: no name, note, device or photo."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import join, outerjoin

from app.models import (
    CheckIn,
    GridCell,
    Organisation,
    Person,
    Reach,
    Stele,
    Verdict,
)
from app.models import check_in as origins
from app.services import visibility
from app.services.access import Caller
from app.services.features.collection import Collection, Kind, Property, Source
from app.services.features.common import of_organisation
from app.services.features.place import Points


async def _check_ins(session: AsyncSession, caller: Caller | None) -> ColumnElement[bool]:
    """Those of the caller's subtree that were not withdrawn."""
    if caller is None:
        return false()
    return and_(await visibility.check_ins_for(session, caller), CheckIn.withdrawn_at.is_(None))


def _by_id(value: str) -> ColumnElement[bool]:
    try:
        return CheckIn.id == UUID(value)
    except ValueError:
        return false()


CHECK_INS = Collection(
    id="check_ins",
    title="巡河记录",
    description=(
        "巡河人员的现场记录，只含本单位及下级的，不含已撤回的；无效的也在内，见 verdict。"
        "需要管理员登录或程序密钥。"
    ),
    geometry_types=("Point",),
    properties=(
        Property("at", "时间", Kind.instant),
        Property("received_at", "收到时间", Kind.instant),
        Property(
            "verdict",
            "核验结论（accepted 有效，flagged 待核，rejected 无效）",
            choices=tuple(Verdict),
        ),
        Property(
            "source",
            "来源（mini_program 小程序，chat 服务号，paper 纸质补录）",
            choices=tuple(origins.Source),
        ),
        Property("person", "人员编码"),
        Property("organisation", "当时所属单位编码"),
        Property("patrol", "巡河编号"),
        Property("grid_cell", "网格编码（最小的一级）"),
        Property("reach", "河段编码"),
        Property("stele", "所扫界碑编码"),
        Property("stele_distance_m", "到所扫界碑的距离（米）", Kind.number),
        Property("accuracy_m", "定位精度（米）", Kind.number),
    ),
    filters=("verdict", "organisation", "person"),
    source=Source(
        table=CheckIn.__table__,
        joined=outerjoin(
            outerjoin(
                outerjoin(
                    join(
                        join(CheckIn, Person, CheckIn.person_id == Person.id),
                        Organisation,
                        CheckIn.organisation_id == Organisation.id,
                    ),
                    GridCell,
                    CheckIn.grid_cell_id == GridCell.id,
                ),
                Reach,
                CheckIn.reach_id == Reach.id,
            ),
            Stele,
            CheckIn.stele_id == Stele.id,
        ),
        row_id=CheckIn.id,
        feature_id=CheckIn.id,
        named=_by_id,
        key=((CheckIn.at, datetime), (CheckIn.id, UUID)),
        columns={
            "at": CheckIn.at,
            "received_at": CheckIn.received_at,
            "verdict": CheckIn.verdict,
            "source": CheckIn.source,
            "person": Person.code,
            "organisation": Organisation.code,
            "patrol": CheckIn.patrol_id,
            "grid_cell": GridCell.code,
            "reach": Reach.code,
            "stele": Stele.code,
            "stele_distance_m": CheckIn.stele_distance_m,
            "accuracy_m": CheckIn.accuracy_m,
        },
        place=Points(
            CheckIn.lon,
            CheckIn.lat,
            lambda box: func.point(CheckIn.lon, CheckIn.lat).op("<@", is_comparison=True)(box),
        ),
        visible=_check_ins,
        filters={
            "verdict": lambda value: CheckIn.verdict == value,
            "organisation": of_organisation(CheckIn.organisation_id),
            "person": lambda code: CheckIn.person_id.in_(
                select(Person.id).where(Person.code == code)
            ),
        },
        at=CheckIn.at,
    ),
    guarded=True,
)
