"""Pull a month's progress with an API key and print it as a table.

XUNHE_KEY=xk_… python docs/monthly_table.py http://127.0.0.1:8000 2026-06
"""

import os
import sys
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx

first = date.fromisoformat(f"{sys.argv[2]}-01")
last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
as_of = min(last, datetime.now(ZoneInfo("Asia/Shanghai")).date())  # as it stood at its end
answer = httpx.get(
    f"{sys.argv[1]}/api/v1/reports/patrol-progress",
    params={"from": str(first), "to": str(last), "as_of": str(as_of)},
    headers={"Authorization": f"Bearer {os.environ['XUNHE_KEY']}"},
)
report = answer.raise_for_status().json()
titles = {column["name"]: column["title"] for column in report["columns"]}
shown = ("name", "owed", "due", "met", "rate", "on_target", "behind", "missing")
print(*(titles[name] for name in shown), sep="\t")
for row in [*report["rows"], {"name": "合计"} | report["totals"]]:
    rate = "" if row["rate"] is None else f"{row['rate']:.1%}"
    print(*(rate if name == "rate" else row[name] for name in shown), sep="\t")
