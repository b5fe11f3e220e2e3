"""The demo's simulated WeChat, a child of its own: all web and worker processes share its state."""

import asyncio
import socket
import sys
from collections.abc import Mapping, Sequence

from app import logs, parent
from app.database import connect
from app.demo import dataset, phones, welcome
from app.keys import open_keys
from app.opening import opened
from app.settings import Settings, WeChatApp, get_settings
from app.supervisor.demonstration import MINI_PROGRAM, SERVICE_ACCOUNT, TEMPLATES
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
        platform = Platform(asyncio.run(_config(settings, url)))
    serve(lambda: create_app(platform), socket.socket(fileno=int(sys.argv[1])))


async def _config(settings: Settings, url: str) -> PlatformConfig:
    engine, sessions = connect(url, settings.database)
    try:
        async with sessions.begin() as session:
            urls = await welcome.stele_urls(session, open_keys(settings), settings.public_url)
            return config(settings, urls, await phones.switched_on(session, settings))
    finally:
        await engine.dispose()


def config(
    settings: Settings, stele_urls: Mapping[str, str], people: Sequence[PersonConfig]
) -> PlatformConfig:
    """A platform on which both of our apps are registered and the demo's people have telephones."""
    return PlatformConfig(
        service_account=_account(
            settings.service_account,
            settings,
            "service-account",
            "示例巡河",
            _templates(SERVICE_ACCOUNT),
        ),
        mini_program=_account(
            settings.mini_program,
            settings,
            "mini-program",
            "示例巡河小程序",
            _templates(MINI_PROGRAM),
        ),
        people=tuple(people),
        base_url=settings.wechat_api_url,
        backend_url=settings.public_url,
        map_layers={
            name: str(dataset.FOLDER / f"{name}.geojson")
            for name in ("waterbodies", "reaches", "grid_cells", "steles")
        },
        stele_scene="s_{code}",
        stele_urls=stele_urls,
        links=(("下一个工作日", f"{settings.public_url}/demo/"),),
    )


def _templates(account: str) -> list[Template]:
    return [
        Template(
            id=each.id,
            title=each.title,
            fields=tuple((name, label) for name, (label, _) in each.fields.items()),
            kind="template" if each.kind == "template" else "subscribe",
            long_term=each.long_term,
        )
        for each in TEMPLATES
        if each.account == account
    ]


def _account(
    app: WeChatApp, settings: Settings, door: str, name: str, templates: Sequence[Template]
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


if __name__ == "__main__":
    main()
