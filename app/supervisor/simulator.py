"""The demo's simulated WeChat, a child of its own: all web and worker processes share its state."""

import csv
import socket
import sys
from pathlib import Path

from app import logs, parent
from app.settings import Settings, WeChatApp, get_settings
from app.supervisor.web import serve
from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, PersonConfig, PlatformConfig
from app.wechat.simulator.platform import Platform

DATASET = Path(__file__).parents[2] / "demo" / "yangzonghai"


def main() -> None:
    """Be the supervisor's child: `python -m app.supervisor.simulator DESCRIPTOR`."""
    parent.wait_for_go()
    settings = get_settings()
    logs.configure(settings.log_level)
    platform = Platform(config(settings))
    serve(lambda: create_app(platform), socket.socket(fileno=int(sys.argv[1])))


def config(settings: Settings) -> PlatformConfig:
    """A platform on which both of our apps are registered and the demo's people have telephones."""
    return PlatformConfig(
        service_account=_account(settings.service_account, settings, "service-account", "示例巡河"),
        mini_program=_account(settings.mini_program, settings, "mini-program", "示例巡河小程序"),
        people=tuple(people()),
        base_url=settings.wechat_api_url,
        backend_url=settings.public_url,
        map_layers={
            name: str(DATASET / f"{name}.geojson")
            for name in ("waterbodies", "reaches", "grid_cells", "steles")
        },
        stele_url=f"{settings.public_url}/s/{{code}}",
    )


def _account(app: WeChatApp, settings: Settings, door: str, name: str) -> AccountConfig:
    return AccountConfig(
        app_id=app.app_id,
        secret=app.secret.get_secret_value(),
        token=app.token.get_secret_value(),
        aes_key=app.aes_key.get_secret_value(),
        callback_url=f"{settings.public_url}/wechat/{door}",
        name=name,
    )


def people() -> list[PersonConfig]:
    """Everybody of the demo dataset who has a telephone; nobody follows yet."""
    with (DATASET / "people.csv").open(encoding="utf-8-sig", newline="") as file:
        return [
            PersonConfig(key=row["code"], name=row["name"], phone=row["phone"])
            for row in csv.DictReader(file)
            if row["phone"]
        ]


if __name__ == "__main__":
    main()
