"""Features: GeoJSON files as rows of text and raw geometry."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from app.services.dataset.faults import BadDataset, Fault
from app.services.dataset.sheets import Raw, place_headings
from app.services.dataset.tables import Table
from app.services.dataset.values import Unreadable, as_text

# CGCS2000, the State's datum, and WGS-84 differ by centimetres.
_KNOWN_CRS = ("CRS84", "EPSG::4326", "EPSG:4326", "EPSG::4490", "EPSG:4490")
_SPACE = " \t\r\n"


def read_geojson(path: Path, table: Table) -> Raw:
    """The features of a GeoJSON file (RFC 7946).

    Raises `BadDataset` where the file cannot be read at all or its properties are unknown.
    """
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        return _no_features(table)
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        what = f"不是完整的 GeoJSON（第 {error.colno} 个字符处看不懂），须为 UTF-8 编码"
        raise BadDataset([Fault(table.file, error.lineno, "", what)]) from None
    features = _features(document, table)
    lines = _Lines(content)
    if not features:
        return _no_features(table)

    faults: list[Fault] = []
    properties: list[dict[str, Any]] = []
    for row, feature in enumerate(features):
        mapped = isinstance(feature, dict) and feature.get("type") == "Feature"
        found = feature.get("properties") if mapped else None
        if found is None:
            found = {}
        if not mapped or not isinstance(found, dict):
            faults.append(Fault(table.file, lines.of(row), "", "不是一个完整的要素（Feature）"))
            found = {}
        properties.append(found)
    if faults:
        raise BadDataset(faults)

    first: dict[str, int] = {}
    for row, found in enumerate(properties):
        for name in found:
            first.setdefault(name, row)
    given = list(first)
    positions, headings, _ = place_headings(table, table.file, given)
    for name, row in first.items():
        # One fault a property, where it first appears: a column, not a cell, is at fault.
        placed = place_headings(table, table.file, [name])[2]
        faults += [Fault(table.file, lines.of(row), name, fault.what) for fault in placed]
    names = {headings[column]: column for column in positions}
    faults += [
        Fault(table.file, lines.of(first[name]), name, "与另一列是同一列，只能有一列")
        for name in given
        if name not in names and not any(fault.column == name for fault in faults)
    ]
    cells: dict[str, list[str]] = {}
    for heading, column in names.items():
        values = [found.get(heading) for found in properties]
        try:
            cells[column] = [
                value.strip() if type(value) is str else as_text(value) for value in values
            ]
        except Unreadable as error:
            faults += [
                Fault(table.file, lines.of(row), heading, str(error))
                for row, value in enumerate(values)
                if isinstance(value, dict | list)
            ]
    if faults:
        raise BadDataset(faults)
    shapes = [feature.get("geometry") for feature in features]
    return Raw(table, table.file, headings, cells, lines.of, shapes)


def _features(document: Any, table: Table) -> list[Any]:
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise BadDataset([Fault(table.file, 1, "", "最外层须为 FeatureCollection")])
    crs = document.get("crs")
    if crs is not None:
        named = crs.get("properties") if isinstance(crs, dict) else None
        name = str(named.get("name")) if isinstance(named, dict) else str(crs)
        if not name.endswith(_KNOWN_CRS):
            what = f"坐标系是 {name[:60]}，须为 WGS-84 经纬度（EPSG:4326），请在 QGIS 里另存"
            raise BadDataset([Fault(table.file, 1, "crs", what)])
    features = document.get("features")
    if not isinstance(features, list):
        raise BadDataset([Fault(table.file, 1, "features", "缺少要素列表")])
    return features


def _no_features(table: Table) -> Raw:
    cells: dict[str, list[str]] = {column.name: [] for column in table.columns}
    return Raw(table, table.file, {name: name for name in cells}, cells, lambda _: 1, shapes=[])


class _Lines:
    """Where each feature starts; looked up only when a fault needs it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def of(self, row: int) -> int:
        """The line (from 1) on which the feature of this row starts."""
        return self._starts[row]

    @cached_property
    def _starts(self) -> list[int]:
        text = self._content.decode()
        decoder = json.JSONDecoder()
        starts: list[int] = []
        at = _skip(text, text.index("{") + 1)
        while text[at] != "}":
            name, at = decoder.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
            if name == "features" and text[at] == "[":
                starts = []
                at = _skip(text, at + 1)
                while text[at] != "]":
                    starts.append(at)
                    _, at = decoder.raw_decode(text, at)
                    at = _after(text, at)
                at += 1
            else:
                _, at = decoder.raw_decode(text, at)
            at = _after(text, at)
        lines, line, last = [], 1, 0
        for start in starts:
            line += text.count("\n", last, start)
            last = start
            lines.append(line)
        return lines


def _skip(text: str, at: int) -> int:
    """The next place that is not space."""
    while text[at] in _SPACE:
        at += 1
    return at


def _after(text: str, at: int) -> int:
    """Past space and the comma, if there is one."""
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at
