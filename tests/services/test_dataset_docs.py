"""The page for operators knows every file, column and heading."""

from pathlib import Path

from app.services.dataset.tables import TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "dataset.md").read_text()


def test_every_column_stands_on_the_page_under_its_file() -> None:
    sections = {part.split(" ")[0]: part for part in PAGE.split("\n## ")[1:]}
    files = (".csv", ".geojson")
    sections = {name: text for name, text in sections.items() if name.endswith(files)}
    assert list(sections) == [table.file for table in TABLES]
    for table in TABLES:
        rows = [
            row.split(" | ")[:2]
            for row in sections[table.file].splitlines()
            if row.startswith("| `")
        ]
        assert rows == [
            [f"| `{column.name}`{' *' if column.required else ''}", "、".join(column.headings)]
            for column in table.columns
        ]
