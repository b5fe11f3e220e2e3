"""A WeCom group robot, as its webhook behaves, on a free port of this machine."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Robot:
    """What it was told, and what it answers from now on."""

    address: str
    told: list[Any] = field(default_factory=list)
    status: int = 200
    answer: dict[str, Any] = field(default_factory=lambda: {"errcode": 0, "errmsg": "ok"})

    @property
    def texts(self) -> list[str]:
        return [body["text"]["content"] for body in self.told if body["msgtype"] == "text"]


@contextmanager
def robot() -> Iterator[Robot]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if listening.status == 200 and listening.answer.get("errcode") == 0:
                listening.told.append(json.loads(body))
            answer = json.dumps(listening.answer).encode()
            self.send_response(listening.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    listening = Robot(f"http://127.0.0.1:{server.server_port}/cgi-bin/webhook/send?key=robot-key")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listening
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
