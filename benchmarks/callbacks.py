"""A WeChat callback in safe mode, stored and answered, against its cryptography and parsing alone.

python -m benchmarks.callbacks [--rounds 3] [--seconds 5]
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import psycopg

from app.wechat.simulator.crypto import Sealer, sign
from benchmarks.served import import_demo, put_under_load, served

CONNECTIONS = 32
APP_ID, TOKEN, AES_KEY = "wxbenchmark000001", "benchmarktoken", "B" * 43

_numbers = count(1)


def locations(path: str, sealer: Sealer, sender: str) -> Iterator[bytes]:
    """Location messages of one follower, each with its own MsgId."""
    dice = random.Random(sender)
    while True:
        now, number = int(time.time()), next(_numbers)
        inner = (
            f"<xml><ToUserName>gh_bench</ToUserName><FromUserName>{sender}</FromUserName>"
            f"<CreateTime>{now}</CreateTime><MsgType>location</MsgType>"
            f"<Location_X>{24.9 + dice.random() / 1000}</Location_X>"
            f"<Location_Y>{102.97 + dice.random() / 1000}</Location_Y>"
            f"<Scale>16</Scale><Label>示例</Label><MsgId>{number}</MsgId></xml>"
        )
        nonce = str(number)
        encrypted = sealer.encrypt(inner.encode())
        signature = sign(TOKEN, str(now), nonce, encrypted)
        body = (
            f"<xml><ToUserName>gh_bench</ToUserName><Encrypt>{encrypted}</Encrypt></xml>"
        ).encode()
        query = (
            f"?signature={sign(TOKEN, str(now), nonce)}&timestamp={now}&nonce={nonce}"
            f"&encrypt_type=aes&msg_signature={signature}&openid={sender}"
        )
        yield (
            f"POST {path}{query} HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def lines(path: str, senders: list[str]) -> list[Iterator[bytes]]:
    """An endless line of pushes for each connection, every one from a sender of its own."""
    sealer = Sealer(AES_KEY, APP_ID)
    return [locations(path, sealer, sender) for sender in senders]


def bind(url: str) -> None:
    """The demo's maps, and followers of the account who are bound and have agreed."""
    import_demo(url)
    now = datetime.now(UTC)
    with psycopg.connect(url) as connection:
        people = connection.execute(
            "SELECT id FROM people ORDER BY code LIMIT %s", (CONNECTIONS,)
        ).fetchall()
        for n, (person,) in enumerate(people):
            connection.execute(
                "INSERT INTO wechat_users (id, app, openid, person_id, subscribed, created_at,"
                " failed_codes) VALUES (gen_random_uuid(), 'service_account', %s, %s, true, %s, 0)",
                (f"follower-{n}", person, now),
            )
            connection.execute(
                "INSERT INTO consents (id, person_id, notice, version, agreed, recorded_at)"
                " VALUES (gen_random_uuid(), %s, 'position', 1, true, %s)",
                (person, now),
            )


def main() -> None:
    """Interleave both sides and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    os.environ |= {
        "XUNHE_SERVICE_ACCOUNT_APP_ID": APP_ID,
        "XUNHE_SERVICE_ACCOUNT_SECRET": "benchmarksecret",
        "XUNHE_SERVICE_ACCOUNT_TOKEN": TOKEN,
        "XUNHE_SERVICE_ACCOUNT_AES_KEY": AES_KEY,
        "XUNHE_WECHAT_API_URL": "http://127.0.0.1:9",
    }
    senders = [f"follower-{n}" for n in range(CONNECTIONS)]
    ours, floor = [], []
    with served("benchmarks.floor:create_app", prepare=bind) as server:
        put_under_load(server.port, lines("/wechat/service-account", senders), seconds=1)
        for _ in range(given.rounds):
            pushes = lines("/floor/service-account", senders)
            floor.append(put_under_load(server.port, pushes, seconds=given.seconds).rate)
            pushes = lines("/wechat/service-account", senders)
            ours.append(put_under_load(server.port, pushes, seconds=given.seconds).rate)
    rate, bottom = statistics.median(ours), statistics.median(floor)
    print(
        f"WeChat callback, safe mode, stored | signature, decrypt, parse, encrypt alone | "
        f"ratio {rate / bottom:.2f} (must ≥ 0.25, aim ≥ 0.5) | {rate:.0f}/s vs {bottom:.0f}/s"
    )


if __name__ == "__main__":
    main()
