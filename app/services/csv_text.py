"""CSV as Excel reads it: UTF-8 that says so, RFC 4180."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

BOM = b"\xef\xbb\xbf"
"""Before the first line: Excel would take the text for GB18030 without."""


def lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows as lines of a file."""
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()
