"""The container beside the API that keeps its file of keys equal to a secret, in a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from depthcast.api.key_file import ApiKeyFile
from infra.components.secrets import first_keys
from tests.support.moto import S3Server, s3_server
from tests.support.stacks import ROOT


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto's server, which is a Secrets Manager too."""
    with s3_server(tmp_path_factory.mktemp("moto") / "log") as found:
        yield found


def soon(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def test_the_file_is_the_secret_as_it_is_now(server: S3Server, tmp_path: Path) -> None:
    secrets = boto3.client(
        "secretsmanager",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - of moto
    )
    name = secrets.create_secret(Name="keys", SecretString=first_keys("dck_smoke777_one"))["ARN"]
    file = tmp_path / "keys" / "api.json"
    source = (ROOT / "infra" / "assets" / "follow_secret.py").read_text()
    process = subprocess.Popen(
        [sys.executable, "-c", source, name, str(file), "0.1"], env={**os.environ, **server.variables}
    )
    try:
        soon(file.exists, "the file is written")
        assert file.stat().st_mode & 0o777 == 0o600
        assert ApiKeyFile(file).read().find("dck_smoke777_one") is not None
        secrets.put_secret_value(SecretId=name, SecretString=first_keys("dck_smoke777_two"))
        soon(lambda: ApiKeyFile(file).read().find("dck_smoke777_two") is not None, "a change is followed")
        assert ApiKeyFile(file).read().find("dck_smoke777_one") is None
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
