"""Late entries (补录) as a file."""

from typing import Any

from sqlalchemy import Select, func
from sqlalchemy.orm import aliased

from app.models import GridCell, LateEntry, LateEntryState, Organisation, Person, Reach, Stele
from app.services import edits, filters, words
from app.services.exports.export import Asked, Column, Export, selected
from app.services.reports.report import Kind

_enterer, _decider = aliased(Person), aliased(Person)
COLUMNS = (
    Column("id", "补录编号", "id of the entry", LateEntry.id),
    Column("person", "人员编码", "who walked", Person.code),
    Column("person_name", "姓名", "their name", Person.name),
    Column("organisation", "组织编码", "where they are now", Organisation.code),
    Column("organisation_name", "组织", "its name", Organisation.name),
    Column("on", "巡河日期", "when they walked", LateEntry.walked_on, Kind.day),
    Column(
        "area_kind", "区域类别", "what kind of place", LateEntry.area_kind, words=words.AREA_KINDS
    ),
    Column(
        "area_code", "区域编码", "which place", func.coalesce(Reach.code, GridCell.code, Stele.code)
    ),
    Column("area_name", "区域", "its name", func.coalesce(Reach.name, GridCell.name, Stele.name)),
    Column("kind", "巡河方式", "how", LateEntry.kind, words=words.PATROL_KINDS),
    Column("minutes", "时长（分钟）", "as the paper says", LateEntry.minutes, Kind.number),
    Column("metres", "路程（米）", "as the paper says", LateEntry.metres, Kind.number),
    Column("note", "备注", "what was written", LateEntry.note),
    Column("reason", "补录原因", "why it comes late", LateEntry.reason),
    Column("has_photo", "有照片", "of the paper", LateEntry.image_sha256.is_not(None), Kind.flag),
    Column(
        "state", "状态", "whether it was accepted", LateEntry.state, words=words.LATE_ENTRY_STATES
    ),
    Column("entered_by", "录入人编码", "who entered it", _enterer.code),
    Column("entered_at", "录入时间", "when", LateEntry.entered_at, Kind.instant),
    Column("decided_by", "审核人编码", "who decided", _decider.code),
    Column("decided_at", "审核时间", "when", LateEntry.decided_at, Kind.instant),
    Column("decision_reason", "审核理由", "why", LateEntry.decision_reason),
    Column("patrol_id", "巡河编号", "the patrol that it became", LateEntry.patrol_id),
)


def rows(asked: Asked) -> Select[Any]:
    """By the day of the walk."""
    wanted = asked.wanted
    return (
        selected(COLUMNS)
        .select_from(LateEntry)
        .join(Person, Person.id == LateEntry.person_id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .join(_enterer, _enterer.id == LateEntry.entered_by_id)
        .outerjoin(_decider, _decider.id == LateEntry.decided_by_id)
        .outerjoin(Reach, Reach.id == LateEntry.reach_id)
        .outerjoin(GridCell, GridCell.id == LateEntry.grid_cell_id)
        .outerjoin(Stele, Stele.id == LateEntry.stele_id)
        .where(
            edits.inside(asked.scope, Person.organisation_id),
            *filters.days(LateEntry.walked_on, wanted.from_on, wanted.to_on),
            *filters.person(LateEntry.person_id, wanted.person),
            *([filters.areas(LateEntry, wanted.area)] if wanted.area is not None else []),
            *filters.equal(LateEntry.state, wanted.state),
        )
        .order_by(LateEntry.walked_on, LateEntry.id)
    )


EXPORT = Export(
    name="late-entries",
    title="补录",
    text="One row a late entry; `from` and `to` are about the day of the walk.",
    columns=COLUMNS,
    rows=rows,
    filters={"from": None, "to": None, "person": None, "area": None, "state": LateEntryState},
)
