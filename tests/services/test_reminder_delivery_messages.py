"""docs/messages.md: everything that is sent is on it, and fits where it goes."""

import runpy
from typing import Any

import pytest

from app.wechat.simulator import fields
from tests.faults.processes import ROOT


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The module that writes the page."""
    return runpy.run_path(str(ROOT / "docs" / "messages.py"))


def test_nothing_exceeds_its_limit(page: dict[str, Any]) -> None:
    said = [*page["values"](), *page["sentences"](), *page["chat"]()]
    assert [each.where for each in said if not each.fits] == []
    assert len(said) > 100


def test_the_platform_takes_each_value_in_each_field(page: dict[str, Any]) -> None:
    for each in page["values"]():
        type_ = each.where.split("`")[3]
        assert fields.LIMITS[type_].fullmatch(each.text), each


def test_nobody_reads_of_clocking_in(page: dict[str, Any]) -> None:
    assert "打卡" not in page["page"]()


def test_the_page_is_as_the_code_says(page: dict[str, Any]) -> None:
    assert (ROOT / "docs" / "messages.md").read_text(encoding="utf-8") == page["page"]()
