"""All benchmarks, one after another, as one table of ratios: `make bench`, docs/performance.md."""

import subprocess
import sys
from datetime import date
from pathlib import Path

MODULES = (
    "check_ins",
    "callbacks",
    "me_obligations",
    "locate",
    "import_cells",
    "import_obligations",
    "photo_renditions",
    "planning",
    "reports",
    "delivery",
    "export",
    "ogc_items",
    "dashboard",
    "memory",
    "cold_start",
)


def main() -> int:
    """Run each in a process of its own; the number of those that failed."""
    failed = 0
    print(f"| what | against, in the same run | ratio | absolute ({date.today()}) |")  # noqa: DTZ011
    print("| --- | --- | --- | --- |", flush=True)
    for module in MODULES:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}"],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        failed += done.returncode != 0
        if done.returncode != 0:
            print(f"| {module} | failed: {done.stderr.strip().splitlines()[-1]} | | |")
        for line in done.stdout.splitlines():
            if " | " in line:
                print(f"| {line} |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
