"""A worker that delivers what is due, as a process that a test may kill.

python -m tests.faults.deliver_child DATABASE_URL API_URL NOW [TEMPLATE_SETTING …]
"""

import asyncio
import sys
from datetime import datetime

from app.database import connect
from app.services.reminders import delivering
from app.wechat.client import open_wechat
from app.wechat.http import open_http
from tests.services.delivery_desk import settings_with


async def main() -> None:
    url, api, now, *templates = sys.argv[1:]
    settings = settings_with(*templates, wechat_api_url=api)
    engine, sessions = connect(url, settings.database)
    async with open_http(settings) as http:
        present = datetime.fromisoformat(now)
        wechat = open_wechat(http, settings, sessions, now=lambda: present)
        await delivering.deliver_due(sessions, wechat, settings, now=present)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
