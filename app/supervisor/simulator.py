"""The demo's simulated WeChat, a child of its own: all web and worker processes share its state."""

import asyncio
import socket
import sys
from collections.abc import Mapping, Sequence

from app import logs, parent
from app.database import connect
from app.demo import dataset, duties, people, welcome
from app.keys import open_keys
from app.opening import opened
from app.settings import Settings, WeChatApp, get_settings
from app.supervisor.demonstration import REMINDER, REMINDER_FIELDS
from app.supervisor.web import serve
from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, PersonConfig, PlatformConfig, Template
from app.wechat.simulator.platform import Platform


def main() -> None:
    """Be the supervisor's child: `python -m app.supervisor.simulator DESCRIPTOR`."""
    parent.wait_for_go()
    settings = get_settings()
    logs.configure(settings.log_level)
    with opened(settings) as url:
        platform = Platform(config(settings, asyncio.run(_stele_urls(settings, url))))
    serve(lambda: create_app(platform), socket.socket(fileno=int(sys.argv[1])))


async def _stele_urls(settings: Settings, url: str) -> Mapping[str, str]:
    engine, sessions = connect(url, settings.database)
    try:
        async with sessions.begin() as session:
            return await welcome.stele_urls(session, open_keys(settings), settings.public_url)
    finally:
        await engine.dispose()


def config(settings: Settings, stele_urls: Mapping[str, str]) -> PlatformConfig:
    """A platform on which both of our apps are registered and the demo's people have telephones."""
    return PlatformConfig(
        service_account=_account(
            settings.service_account, settings, "service-account", "示例巡河", [_reminder()]
        ),
        mini_program=_account(settings.mini_program, settings, "mini-program", "示例巡河小程序"),
        people=tuple(_people()),
        base_url=settings.wechat_api_url,
        backend_url=settings.public_url,
        map_layers={
            name: str(dataset.FOLDER / f"{name}.geojson")
            for name in ("waterbodies", "reaches", "grid_cells", "steles")
        },
        stele_scene="s_{code}",
        stele_urls=stele_urls,
    )


def _reminder() -> Template:
    fields = tuple((name, label) for name, (label, _) in REMINDER_FIELDS.items())
    return Template(id=REMINDER, title="巡河任务提醒", fields=fields)


def _account(
    app: WeChatApp, settings: Settings, door: str, name: str, templates: Sequence[Template] = ()
) -> AccountConfig:
    return AccountConfig(
        app_id=app.app_id,
        secret=app.secret.get_secret_value(),
        token=app.token.get_secret_value(),
        aes_key=app.aes_key.get_secret_value(),
        callback_url=f"{settings.public_url}/wechat/{door}",
        name=name,
        templates=tuple(templates),
    )


def _people() -> list[PersonConfig]:
    """Everybody of the demo dataset who has a telephone; whoever is bound follows.

    The guests, whom a visitor is to try, come first.
    """
    follow = set(people.following(duties.walkers()))
    rows = sorted(dataset.rows("people"), key=lambda row: row["code"] not in people.GUESTS)
    return [
        PersonConfig(
            key=row["code"],
            name=row["name"],
            phone=row["phone"],
            follows=row["code"] in follow,
        )
        for row in rows
        if row["phone"]
    ]


if __name__ == "__main__":
    main()
