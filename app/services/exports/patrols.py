"""Patrols (巡河) as a file."""

from typing import Any

from sqlalchemy import Double, Integer, Numeric, Select, cast, func, select, true
from sqlalchemy.orm import aliased

from app.models import (
    CheckIn,
    Companion,
    GridCell,
    Organisation,
    Patrol,
    PatrolState,
    Person,
    Reach,
    Stele,
)
from app.services import filters, visibility, words
from app.services.exports.export import Asked, Column, Export, selected
from app.services.reports.report import Kind

_along = aliased(Person)
_COMPANIONS = func.array(
    select(_along.code)
    .select_from(Companion)
    .join(_along, _along.id == Companion.person_id)
    .where(
        Companion.patrol_id == Patrol.id,
        Companion.removed_at.is_(None),
        Companion.declined_at.is_(None),
    )
    .order_by(_along.code)
    .correlate(Patrol)
    .scalar_subquery()
)
_CHECK_INS = (
    select(func.count())
    .select_from(CheckIn)
    .where(CheckIn.patrol_id == Patrol.id)
    .correlate(Patrol)
    .scalar_subquery()
)
COLUMNS = (
    Column("id", "巡河编号", "id of the patrol", Patrol.id),
    Column("person", "人员编码", "code of the walker", Person.code),
    Column("person_name", "姓名", "name of the walker", Person.name),
    Column("organisation", "组织编码", "of the walker then", Organisation.code),
    Column("organisation_name", "组织", "its name", Organisation.name),
    Column("kind", "巡河方式", "how", Patrol.kind, words=words.PATROL_KINDS),
    Column("state", "状态", "open or finished", Patrol.state, words=words.PATROL_STATES),
    Column("origin", "来源", "how it came to be", Patrol.origin, words=words.ORIGINS),
    Column(
        "started_at", "开始时间", "of paper patrols only the day counts",
        Patrol.started_at, Kind.instant,
    ),
    Column("finished_at", "结束时间", "null while open", Patrol.finished_at, Kind.instant),
    Column("reach.code", "河段编码", "what it is about, if a reach", Reach.code),
    Column("reach.name", "河段", "its name", Reach.name),
    Column("grid_cell.code", "网格编码", "what a paper patrol is about, if a cell", GridCell.code),
    Column("grid_cell.name", "网格", "its name", GridCell.name),
    Column("stele.code", "界碑编码", "what a paper patrol is about, if a stele", Stele.code),
    Column("stele.name", "界碑", "its name", Stele.name),
    Column("companions", "同行人", "codes of who came along", _COMPANIONS, several=True),
    Column("findings", "巡河发现", "none or some", Patrol.findings, words=words.FINDINGS),
    Column("note", "备注", "what was written", Patrol.note),
    Column(
        "distance_m", "路程（米）", "length of the line walked",
        cast(func.round(cast(Patrol.distance_m, Numeric), 2), Double), Kind.decimal,
    ),
    Column("duration_s", "时长（秒）", "from start to finish", Patrol.duration_s, Kind.number),
    Column("points.kept", "轨迹点", "points that make the line", Patrol.points_kept, Kind.number),
    Column("points.marked", "未采用的点", "points kept aside", Patrol.points_marked, Kind.number),
    Column(
        "check_ins", "巡河记录数", "how many check-ins it has",
        cast(_CHECK_INS, Integer), Kind.number,
    ),
)  # fmt: skip


def rows(asked: Asked) -> Select[Any]:
    """The oldest first; those that were never walked (retired) left out, as from the list."""
    wanted = asked.wanted
    return (
        selected(COLUMNS)
        .select_from(Patrol)
        .join(Person, Person.id == Patrol.person_id)
        .join(Organisation, Organisation.id == Patrol.organisation_id)
        .outerjoin(Reach, Reach.id == Patrol.reach_id)
        .outerjoin(GridCell, GridCell.id == Patrol.grid_cell_id)
        .outerjoin(Stele, Stele.id == Patrol.stele_id)
        .where(
            true() if asked.scope is None else visibility.patrols_in(asked.scope),
            Patrol.retired_on.is_(None),
            *filters.instants(Patrol.started_at, wanted.from_on, wanted.to_on),
            *filters.person(Patrol.person_id, wanted.person),
            *([filters.patrols_at(wanted.area)] if wanted.area is not None else []),
            *filters.equal(Patrol.state, wanted.state),
        )
        .order_by(Patrol.started_at, Patrol.id)
    )


EXPORT = Export(
    name="patrols",
    title="巡河",
    text="One row a patrol; `from` and `to` are about `started_at`.",
    columns=COLUMNS,
    rows=rows,
    filters={"from": None, "to": None, "person": None, "area": None, "state": PatrolState},
)
