"""The audit log (操作日志) as a file, for admins."""

from typing import Any

from sqlalchemy import Select, Text, cast

from app.models import AuditEntry, Person
from app.services import filters
from app.services.exports.export import Asked, Column, Export, selected
from app.services.reports.report import Kind

COLUMNS = (
    Column("id", "编号", "id of the entry", AuditEntry.id),
    Column("at", "时间", "when", AuditEntry.at, Kind.instant),
    Column("actor", "人员编码", "who; null for the shell, programs and the system", Person.code),
    Column("actor_name", "姓名", "their name", Person.name),
    Column("via", "途径", "through which door, or by which key", AuditEntry.via),
    Column("action", "动作", "what was done; `see` is looking", AuditEntry.action),
    Column("subject", "对象", "to what: noun and code", AuditEntry.subject),
    Column("before", "之前", "what it said before, as JSON text", cast(AuditEntry.before, Text)),
    Column("after", "之后", "what it said afterwards, as JSON text", cast(AuditEntry.after, Text)),
    Column("reason", "理由", "why", AuditEntry.reason),
    Column("request_id", "请求编号", "as in the log", AuditEntry.request_id),
)


def rows(asked: Asked) -> Select[Any]:
    """The oldest first."""
    wanted = asked.wanted
    return (
        selected(COLUMNS)
        .select_from(AuditEntry)
        .outerjoin(Person, Person.id == AuditEntry.actor_id)
        .where(
            *filters.instants(AuditEntry.at, wanted.from_on, wanted.to_on),
            *filters.person(AuditEntry.actor_id, wanted.person),
        )
        .order_by(AuditEntry.at, AuditEntry.id)
    )


EXPORT = Export(
    name="audit-entries",
    title="操作日志",
    text="One row an entry of the audit log, for admins only; `from` and `to` are about `at`.",
    columns=COLUMNS,
    rows=rows,
    filters={"from": None, "to": None, "person": None},
    admin_only=True,
)
