"""The catalogue: every table that can be downloaded, by the name in its address."""

from collections.abc import Mapping

from app.services.exports import audit_entries, check_ins, late_entries, patrols, reminders, roster
from app.services.exports.export import Export

EXPORTS: Mapping[str, Export] = {
    export.name: export
    for export in (
        check_ins.EXPORT,
        patrols.EXPORT,
        reminders.EXPORT,
        reminders.CALLS,
        late_entries.EXPORT,
        *roster.EXPORTS,
        audit_entries.EXPORT,
    )
}
