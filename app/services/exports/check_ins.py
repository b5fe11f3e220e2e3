"""Check-ins (巡河记录) as a file."""

from typing import Any

from sqlalchemy import Double, Integer, Select, Text, and_, cast, func, literal, select, true

from app.models import CheckIn, CheckInVerdict, Organisation, Person, Photo, Verdict
from app.services import filters, visibility, words
from app.services.exports.export import Asked, Column, Export, selected
from app.services.reports.report import Kind


def _place(noun: str, member: str) -> Any:
    """What the check-in keeps of the place as the maps were then."""
    return CheckIn.place[noun][member].astext


_PHOTOS = (
    select(func.count()).select_from(Photo).where(Photo.check_in_id == CheckIn.id).scalar_subquery()
)
COLUMNS = (
    Column("id", "记录编号", "id of the check-in", CheckIn.id),
    Column("at", "时间", "when, by the phone's clock", CheckIn.at, Kind.instant),
    Column("received_at", "收到时间", "when it reached us", CheckIn.received_at, Kind.instant),
    Column("person", "人员编码", "code of the person", Person.code),
    Column("person_name", "姓名", "name of the person", Person.name),
    Column("organisation", "组织编码", "of the person then", Organisation.code),
    Column("organisation_name", "组织", "its name", Organisation.name),
    Column("position.lon", "经度", "degrees", CheckIn.lon, Kind.decimal),
    Column("position.lat", "纬度", "degrees", CheckIn.lat, Kind.decimal),
    Column(
        "position.accuracy_m", "精度（米）", "as the phone said", CheckIn.accuracy_m, Kind.decimal
    ),
    Column("position.datum", "坐标系", "`wgs84`, or `gcj02` if asked for", literal("wgs84", Text)),
    Column("grid_cell.code", "网格编码", "the innermost cell then", _place("grid_cell", "code")),
    Column("grid_cell.name", "网格", "its name", _place("grid_cell", "name")),
    Column("stele.code", "界碑编码", "the stele named, or nearest", _place("stele", "code")),
    Column("stele.name", "界碑", "its name", _place("stele", "name")),
    Column(
        "stele.distance_m", "距界碑（米）", "how far from it",
        cast(_place("stele", "distance_m"), Double), Kind.decimal,
    ),
    Column("reach.code", "河段编码", "the nearest reach within 200 m", _place("reach", "code")),
    Column("reach.name", "河段", "its name", _place("reach", "name")),
    Column("patrol_id", "巡河编号", "the patrol that it is part of", CheckIn.patrol_id),
    Column("source", "来源", "through which door it came", CheckIn.source, words=words.SOURCES),
    Column("note", "备注", "what was written", CheckIn.note),
    Column("verdict", "核验结论", "as it stands now", CheckIn.verdict, words=words.VERDICTS),
    Column(
        "review.verdict", "审核结论", "a manager's, if there is one",
        CheckInVerdict.verdict, words=words.VERDICTS,
    ),
    Column("review.reason", "审核理由", "why", CheckInVerdict.reason),
    Column("review.at", "审核时间", "when", CheckInVerdict.recorded_at, Kind.instant),
    Column("photos.received", "照片数", "photos stored", cast(_PHOTOS, Integer), Kind.number),
    Column(
        "photos.expected", "应有照片", "photos the phone announced",
        CheckIn.photos_expected, Kind.number,
    ),
    Column("withdrawn_at", "撤回时间", "null unless withdrawn", CheckIn.withdrawn_at, Kind.instant),
    Column("evidence", "佐证", "the checks, docs/evidence.md", CheckIn.evidence, Kind.parts),
)  # fmt: skip


def rows(asked: Asked) -> Select[Any]:
    """The oldest first."""
    wanted = asked.wanted
    reviewed = and_(
        CheckInVerdict.check_in_id == CheckIn.id,
        CheckInVerdict.reviewer_id.is_not(None),
        CheckInVerdict.revoked_at.is_(None),
    )
    return (
        selected(COLUMNS)
        .select_from(CheckIn)
        .join(Person, Person.id == CheckIn.person_id)
        .join(Organisation, Organisation.id == CheckIn.organisation_id)
        .outerjoin(CheckInVerdict, reviewed)
        .where(
            true() if asked.scope is None else visibility.check_ins_in(asked.scope),
            *filters.instants(CheckIn.at, wanted.from_on, wanted.to_on),
            *filters.person(CheckIn.person_id, wanted.person),
            *([filters.check_ins_at(wanted.area)] if wanted.area is not None else []),
            *filters.equal(CheckIn.verdict, wanted.verdict),
        )
        .order_by(CheckIn.at, CheckIn.id)
    )


EXPORT = Export(
    name="check-ins",
    title="巡河记录",
    text="One row a check-in; `from` and `to` are about `at`. Withdrawn ones are among them.",
    columns=COLUMNS,
    rows=rows,
    filters={"from": None, "to": None, "person": None, "area": None, "verdict": Verdict},
)
