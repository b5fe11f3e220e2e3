"""Writes the pages of docs/ that only repeat what the code says (PAGES says which).

python docs/generate.py          write them
python docs/generate.py --check  exit 1 if one is not as it would be written
"""

import inspect
import sys
from itertools import groupby
from pathlib import Path

import exports
import messages
import reports

from app import errors
from app.errors import XunheError
from app.models import Base

DOCS = Path(__file__).parent


def errors_page() -> str:
    """Every code that an answer may carry, in the order of app/errors.py."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, XunheError) and "code" in vars(kind)
    ]
    rows = [
        f"| `{kind.code}` | {kind.status} | {kind.title} | {inspect.getdoc(kind)} |"
        for kind in kinds
    ]
    return "\n".join(
        [
            "# Errors",
            "",
            "Every refusal is `application/problem+json` (RFC 9457): `type` is",
            "`urn:xunhe:problem:<code>`, `title` is for people, `code` is stable and for programs,",
            "`detail` and further members depend on the case; `invalid` and `unknown-code` carry",
            '`errors: [{"pointer", "detail"}]` with JSON pointers into the body.',
            "",
            "Written by `python docs/generate.py` from `app/errors.py`.",
            "",
            "| code | status | title | when |",
            "| --- | --- | --- | --- |",
            *(row.replace("\n", " ") for row in rows),
            "",
        ]
    )


def database_page() -> str:
    """The tables, what each is for, and how they refer to one another."""
    tables = sorted(Base.metadata.tables.values(), key=lambda table: table.name)
    docs = {
        str(mapper.local_table): " ".join(
            (inspect.getdoc(mapper.class_) or "").split("\n\n")[0].split()
        )
        for mapper in Base.registry.mappers
    }
    edges = sorted(
        {
            (key.column.table.name, table.name, column.name)
            for table in tables
            for column in table.columns
            for key in column.foreign_keys
        }
    )
    lines = [
        "# Database",
        "",
        "PostgreSQL 15 or newer, core features only.",
        "Written by `python docs/generate.py` from `app/models`.",
        "The job queue's tables (`procrastinate_*`) are procrastinate's own.",
        "",
        "| table | what a row is |",
        "| --- | --- |",
        *(f"| `{table.name}` | {docs.get(table.name, '')} |" for table in tables),
        "",
        "```mermaid",
        "erDiagram",
    ]
    for (parent, child), columns in groupby(edges, key=lambda edge: edge[:2]):
        names = ", ".join(column for _, _, column in columns)
        lines.append(f'    {parent} ||--o{{ {child} : "{names}"')
    return "\n".join([*lines, "```", ""])


PAGES = {
    "errors.md": errors_page,
    "database.md": database_page,
    "messages.md": messages.page,
    "exports.md": exports.page,
    "reports.md": reports.page,
}


def main() -> int:
    """Write or compare; the exit status."""
    stale = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.stderr.write(f"docs: run python docs/generate.py for {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
