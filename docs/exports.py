"""docs/exports.md: every table that can be downloaded, its filters and columns, from the code."""

from app.services.exports.catalogue import EXPORTS
from app.services.exports.export import Export
from app.services.exports.writing import tabular
from app.services.workbooks import ROWS_A_SHEET

_HEAD = f"""# Exports

`GET /api/v1/exports/{{table}}.{{csv|ndjson|xlsx}}`, for managers and admins (signed in to the
dashboard, or by token) and for programs with an API key. Written by `python docs/generate.py`
from `app/services/exports`.

```
curl -H "Authorization: Bearer xk_…" -o check-ins.csv \\
  "https://…/api/v1/exports/check-ins.csv?from=2026-06-01&to=2026-06-30&organisation=…"
```

- **Whose rows**: those of the caller's subtree, as in the lists: check-ins and patrols of its
  people then and of its places, everything else of its people and organisations. `organisation`
  narrows to one and all below. A filter that a table does not have is refused (422), never passed
  over.
- **Days** (`from`, `to`) are inclusive, at the lake. Without them all there is comes.
- **All of it or an error**: rows come from one state of the database, in constant memory, however
  many they are. When something breaks midway the connection is broken off: what `curl` reports as
  an error (18) and browsers as a failed download is not the whole file.
- **Each download stands in the audit log** with its parameters, before its first byte leaves.
- Four CSV or NDJSON downloads and two XLSX at a time a process; beyond that 503 with
  `Retry-After`.
- **`datum=gcj02`** gives positions for Chinese web maps; without it they are WGS-84. `坐标系` and
  `position.datum` say which. It takes some four times as long.

## CSV

UTF-8 with BOM, RFC 4180, Chinese headings, Chinese words for enumerations, 是 and 否, several
codes in one cell parted by 、. Times are `2026-06-01T08:30:00+08:00`, cut to the second. A text
that a spreadsheet would take for a formula (beginning with `=` `+` `-` `@`, their full-width
forms, a tab or a line break) has a `'` before it. Programs should rather read NDJSON, which has
every text as it is.

In Excel: open by double-click. Long codes and ids stay texts only by 数据 → 自文本/CSV with the
column type 文本.

## NDJSON

One JSON object a line, with the names, nesting, codes and times of the API; the names below with
a dot stand inside (`position.lon` is `{{"position": {{"lon": …}}}}`).

## XLSX

Real dates and numbers at the lake's time, first row frozen. After {ROWS_A_SHEET:,} rows it goes
on on a further sheet. A text longer than a cell holds (32,767 characters) ends with a word that
says so. The file is made on the server's disk first (507 `no-room` when that is full), so a
million rows take a minute before the first byte comes: for that many take CSV.

## Ledger (台账)

`GET /api/v1/ledgers/{{organisation_code}}.zip?from&to[&as_of]` is a zip of all that an
organisation and those below it can show for these days: a workbook with the tables 组织, 巡河,
巡河记录, 照片, 履职进度, 履职任务, 提醒, 补录, 免巡 and 目标责任书; the photos (`large`) and
signed letters to which its rows link (letters not for programs); and `manifest.json` with size
and sha256 of every file, the definitions of the figures, who made it and when (`known_at`).
What belongs there and is not is listed under `missing`. The links are relative: unpack the zip
before opening the workbook. Without days it is the calendar year.

## Tables
"""


def _table(export: Export) -> list[str]:
    taken = ", ".join(f"`{name}`" for name in ["organisation", *export.filters])
    in_tables = tabular(export.columns)
    lines = ["", f"### `{export.name}` {export.title}", "", export.text, "", f"Filters: {taken}."]
    for name, values in export.filters.items():
        if values is not None:
            lines.append(f"`{name}`: {', '.join(f'`{value}`' for value in values)}.")
    lines += ["", "| name | heading | type | what it says |", "| --- | --- | --- | --- |"]
    for column in export.columns:
        heading = column.title if column in in_tables else "(NDJSON only)"
        kind = "list" if column.several else column.kind.value
        words = (
            "; " + ", ".join(f"`{n}` {w}" for n, w in column.words.items()) if column.words else ""
        )
        private = " Not for programs." if column.private else ""
        lines.append(f"| `{column.name}` | {heading} | {kind} | {column.text}{words}{private} |")
    return lines


def page() -> str:
    """The page."""
    lines = [line for export in EXPORTS.values() for line in _table(export)]
    return _HEAD + "\n".join([*lines, ""])
