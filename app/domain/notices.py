"""What people agree to before we use their positions or tracks: the texts, and their version.

Whoever changes a text raises its version: an earlier yes then no longer counts, and everybody is
asked once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice as it is shown; `version` is what a consent names."""

    version: int
    title: str
    text: str


NOTICES: Mapping[str, Notice] = {
    "position": Notice(
        version=1,
        title="位置信息使用说明",
        text=(
            "用什么：您每次发来的位置和照片里的拍摄时间。\n"
            "为什么：记下您在哪条河、哪个网格、哪块界碑巡河，算清应巡和已巡。"
            "只在您自己发送时读取，平时不读取。\n"
            "存多久：巡河记录属于履职台账，按档案规定保存；未同意前发来的位置不读取，最多存放7天。\n"
            "谁能看：您本人、您所在组织和所巡地段的管理人员。对外公开的内容里没有您的位置。\n"
            "不同意也可以：进度和消息照常看，只是不能用位置记录巡河。\n"
            "怎样撤回：在小程序“我的”里关闭，或在服务号里回复“撤回同意”。撤回后不再读取新的位置。"
        ),
    ),
    "track": Notice(
        version=1,
        title="巡河轨迹使用说明",
        text=(
            "用什么：从您点“开始巡河”到“结束巡河”之间手机定位走过的路线。\n"
            "为什么：算出这次巡河走了多远、多久。里程不计分、不排名。\n"
            "存多久：随这次巡河记录一起保存。\n"
            "谁能看：只有您本人和您所在组织的管理人员。\n"
            "不同意也可以：不记轨迹，位置和照片一样算巡河。\n"
            "怎样撤回：在小程序“我的”里关闭，或在服务号里回复“撤回轨迹同意”。撤回后不再记录新的轨迹。"
        ),
    ),
}
"""By the name of the notice, `position` or `track`."""
