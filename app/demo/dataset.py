"""The demo's dataset as its files say it: people, duties and the map, read without a database."""

import csv
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

FOLDER = Path(__file__).parents[2] / "demo" / "yangzonghai"


@cache
def rows(name: str) -> Sequence[Mapping[str, str]]:
    """The rows of `<name>.csv`."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@cache
def phones() -> Mapping[str, str]:
    """Everybody who has a telephone: person code → number."""
    return {row["code"]: row["phone"] for row in rows("people") if row["phone"]}


@cache
def _features(name: str) -> Mapping[str, Mapping[str, Any]]:
    collection = json.loads((FOLDER / f"{name}.geojson").read_text(encoding="utf-8"))
    return {feature["properties"]["code"]: feature for feature in collection["features"]}


@cache
def geometry(kind: str, code: str) -> BaseGeometry:
    """The shape of a reach, grid cell or stele (`kind` as in the files' area_kind)."""
    return shape(_features(f"{kind}s" if kind != "reach" else "reaches")[code]["geometry"])


@cache
def properties(kind: str, code: str) -> Mapping[str, Any]:
    """What the files say of a reach, grid cell or stele beside its shape."""
    found: Mapping[str, Any] = _features(f"{kind}s" if kind != "reach" else "reaches")[code][
        "properties"
    ]
    return found


@cache
def codes(kind: str) -> Sequence[str]:
    """All codes of a kind, in the files' order."""
    return list(_features(f"{kind}s" if kind != "reach" else "reaches"))
