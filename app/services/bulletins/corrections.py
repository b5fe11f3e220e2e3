"""Corrections: what the signed bulletin before says, and what is known of its period by now."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.services.bulletins.contents import FIGURES

NAMES = {
    "holders": "责任人数",
    "owed": "应巡",
    "done": "已巡",
    "met": "完成",
    "missing": "缺",
}


def between(
    period: str, said: Mapping[str, Any], now: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    """Each figure of a unit that is no longer what the final bulletin of `period` said."""
    then = {unit["code"]: unit for unit in said["units"]}
    today = {unit["code"]: unit for unit in now["units"]}
    found = []
    for code in sorted(then.keys() | today.keys()):
        unit = today.get(code) or then[code]
        for figure in FIGURES:
            old = then.get(code, {}).get(figure, 0)
            new = today.get(code, {}).get(figure, 0)
            if old != new:
                found.append(
                    {
                        "period": period,
                        "code": code,
                        "name": unit["name"],
                        "figure": figure,
                        "figure_name": NAMES[figure],
                        "said": old,
                        "now": new,
                    }
                )
    return found
