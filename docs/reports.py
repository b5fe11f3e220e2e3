"""The page docs/reports.md: what each report says, from the definitions that the reports carry."""

# ruff: noqa: E501 - a row of a Markdown table is one line

from app.services.reports.catalogue import DEFINITIONS
from app.services.reports.report import Kind

_HEAD = """# Reports

Written by `python docs/generate.py` from `app/services/reports`.

For managers and API keys, about what lies in their subtree: `GET /api/v1/reports/<report>`. The pages of the dashboard, the bulletins and
the ledgers show the same figures, made by the same functions. What they mean and why: [0022](decisions/0022-what-reports-say.md) (duties)
and [0029](decisions/0029-what-counts-as-a-visit.md) (visits, outings, reminders). A script that pulls a month:
[monthly_table.py](monthly_table.py).

| parameter | meaning | left out |
| --- | --- | --- |
| `from`, `to` | the days, both included, three years at most | the calendar year of `as_of` |
| `as_of` | the day about which is asked: nothing that happened later counts | today |
| `known_at` | an instant: what was recorded later is left out, what was revoked later is back | what is known now |
| `organisation` | the code of one: it and all below it; 404 outside of what one sees | all that one sees |
| `by` | what a row is: `organisation`, `person`, `reach`, `grid_cell`, `stele` (patrol-progress, effort) | `organisation` |
| `kind` | cells of one kind (coverage) | all kinds |
| `compare` | `previous` or `year_ago`: adds `compared` (the other report) and `change` to each row (all but behind) | none |
| `explain` | `1` adds `records` to each row, the ids behind each figure, and `hidden`, how many of them one may not see; at most 100,000 | none |
| `format` | `json`, `csv` (UTF-8 with BOM, Chinese headings, totals as the last row) or `geojson` (coverage); or say so by `Accept` | JSON |
| `datum` | `gcj02` for Chinese maps (GeoJSON) | WGS-84 |

JSON: `{"report", "title", "definition", "definition_version", "as_of", "known_at", "from", "to", "by", "organisation", "columns", "rows",
"totals"}`. Rows carry the columns and the codes behind the names. Rates are 0 to 1, null where there is nothing to divide by. Answers have
an `ETag`; `If-None-Match` spares an unchanged one.
"""

_KINDS = {
    Kind.text: "text",
    Kind.number: "number",
    Kind.decimal: "number with decimals",
    Kind.rate: "rate, 0 to 1",
    Kind.day: "day",
    Kind.instant: "instant",
    Kind.flag: "true or false",
    Kind.parts: "object, not in CSV",
}


def page() -> str:
    """Every report: its words and its columns."""
    parts = [_HEAD]
    for definition in DEFINITIONS.values():
        rows = [
            f"| `{column.name}` | {column.title} | {_KINDS[column.kind]} |"
            for column in definition.columns
        ]
        parts.append(
            "\n".join(
                [
                    f"## {definition.report} ({definition.title})",
                    "",
                    f"{definition.text}第{definition.version}版",
                    "",
                    "| column | heading | kind |",
                    "| --- | --- | --- |",
                    *rows,
                    "",
                ]
            )
        )
    return "\n".join(parts)
