"""The roster and the duties as files: the dataset's tables, with the names behind their codes."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Integer,
    Select,
    Text,
    any_,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.sql.selectable import ScalarSelect

from app import clock
from app.models import (
    Exemption,
    ExemptionState,
    GridCell,
    GridCellKind,
    Letter,
    Obligation,
    Organisation,
    OrganisationKind,
    Pairing,
    Person,
    Post,
    PostKind,
    Reach,
    Role,
    Stele,
    SteleKind,
    Waterbody,
)
from app.services import edits, filters, words
from app.services.dataset.exporting import rows_of
from app.services.dataset.register import TABLE_OF
from app.services.dataset.tables import BY_STEM
from app.services.dataset.tables import Column as Said
from app.services.exports.export import Asked, Column, Export
from app.services.reports.report import Kind

_KINDS: tuple[tuple[type[Any], Kind], ...] = (
    (Date, Kind.day),
    (DateTime, Kind.instant),
    (Boolean, Kind.flag),
    (Integer, Kind.number),
    (Double, Kind.decimal),
)
_NAMED: Mapping[str, Any] = {
    "waterbody_id": Waterbody,
    "reach_id": Reach,
    "grid_cell_id": GridCell,
    "stele_id": Stele,
}
# For managers alone: phones, and why somebody is on leave.
_PRIVATE = {("people", "phone"), ("exemptions", "reason")}


def _kind_of(value: ColumnElement[Any]) -> Kind:
    return next((kind for type_, kind in _KINDS if isinstance(value.type, type_)), Kind.text)


def _name_of(target: Any, id_: Any) -> ScalarSelect[Any]:
    return select(target.name).where(target.id == id_).scalar_subquery()


def _name_beside(model: Any, said: Said) -> Any:
    """The name behind the code in this column; none for letters and duties, which have none."""
    name = said.name
    if name == "holder_code":
        return func.coalesce(
            _name_of(Person, model.holder_person_id),
            _name_of(Organisation, model.holder_organisation_id),
        )
    if name == "area_code":
        return func.coalesce(
            *(_name_of(each, getattr(model, own)) for own, each in _NAMED.items()
              if hasattr(model, own))
        )  # fmt: skip
    if said.refers_to in (None, "letters", "obligations"):
        return None
    own = "approved_by_id" if name == "approved_by" else name.removesuffix("_code") + "_id"
    target: Any = TABLE_OF[said.refers_to]
    if target is model:
        return None
    return _name_of(target, getattr(model, own))


def _columns(stem: str, rows: Select[Any]) -> list[Column]:
    """The file's columns, names behind codes, what the API answers more, and the position."""
    model: Any = TABLE_OF[stem]
    columns: list[Column] = []
    if "code" not in BY_STEM[stem].key and stem != "letters":
        columns.append(Column("id", "编号", "id of the row", model.id))
    for said, labelled in zip(BY_STEM[stem].columns, rows.selected_columns, strict=False):
        value: Any = getattr(labelled, "element", labelled)
        columns.append(
            Column(
                said.name,
                said.headings[0],
                "as in docs/dataset.md",
                value,
                _kind_of(value),
                words=said.labels,
                several=isinstance(value.type, ARRAY),
                private=(stem, said.name) in _PRIVATE,
            )
        )
        beside = _name_beside(model, said)
        if beside is not None:
            columns.append(
                Column(
                    said.name.removesuffix("_code") + "_name",
                    said.headings[0].removesuffix("编码")
                    + ("姓名" if said.refers_to == "people" else "名称"),
                    f"the name behind `{said.name}`",
                    beside,
                )
            )
    if stem == "steles":
        columns += [
            Column("position.lon", "经度", "degrees", Stele.lon, Kind.decimal),
            Column("position.lat", "纬度", "degrees", Stele.lat, Kind.decimal),
            Column("position.datum", "坐标系", "`wgs84`, or `gcj02` if asked for",
                   literal("wgs84", Text)),
        ]  # fmt: skip
    if stem == "exemptions":
        columns.append(
            Column("state", "状态", "whether it was granted", Exemption.state,
                   words=words.EXEMPTION_STATES)
        )  # fmt: skip
    if stem == "letters":
        columns.append(
            Column("confirmed_at", "确认时间", "when the chief confirmed having read it",
                   Letter.confirmed_at, Kind.instant)
        )  # fmt: skip
    columns.append(
        Column(
            "retired_on", "停用日期", "since when it is not in force", model.retired_on, Kind.day
        )
    )
    return columns


Conditions = Callable[[Asked], list[ColumnElement[bool]]]


def _export(
    name: str,
    text: str,
    conditions: Conditions,
    given: Mapping[str, type[StrEnum] | None],
    *,
    title: str | None = None,
) -> Export:
    stem = name.replace("-", "_")
    model: Any = TABLE_OF[stem]
    rows = rows_of(BY_STEM[stem])
    columns = _columns(stem, rows)
    labelled = [column.value.label(f"_{n}") for n, column in enumerate(columns)]
    rows = rows.with_only_columns(*labelled)
    ends = hasattr(model, "to_on") and model is not Exemption

    def select_rows(asked: Asked) -> Select[Any]:
        today = clock.day_of(asked.now)
        in_force: ColumnElement[bool] = true()
        if not asked.wanted.retired:
            in_force = edits.not_over(model, today) if ends else edits.not_retired(model, today)
        return rows.where(in_force, *conditions(asked))

    return Export(
        name=name,
        title=title or BY_STEM[stem].title,
        text=f"{text} What is over or retired only with `retired=true`.",
        columns=columns,
        rows=select_rows,
        filters={**given, "retired": None},
    )


def _people(asked: Asked) -> list[ColumnElement[bool]]:
    wanted = asked.wanted
    return [
        edits.inside(asked.scope, Person.organisation_id),
        *filters.terms(Person.from_on, Person.to_on, wanted.from_on, wanted.to_on),
        *filters.equal(Person.code, wanted.person),
        *filters.equal(Person.role, wanted.kind),
    ]


def _posts(asked: Asked) -> list[ColumnElement[bool]]:
    wanted = asked.wanted
    return [
        edits.people_inside(asked.scope, Post.person_id),
        *filters.terms(Post.from_on, Post.to_on, wanted.from_on, wanted.to_on),
        *filters.person(Post.person_id, wanted.person),
        *filters.equal(Post.kind, wanted.kind),
        *([filters.areas(Post, wanted.area)] if wanted.area is not None else []),
    ]


def _obligations(asked: Asked) -> list[ColumnElement[bool]]:
    wanted = asked.wanted
    return [
        edits.held_inside(Obligation, asked.scope),
        *filters.terms(Obligation.starts_on, Obligation.ends_on, wanted.from_on, wanted.to_on),
        *filters.person(Obligation.holder_person_id, wanted.person),
        *([filters.areas(Obligation, wanted.area)] if wanted.area is not None else []),
    ]


def _exemptions(asked: Asked) -> list[ColumnElement[bool]]:
    wanted = asked.wanted
    return [
        edits.held_inside(Exemption, asked.scope),
        *filters.terms(Exemption.from_on, Exemption.to_on, wanted.from_on, wanted.to_on),
        *filters.person(Exemption.holder_person_id, wanted.person),
        *filters.equal(Exemption.state, wanted.state),
    ]


def _letters(asked: Asked) -> list[ColumnElement[bool]]:
    wanted = asked.wanted
    return [
        edits.inside(asked.scope, Letter.organisation_id),
        *filters.terms(Letter.starts_on, Letter.ends_on, wanted.from_on, wanted.to_on),
        *filters.person(Letter.person_id, wanted.person),
    ]


def _pairings(asked: Asked) -> list[ColumnElement[bool]]:
    wanted = asked.wanted
    return [
        edits.inside(asked.scope, Pairing.department_id),
        *filters.terms(Pairing.from_on, Pairing.to_on, wanted.from_on, wanted.to_on),
    ]


def _steles(asked: Asked) -> list[ColumnElement[bool]]:
    return [
        edits.inside(asked.scope, Stele.organisation_id),
        *filters.equal(Stele.kind, asked.wanted.kind),
    ]


def _organisations(asked: Asked) -> list[ColumnElement[bool]]:
    return [
        edits.inside(asked.scope, Organisation.id),
        *filters.equal(Organisation.kind, asked.wanted.kind),
    ]


def _grid_cells(asked: Asked) -> list[ColumnElement[bool]]:
    wanted = asked.wanted
    inside = select(GridCell.id).where(GridCell.code == wanted.area).scalar_subquery()
    return [
        edits.inside(asked.scope, GridCell.organisation_id),
        *filters.equal(GridCell.kind, wanted.kind),
        *([inside == any_(GridCell.lineage)] if wanted.area is not None else []),
    ]


_TERM: Mapping[str, type[StrEnum] | None] = {"from": None, "to": None}
EXPORTS = (
    _export(
        "people", "One row a person; phones only for managers, never for programs.",
        _people, {**_TERM, "person": None, "kind": Role},
    ),
    _export(
        "posts", "One row a post.", _posts,
        {**_TERM, "person": None, "area": None, "kind": PostKind},
    ),
    _export(
        "obligations", "One row a duty; how it stands is in the reports.", _obligations,
        {**_TERM, "person": None, "area": None},
    ),
    _export(
        "exemptions", "One row a leave; why only for managers, never for programs.",
        _exemptions, {**_TERM, "person": None, "state": ExemptionState},
    ),
    _export("letters", "One row a letter.", _letters, {**_TERM, "person": None}),
    _export("pairings", "One row a pairing.", _pairings, _TERM),
    _export("steles", "One row a stele.", _steles, {"kind": SteleKind}),
    _export(
        "organisations", "One row an organisation.", _organisations, {"kind": OrganisationKind}
    ),
    _export(
        "grid-cells", "One row a grid cell.", _grid_cells, {"area": None, "kind": GridCellKind}
    ),
)  # fmt: skip
