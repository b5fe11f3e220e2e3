"""`xunhe serve --demo` as a visitor meets it: its year, its telephone, its second start."""

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import clock
from app.embedded_postgres import leftovers
from app.embedded_postgres.cluster import Cluster
from tests.conftest import Client
from tests.faults.processes import ROOT, Running, command, eventually, xunhe

READY = "示例记录已备好。"

# Who tricked, how many days before the demo's first start, and what came of it.
TRICKS = {
    ("P118", 41): ("rejected", {"photo_reused"}),
    ("P134", 33): ("flagged", {"photo_near_same"}),
    ("P126", 28): ("accepted", {"stele_distance", "stele_nearest"}),
    ("P123", 25): ("flagged", {"stele_distance", "stele_nearest"}),
    ("P095", 20): ("flagged", {"device"}),
    ("P041", 17): ("rejected", {"speed"}),
    ("P029", 15): ("flagged", {"accuracy"}),
    ("P113", 12): ("flagged", {"photo_taken"}),
    ("P121", 9): ("flagged", {"stele_print"}),
    ("P137", 6): ("rejected", {"stele_code"}),
    ("P057", 4): ("flagged", {"identical_coordinates"}),
}
HONEST = {
    *(("P122", days) for days in (53, 31, 10)),
    *((person, 13) for person in ("P061", "P062", "P063", "P065")),
    ("P065", 11),
    ("P125", 8),
}


class Demo:
    """A running demo, with what it printed."""

    def __init__(self, data_dir: Path) -> None:
        self.running = Running(command("serve", "--port=0", "--workers=1", "--demo"), data_dir)
        self.lines: list[str] = []
        while READY not in self.lines:
            assert self.running.process.poll() is None, "\n".join(self.lines)
            self.lines.append(self.running.line())
        self.today = clock.day_of(clock.now())
        self.web, self.telephone = self.lines[:2]
        printed = "\n".join(self.lines)
        self.invitations = re.findall(r"绑定 ([0-9]{8})", printed)
        (key,) = re.findall(r"xk_[\w-]+", printed)
        self.http = httpx.Client(base_url=self.web, timeout=30, trust_env=False)
        self.key = {"Authorization": f"Bearer {key}"}

    def read(self, path: str, **params: Any) -> Any:
        answer = self.http.get(path, params=params, headers=self.key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def listed(self, path: str, **params: Any) -> list[dict[str, Any]]:
        page = self.read(path, limit=1000, **params)
        items = page["items"]
        while page["next"]:
            page = self.read(path, limit=1000, cursor=page["next"], **params)
            items += page["items"]
        return list(items)

    def act(self, person: str, act: str, **given: Any) -> Mapping[str, Any]:
        """Do something on the web phone, and wait for all that it brings about."""
        answer = self.http.post(
            f"/simulator/api/people/{person}/acts?settle=1", json={"act": act, **given}
        )
        assert answer.status_code == 200, answer.text
        found: Mapping[str, Any] = answer.json()
        return found

    def send_photo(self, person: str) -> None:
        answer = self.http.post(
            f"/simulator/api/people/{person}/photos?settle=1", data={"samples": "1"}
        )
        assert answer.json() == {"sent": 1}

    def last_reply(self, person: str) -> str:
        chat = self.http.get(f"/simulator/api/people/{person}/chat").json()
        return str([item for item in chat["items"] if not item["mine"]][-1]["text"])

    def today_of(self, person: str) -> list[dict[str, Any]]:
        return self.listed("/api/v1/check-ins", person=person, **{"from": self.today.isoformat()})

    def end(self) -> int:
        self.http.close()
        self.running.process.send_signal(signal.SIGINT)
        self.running.process.communicate()
        return self.running.process.returncode


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data_dir = tmp_path_factory.mktemp("demo") / "data"
    yield data_dir
    Cluster(data_dir).stop()


@pytest.fixture(scope="module")
def demo(data_dir: Path) -> Iterator[Demo]:
    demo = Demo(data_dir)
    yield demo
    if demo.running.process.poll() is None:
        demo.end()


def days_ago(demo: Demo, check_in: Mapping[str, Any]) -> int:
    return (demo.today - datetime.fromisoformat(check_in["at"]).date()).days


def test_tricks_are_seen_through_and_the_honest_are_not_suspected(demo: Demo) -> None:
    year = demo.listed("/api/v1/check-ins")
    doubtful, accepted = {}, set()
    for check_in in year:
        who = check_in["person"], days_ago(demo, check_in)
        failed = {each["check"] for each in check_in["evidence"] if each["passed"] is False}
        if failed or check_in["verdict"] != "accepted":
            doubtful[who] = check_in["verdict"], failed
        else:
            accepted.add(who)
    assert doubtful == TRICKS
    assert accepted >= HONEST | {("P118", 70), ("P130", 36), ("P085", 20), ("P057", 8)}
    (outside,) = [each for each in year if each["person"] == "P029" and days_ago(demo, each) == 15]
    assert outside["grid_cell"] is None
    (own,) = [each for each in year if each["person"] == "P041" and days_ago(demo, each) == 17
              and each["verdict"] == "accepted"]  # fmt: skip
    assert own["grid_cell"]["code"] == "W-AWN-03"


def test_the_year_is_as_full_as_planned(demo: Demo) -> None:
    year, patrols = demo.listed("/api/v1/check-ins"), demo.listed("/api/v1/patrols")
    begin = demo.today - timedelta(days=366)
    seeded = [each for each in patrols if each["kind"] and each["check_in_ids"]]
    assert 350 < len(seeded) <= len(year) < 1500
    assert all(begin <= clock.day_of(datetime.fromisoformat(e["at"])) < demo.today for e in year)
    assert {each["state"] for each in patrols} == {"finished"}
    assert {each["kind"] for each in patrols} == {"foot", "boat", "vehicle", "site_meeting"}
    assert sum(each["points"]["kept"] > 0 for each in patrols) > 100
    # Whoever refused, left, or has no telephone sent nothing; nor did those who are yet to bind.
    silent = {"P064", "P132", "P135", "P075", "P105", "P077", "P139"}
    assert silent.isdisjoint(each["person"] for each in year)
    # The model of the year picks the very same place on the map every time.
    model = {(e["position"]["lon"], e["position"]["lat"]) for e in year if e["person"] == "P116"}
    assert len(model) == 1
    with_photos = [each["photos"] for each in year if each["photos"]["received"]]
    assert sum(photos["received"] for photos in with_photos) > 100


def test_a_member_binds_consents_and_is_counted(demo: Demo) -> None:
    demo.act("P077", "follow")
    demo.act("P077", "say", text=f"绑定 {demo.invitations[0]}")
    assert "示例甲" in demo.last_reply("P077")
    demo.act("P077", "say", text="同意")
    demo.act("P077", "location", lon=102.95336, lat=24.82788, label="")
    assert "七星河清理网格06" in demo.last_reply("P077")
    demo.send_photo("P077")
    assert eventually(lambda: demo.today_of("P077")[0]["photos"]["received"] == 1)
    (record,) = demo.today_of("P077")
    assert (record["verdict"], record["grid_cell"]["code"]) == ("accepted", "W-QXH-06")
    assert record["stele"]["code"] == "GS-QXH-2"
    demo.act("P077", "say", text="进度")
    assert "1" in demo.last_reply("P077")


def test_a_chief_scans_the_stele_and_is_counted_there(demo: Demo) -> None:
    (stele,) = [
        each
        for each in demo.http.get("/simulator/api/setup").json()["steles"]
        if each["code"] == "YZH-E01"
    ]
    # The code on the stone opens the page, with a token that is in force.
    assert demo.act("P116", "scan", content=stele["url"]) == {"open": stele["url"]}
    assert "二维码有效" in demo.http.get(stele["url"]).text
    demo.act("P116", "scan", content=stele["scene"])
    demo.act("P116", "location", lon=103.0028, lat=24.9543, label="")
    assert "示例温泉酒店" in demo.last_reply("P116")
    (record,) = demo.today_of("P116")
    assert record["verdict"] == "accepted"
    assert (record["stele"]["code"], record["stele"]["within"]) == ("YZH-E01", True)


def test_what_an_unbound_sender_sent_is_held_and_then_counted(demo: Demo) -> None:
    demo.act("P139", "follow")
    demo.act("P139", "location", lon=103.013, lat=24.918, label="")
    demo.send_photo("P139")
    assert demo.today_of("P139") == []
    demo.act("P139", "say", text=f"绑定 {demo.invitations[1]}")
    assert demo.today_of("P139") == []
    demo.act("P139", "say", text="同意")
    assert eventually(lambda: [e["photos"]["received"] for e in demo.today_of("P139")] == [1])
    (record,) = demo.today_of("P139")
    assert (record["verdict"], record["grid_cell"]["code"]) == ("accepted", "W-AE-04")


def test_the_telephone_has_its_menu_and_its_page(demo: Demo) -> None:
    assert demo.telephone == f"{demo.web}/simulator/"
    page = demo.http.get("/simulator", follow_redirects=True)
    assert (page.status_code, str(page.url)) == (200, demo.telephone)
    menu = demo.http.get("/simulator/api/people/P118/chat").json()["menu"]
    assert [column["name"] for column in menu] == ["巡河", "党建", "我的"]


def test_the_start_disturbs_nobody_and_the_past_was_told(demo: Demo) -> None:
    days = demo.read("/demo/workdays")["days"]
    past = [day for day in days if day["day"] < demo.today.isoformat()]
    assert past
    told = [one for day in past for one in day["told"]]
    assert {one["state"] for one in told} <= {"sent", "confirmed", "call_list", "dropped"}
    # Their telephones are silent all the same; but in office hours the worker has begun its day.
    went = {one["code"] for one in told if one["channel"]}
    today = {one["code"] for day in days if day not in past for one in day["told"]}
    assert went
    assert went & demo.http.get("/simulator/api/unread").json().keys() <= today


def test_the_next_workday_tells_people_on_their_telephones(demo: Demo) -> None:
    def unread() -> Counter[str]:
        return Counter(demo.http.get("/simulator/api/unread").json())

    # At the turn of the year everything begins anew, and nobody is told anything for weeks.
    for _ in range(25):
        before, shown = unread(), demo.read("/demo/workdays")
        day = shown["next"]["day"]
        assert day > demo.today.isoformat()
        answer = demo.http.post("/demo/workdays", json={"day": day})
        assert answer.status_code == 200, answer.text
        (pressed,) = [each for each in answer.json()["days"] if each["day"] == day]
        # Twice is once: the page that was behind is told how things stand.
        assert demo.http.post("/demo/workdays", json={"day": day}).status_code == 409
        sent = {one["code"] for one in pressed["told"] if one["state"] in {"sent", "confirmed"}}
        assert unread() - before == Counter(sent)
        listed = {one["code"] for one in answer.json()["calls"]}
        assert {one["code"] for one in pressed["told"] if one["state"] == "call_list"} <= listed
        if sent:
            break
    assert sent
    for one in pressed["told"]:
        if one["code"] in sent:
            (newest,) = demo.http.get(f"/simulator/api/people/{one['code']}/chat").json()["items"][
                -1:
            ]
            assert (newest["mine"], newest["type"]) == (False, "card")
    assert eventually(
        lambda: (
            {
                one["state"]
                for each in demo.read("/demo/workdays")["days"]
                if each["day"] == day
                for one in each["told"]
                if one["code"] in sent
            }
            == {"confirmed"}
        )
    )


def test_what_is_no_day_is_refused(demo: Demo) -> None:
    for body in (b"", b"[]", b'{"day": "tomorrow"}', b'{"day": 3}'):
        assert demo.http.post("/demo/workdays", content=body).status_code == 422


def test_the_operators_page_is_whole(demo: Demo) -> None:
    page = demo.http.get("/demo", follow_redirects=True)
    assert (page.status_code, str(page.url)) == (200, f"{demo.web}/demo/")
    for name in ("workdays.css", "workdays.js"):
        assert f"static/{name}" in page.text
        assert demo.http.get(f"/demo/static/{name}").status_code == 200
    links = demo.http.get("/simulator/api/setup").json()["links"]
    assert links == [["下一个工作日", f"{demo.web}/demo/"]]


def test_leave_to_send_holds_on_both_sides(demo: Demo) -> None:
    """What some people gave at the start is there on their telephones, and used up from there."""

    def left(code: str) -> dict[str, tuple[int, bool]]:
        listed = demo.http.get(f"/simulator/api/people/{code}/permits").json()
        return {
            one["id"]: (one["left"], one["standing"])
            for one in listed
            if one["left"] or one["standing"]
        }

    assert left("P003") == {"demo-reminder-long-term": (0, True)}
    assert left("P121") == {"demo-reminder-service-account": (1, False)}


def test_the_mini_programs_script_runs(demo: Demo) -> None:
    script = [sys.executable, str(ROOT / "docs" / "mini_program.py"), demo.web]
    done = subprocess.run(
        [*script, "--simulator", "P118"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_second_start_adds_nothing_and_ctrl_c_ends_everything(demo: Demo, data_dir: Path) -> None:
    paths = ("/api/v1/check-ins", "/api/v1/patrols")
    there = [sorted(each["id"] for each in demo.listed(path)) for path in paths]
    children = demo.running.children("app.")
    assert demo.end() == 0
    assert all(leftovers.is_gone(child) for child in children)
    assert not Cluster(data_dir).is_listening()
    again = Demo(data_dir)
    assert [sorted(each["id"] for each in again.listed(path)) for path in paths] == there
    assert again.key == demo.key
    assert again.end() == 0


def test_keeps_out_of_others_data(tmp_path: Path) -> None:
    data_dir, folder = tmp_path / "data", tmp_path / "real"
    folder.mkdir()
    (folder / "organisations.csv").write_text(
        "code,name,kind\nXIAN,示例县河长办,committee\n", encoding="utf-8"
    )
    assert xunhe("import", str(folder), data_dir=data_dir).returncode == 0
    done = xunhe("serve", "--port=0", "--demo", data_dir=data_dir)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "这里已有别的单位的数据，演示会混进去。请用 XUNHE_DATA_DIR 给演示另一个文件夹。"
    )


async def test_there_is_no_telephone_without_a_demo(client: Client) -> None:
    for path in ("/simulator", "/simulator/", "/simulator/api/setup"):
        assert (await client(None).get(path)).status_code == 404
