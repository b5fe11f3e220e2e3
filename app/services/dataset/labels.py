"""Labels: the Chinese words for the values of each enumeration, as cells may hold them."""

ORGANISATION_KINDS = {
    "committee": "党工委/管委会",
    "party_committee": "党委",
    "department": "部门",
    "general_branch": "党总支",
    "branch": "党支部",
    "party_group": "党小组",
    "village": "村/社区",
    "enterprise": "企业",
}
ROLES = {"member": "成员", "manager": "管理人员", "admin": "管理员"}
POST_KINDS = {
    "general_chief": "总河长",
    "chief": "河长",
    "reach_chief": "河段长",
    "assistant": "河长助理",
    "liaison": "联络员",
    "grid_worker": "网格员",
    "enterprise_chief": "企业河长",
}
WATERBODY_KINDS = {"river": "河流", "lake": "湖泊"}
GRID_CELL_KINDS = {
    "river_cleaning": "河道清理",
    "wetland_protection": "湿地保护",
    "sanitation": "环境保洁",
    "general": "综合网格",
}
STELE_KINDS = {"boundary_stone": "界碑", "notice_board": "公示牌"}
AREA_KINDS = {
    "any": "不限",
    "waterbody": "水体",
    "reach": "河段",
    "grid_cell": "网格",
    "stele": "界碑",
    "paired": "挂钩河段",
}
HOLDER_KINDS = {"person": "个人", "organisation": "组织"}
PERIODS = {"year": "年", "half_year": "半年", "quarter": "季", "month": "月", "week": "周"}
PHOTO_RULES = {"required": "必须", "wanted": "希望有", "none": "不要求"}
EXEMPTION_KINDS = {"leave": "请假", "closure": "停业或封闭"}
PATROL_KINDS = {
    "foot": "步行",
    "vehicle": "车巡",
    "boat": "船巡",
    "drone": "无人机",
    "site_meeting": "现场会",
}


def only(labels: dict[str, str], *names: str) -> dict[str, str]:
    """Those of the labels that one column allows."""
    return {name: labels[name] for name in names}
