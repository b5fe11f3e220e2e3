"""A mini-program's day, call by call: sign in, consent, patrol, check in, photo, duties, offline.

    make demo                                       # in one terminal; it prints the address
    .venv/bin/python docs/mini_program.py http://127.0.0.1:8000 --simulator P118

With a real WeChat, give the codes that `wx.login` and the getPhoneNumber button gave:

    .venv/bin/python docs/mini_program.py https://xunhe.example --login-code … --phone-code …

Every write carries an id that the phone makes and keeps until it has read an answer; sending it
again is always right. docs/mini-program.md explains each step.
"""

import argparse
import hashlib
import io
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from PIL import Image


def say(step: str, answer: httpx.Response) -> Any:
    """Print what came back, and stop where it was a refusal."""
    body = answer.json() if answer.content else {}
    print(f"{step}: {answer.status_code}")
    if answer.is_error:
        sys.exit(f"  {body.get('code')}: {body.get('title')} {body.get('errors', '')}")
    return body


def codes_of(simulator: httpx.Client, person: str) -> tuple[str, str]:
    """What wx.login and getPhoneNumber would give this person of the demo."""
    got = [
        simulator.post(f"/simulator/api/people/{person}/acts", json={"act": act}).json()["code"]
        for act in ("login_code", "phone_code")
    ]
    return got[0], got[1]


def a_photo() -> bytes:
    """A JPEG, as the camera would give."""
    made = io.BytesIO()
    Image.effect_mandelbrot((640, 480), (-2, -1.5, 1, 1.5), 40).convert("RGB").save(made, "JPEG")
    return made.getvalue()


def main() -> None:
    """Walk through the day."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("server")
    parser.add_argument("--simulator", metavar="PERSON", help="somebody of the demo, e.g. P118")
    parser.add_argument("--login-code")
    parser.add_argument("--phone-code")
    given = parser.parse_args()
    with httpx.Client(base_url=given.server, timeout=10, follow_redirects=True) as http:
        login_code, phone_code = given.login_code, given.phone_code
        if given.simulator:
            login_code, phone_code = codes_of(http, given.simulator)

        # 1. wx.login → a session. `person` is null until this WeChat is bound to somebody.
        session = say("sign in", http.post("/api/v1/sessions", json={"code": login_code}))
        http.headers["Authorization"] = f"Bearer {session['token']}"
        if session["person"] is None:
            body = {"code": phone_code}
            session = say("bind by phone", http.post("/api/v1/sessions/phone", json=body))
        print(f"  {session['person']['name']}, until {session['expires_at']}")

        # 2. Consent, once for positions and once for tracks; show the text before asking.
        for notice in ("position", "track"):
            body = {"notice": notice, "agreed": True}
            say(f"consent to {notice}", http.post("/api/v1/me/consents", json=body))
        say("who am I", http.get("/api/v1/me"))

        # 3. Where is this? Ask in the map's own datum; answers come in it, too.
        here: dict[str, Any] = {"lon": 103.0050, "lat": 24.8870, "accuracy_m": 15, "datum": "gcj02"}
        place = say("locate", http.get("/api/v1/locate", params=here))
        print("  cells:", " › ".join(cell["name"] for cell in place["grid_cells"]) or "none")
        for stele in place["steles"][:1]:
            print(f"  nearest stele: {stele['name']}, {stele['distance_m']} m")

        # 4. A patrol with a track, a check-in and a photo.
        patrol, check_in, photo = str(uuid4()), str(uuid4()), str(uuid4())
        start = datetime.now(UTC) - timedelta(minutes=20)
        say(
            "set out", http.put(f"/api/v1/patrols/{patrol}", json={"started_at": start.isoformat()})
        )
        points = [
            {
                "seq": n,
                "at": (start + timedelta(minutes=n)).isoformat(),
                "lon": here["lon"] - n * 0.0003,
                "lat": here["lat"],
                "accuracy_m": 12,
                "datum": "gcj02",
            }
            for n in range(15)
        ]
        appended = say(
            "track", http.post(f"/api/v1/patrols/{patrol}/track", json={"points": points})
        )
        print(f"  {appended['received']} points stored, last {appended['last_seq']}")
        record = {
            "at": (start + timedelta(minutes=14)).isoformat(),
            "position": here | {"lon": points[-1]["lon"]},
            "patrol_id": patrol,
            "note": "水面清洁，无异常",
            "photos_expected": 1,
        }
        counted = say("check in", http.put(f"/api/v1/check-ins/{check_in}", json=record))
        print(f"  verdict {counted['verdict']}, cell {counted['grid_cell']}")
        for duty in counted["counts_for"]:
            print(f"  counts for {duty['obligation']}: {duty['done']}/{duty['owed']}")
        # wx.requestSubscribeMessage on the next tap; then tell what the user said to each.
        for template in counted["ask_for"]:
            body = {"template_id": template, "result": "accept"}
            say("leave to remind", http.post("/api/v1/me/subscriptions", json=body))
        again = say("the same again", http.put(f"/api/v1/check-ins/{check_in}", json=record))
        assert again["id"] == counted["id"]
        content = a_photo()
        receipt = say(
            "photo",
            http.post(
                f"/api/v1/check-ins/{check_in}/photos",
                data={"id": photo, "taken_at": record["at"]},
                files={"file": ("1.jpg", content, "image/jpeg")},
            ),
        )
        assert receipt["sha256"] == hashlib.sha256(content).hexdigest()
        print(f"  {receipt['received']} of {receipt['expected']} received")
        body = {"finished_at": datetime.now(UTC).isoformat(), "findings": "none"}
        done = say("come back", http.post(f"/api/v1/patrols/{patrol}/finish", json=body))
        print(f"  {done['distance_m']} m in {done['duration_s']} s")

        # 5. No signal: keep the operations; send them in one request, in any order, repeatedly.
        offline, visit = str(uuid4()), str(uuid4())
        yesterday = datetime.now(UTC) - timedelta(days=1)
        queue = [
            {
                "op": "finish_patrol",
                "id": offline,
                "body": {
                    "finished_at": (yesterday + timedelta(minutes=30)).isoformat(),
                    "findings": "none",
                },
            },
            {
                "op": "put_check_in",
                "id": visit,
                "body": {
                    "at": (yesterday + timedelta(minutes=10)).isoformat(),
                    "position": here,
                    "patrol_id": offline,
                },
            },
            {"op": "put_patrol", "id": offline, "body": {"started_at": yesterday.isoformat()}},
            {"op": "put_check_in", "id": str(uuid4()), "body": {"at": "yesterday"}},
        ]
        for step in ("offline queue", "the whole queue again"):
            results = say(step, http.post("/api/v1/sync", json={"operations": queue}))["results"]
            for result in results:
                problem = (result["problem"] or {}).get("code", "")
                print(f"  {result['op']} {result['status']} {problem}")

        # 6. What I owe, and how it stands; unchanged answers cost nothing.
        owed = http.get("/api/v1/me/obligations")
        for duty in say("what I owe", owed)["items"]:
            print(f"  {duty['area']['name']} {duty['done']}/{duty['owed']} {duty['state']}")
            print(f"    {duty['summary']}")
        unchanged = {"If-None-Match": owed.headers["ETag"]}
        say("the same again", http.get("/api/v1/me/obligations", headers=unchanged))

        # 7. What I have recorded, newest first.
        mine = say("my records", http.get("/api/v1/check-ins", params={"mine": True, "limit": 5}))
        for item in mine["items"]:
            print(f"  {item['at']} {item['verdict']} {item['photos']}")


if __name__ == "__main__":
    main()
