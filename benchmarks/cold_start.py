"""From the command to the first answer: `xunhe serve` on a ready database, a bare FastAPI app.

python -m benchmarks.cold_start [--rounds 5]
"""

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.opening import opened
from app.settings import Settings

_BARE = """
import fastapi, uvicorn
app = fastapi.FastAPI()
@app.get("/healthz")
async def healthz(): return {"status": "ok"}
uvicorn.run(app, port=PORT, log_level="error")
"""


def seconds_until_answered(command: list[str], port: int, environment: dict[str, str]) -> float:
    """How long it takes until /healthz says 200; the process is ended again."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - started > 60:
                raise RuntimeError(f"{command[0]} did not come up")
            time.sleep(0.01)
        return time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def main() -> None:
    """Interleave both and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ours, bare = [], []
    xunhe = str(Path(sys.executable).with_name("xunhe"))
    with (
        tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder,
        opened(Settings(_env_file=None, data_dir=Path(folder))) as url,
    ):
        environment = os.environ | {"XUNHE_DATABASE_URL": url, "XUNHE_DATA_DIR": folder}
        for _ in range(rounds):
            port = _free_port()
            script = _BARE.replace("PORT", str(port))
            bare.append(seconds_until_answered([sys.executable, "-c", script], port, environment))
            port = _free_port()
            command = [xunhe, "serve", "--port", str(port), "--workers", "2"]
            ours.append(seconds_until_answered(command, port, environment))
    mine, floor = statistics.median(ours), statistics.median(bare)
    print(
        f"cold start of serve | bare FastAPI app | ratio {mine / floor:.1f} × "
        f"(must ≤ 2.5, aim ≤ 1.5) | {mine:.2f} s vs {floor:.2f} s"
    )


if __name__ == "__main__":
    main()
