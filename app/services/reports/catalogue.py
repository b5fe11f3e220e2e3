"""The catalogue of reports: what each means and which columns it has."""

from collections.abc import Mapping

from app.services.reports import behind, coverage, effort, progress, reminders
from app.services.reports.report import Definition

DEFINITIONS: Mapping[str, Definition] = {
    each.report: each
    for each in (
        progress.DEFINITION,
        behind.DEFINITION,
        coverage.DEFINITION,
        effort.DEFINITION,
        reminders.DEFINITION,
    )
}
