"""Summary: what an import did, file by file."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.services.dataset.conflicts import Conflict


@dataclass(frozen=True)
class Counts:
    """Rows of one file."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    retired: int = 0

    @property
    def touched(self) -> int:
        """Rows that are no longer as they were."""
        return self.new + self.changed + self.retired


@dataclass
class Summary:
    """The counts by file, in the order of the tables, and what the operator should know."""

    files: dict[str, Counts] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    conflicts: Sequence[Conflict] = ()
    """What managers edited after the files were written, and they say otherwise: as it was."""
    dry_run: bool = False

    @property
    def changes_nothing(self) -> bool:
        """Whether everything already was as the files have it."""
        return not any(counts.touched for counts in self.files.values())

    def lines(self) -> list[str]:
        """The summary for the operator: a line a file and what it comes to."""
        lines = [
            f"{file}：新增 {counts.new}，更新 {counts.changed}，"
            f"未变 {counts.unchanged}，停用 {counts.retired}"
            for file, counts in self.files.items()
        ]
        if self.conflicts:
            lines.append(
                f"有 {len(self.conflicts)} 行在文件写成以后被修改过，没有覆盖，"
                "请到管理页面“名册—导入冲突”决定："
            )
            lines += map(str, self.conflicts)
        if self.dry_run:
            lines.append(
                "检查通过，与现有数据一致，没有变化。"
                if self.changes_nothing
                else "检查通过；这只是试运行，什么都没有写入。"
            )
        else:
            lines.append("没有变化。" if self.changes_nothing else "导入完成。")
        return lines
