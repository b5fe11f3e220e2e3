"""Whatever lies in the folder, reading it ends with rows or with a list of faults."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.datum import Datum
from app.services.dataset.faults import BadDataset, Fault
from app.services.dataset.folder import Contents, read_folder
from app.services.dataset.reading import WORKBOOK
from app.services.dataset.tables import TABLES
from app.services.dataset.template import write_template
from tests.services.datasets import LAKE

files = st.sampled_from([table.file for table in TABLES] + [WORKBOOK])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
types = st.sampled_from(["Point", "LineString", "Polygon", "MultiPolygon", "GeometryCollection"])
features = st.fixed_dictionaries(
    {
        "type": st.just("Feature") | values,
        "properties": st.dictionaries(
            st.sampled_from(["code", "name", "kind", "编码", "x"]), values
        )
        | values,
        "geometry": st.fixed_dictionaries({"type": types | values, "coordinates": values}) | values,
    }
)


def read(files: dict[str, bytes]) -> Contents | tuple[Fault, ...]:
    with TemporaryDirectory() as place:
        for name, content in files.items():
            (Path(place) / name).write_bytes(content)
        try:
            return read_folder(Path(place), Datum.gcj02, None, lambda *_: None)
        except BadDataset as error:
            return error.faults


def is_answered(found: Contents | tuple[Fault, ...]) -> bool:
    faults = found.faults if isinstance(found, Contents) else found
    return all(fault.line >= 1 and fault.what for fault in faults)


@settings(max_examples=100, deadline=None)
@given(file=files, content=st.binary(max_size=60))
@example(file="people.csv", content="姓名\n".encode("utf-16"))
@example(file="people.csv", content=b'"\n')
@example(file=WORKBOOK, content=b"PK\x03\x04" + bytes(40))
def test_any_bytes(file: str, content: bytes) -> None:
    assert is_answered(read({file: content}))


@settings(max_examples=150, deadline=None)
@given(
    file=st.sampled_from([table.file for table in TABLES if table.shapes]),
    collection=st.lists(features | values, max_size=4),
    crs=values,
)
def test_any_geojson(file: str, collection: list[object], crs: object) -> None:
    document = {"type": "FeatureCollection", "crs": crs, "features": collection}
    assert is_answered(read({file: json.dumps(document).encode()}))


@settings(max_examples=100, deadline=None)
@given(
    file=st.sampled_from([table.file for table in TABLES if not table.shapes]),
    rows=st.lists(st.lists(st.text(max_size=8), max_size=12), max_size=5),
)
def test_any_cells_under_the_right_headings(file: str, rows: list[list[str]]) -> None:
    head = LAKE[file].splitlines()[0]
    quoted = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    assert is_answered(read({file: "\n".join([head, *quoted]).encode("utf-8", "surrogatepass")}))


@pytest.mark.parametrize("cut", range(0, 2000, 97))
def test_a_truncated_workbook(cut: int, tmp_path: Path) -> None:
    write_template(tmp_path / WORKBOOK)
    whole = (tmp_path / WORKBOOK).read_bytes()
    broken = whole[: len(whole) * cut // 2000] + b"\0" * 50
    assert is_answered(read({WORKBOOK: broken}))
