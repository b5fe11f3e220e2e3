"""A server that speaks S3, started for the tests on a free port."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import boto3
from botocore.client import BaseClient
from pydantic import SecretStr

from app.settings import S3


@contextmanager
def s3_server() -> Iterator[S3]:
    """How to reach it; it ends with the block."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
                break
            time.sleep(0.05)
        yield S3(
            _env_file=None,
            endpoint=f"http://127.0.0.1:{port}",
            region="us-east-1",
            access_key_id="test-access-key",
            secret_access_key=SecretStr("test-secret-key"),
        )
    finally:
        server.terminate()
        server.wait()


def operator(s3: S3) -> BaseClient:
    """What an operator does to buckets, past our own code."""
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key.get_secret_value(),
    )
