"""Reminders (提醒) and the call list (电话提醒) as files."""

from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import aliased

from app.models import (
    Call,
    Obligation,
    Organisation,
    Person,
    Reminder,
    ReminderItem,
    ReminderKind,
    ReminderState,
)
from app.services import edits, filters, words
from app.services.exports.export import Asked, Column, Export, selected
from app.services.reminders.calls import CallState
from app.services.reports.report import Kind

_OBLIGATIONS = func.array(
    select(Obligation.code)
    .distinct()
    .select_from(ReminderItem)
    .join(Obligation, Obligation.id == ReminderItem.obligation_id)
    .where(ReminderItem.reminder_id == Reminder.id)
    .order_by(Obligation.code)
    .correlate(Reminder)
    .scalar_subquery()
)
COLUMNS = (
    Column("id", "提醒编号", "id of the reminder", Reminder.id),
    Column("day", "日期", "for which day it was planned", Reminder.day, Kind.day),
    Column("person.code", "人员编码", "to whom", Person.code),
    Column("person.name", "姓名", "their name", Person.name),
    Column("organisation.code", "组织编码", "where they are now", Organisation.code),
    Column("organisation.name", "组织", "its name", Organisation.name),
    Column("kind", "类别", "its most pressing part", Reminder.kind, words=words.REMINDER_KINDS),
    Column("state", "状态", "how far it has got", Reminder.state, words=words.REMINDER_STATES),
    Column("channel", "渠道", "by which it went", Reminder.channel, words=words.CHANNELS),
    Column("reason", "原因", "why it is in its state, where that needs saying", Reminder.reason),
    Column("text", "内容", "what it says", Reminder.text),
    Column("obligations", "履职任务", "codes of the duties in it", _OBLIGATIONS, several=True),
    Column("figures", "数字", "of digests and overdue reviews", Reminder.figures, Kind.parts),
    Column("planned_at", "计划时间", "when it was planned", Reminder.planned_at, Kind.instant),
    Column("as_of", "计划所按时间", "if planned as at another time", Reminder.as_of, Kind.instant),
    Column("sent_at", "发送时间", "null unless sent", Reminder.sent_at, Kind.instant),
    Column("confirmed_at", "送达时间", "when WeChat said so", Reminder.confirmed_at, Kind.instant),
)


def rows(asked: Asked) -> Select[Any]:
    """The oldest first."""
    wanted = asked.wanted
    return (
        selected(COLUMNS)
        .select_from(Reminder)
        .join(Person, Person.id == Reminder.person_id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(
            edits.inside(asked.scope, Person.organisation_id),
            *filters.days(Reminder.day, wanted.from_on, wanted.to_on),
            *filters.person(Reminder.person_id, wanted.person),
            *filters.equal(Reminder.kind, wanted.kind),
            *filters.equal(Reminder.state, wanted.state),
        )
        .order_by(Reminder.day, Reminder.id)
    )


EXPORT = Export(
    name="reminders",
    title="提醒",
    text="One row a message to a person; `from` and `to` are about `day`.",
    columns=COLUMNS,
    rows=rows,
    filters={
        "from": None, "to": None, "person": None, "kind": ReminderKind, "state": ReminderState,
    },
)  # fmt: skip

_caller = aliased(Person)
_STATE = case(
    (Call.phoned_at.is_not(None), "phoned"), (Call.closed_at.is_not(None), "closed"), else_="open"
)
CALL_COLUMNS = (
    Column("id", "编号", "id of the entry", Call.id),
    Column("state", "状态", "open, phoned, or no more needed", _STATE, words=words.CALL_STATES),
    Column("person.code", "人员编码", "whom to telephone", Person.code),
    Column("person.name", "姓名", "their name; the number is in `people`", Person.name),
    Column("organisation.code", "组织编码", "where they are now", Organisation.code),
    Column("organisation.name", "组织", "its name", Organisation.name),
    Column("reason", "原因", "why no message does", Call.reason),
    Column("day", "日期", "since which day", Call.day, Kind.day),
    Column("opened_at", "登记时间", "when it was put down", Call.opened_at, Kind.instant),
    Column("phoned_at", "电话时间", "null unless phoned", Call.phoned_at, Kind.instant),
    Column("phoned_by", "电话人编码", "who telephoned", _caller.code),
    Column("note", "备注", "what came of it", Call.note),
    Column("closed_at", "结束时间", "since when there is no need", Call.closed_at, Kind.instant),
)


def calls(asked: Asked) -> Select[Any]:
    """The oldest first."""
    wanted = asked.wanted
    return (
        selected(CALL_COLUMNS)
        .select_from(Call)
        .join(Person, Person.id == Call.person_id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .outerjoin(_caller, _caller.id == Call.phoned_by_id)
        .where(
            edits.inside(asked.scope, Person.organisation_id),
            *filters.days(Call.day, wanted.from_on, wanted.to_on),
            *filters.person(Call.person_id, wanted.person),
            *filters.equal(_STATE, wanted.state),
        )
        .order_by(Call.opened_at, Call.id)
    )


CALLS = Export(
    name="calls",
    title="电话提醒",
    text="One row an entry of the call list; `from` and `to` are about `day`.",
    columns=CALL_COLUMNS,
    rows=calls,
    filters={"from": None, "to": None, "person": None, "state": CallState},
)
