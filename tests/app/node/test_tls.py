"""With a certificate in the settings both doors of a node speak TLS, and nothing else."""

from __future__ import annotations

import io
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lianfang.app.node.supervise import Node, Running
from lianfang.app.settings import Settings
from tests.services_required import missing

PAYMENT = {"id": "t", "time": "2026-01-07T12:00:00Z", "kind": "transfer", "amount": 50, "currency": "CNY"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    if shutil.which("openssl") is None:
        missing("the openssl command, to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=node", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture(scope="module")
def told(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    cert, key = certificate
    log = io.StringIO()
    node = Node(
        Settings(
            data_dir=str(tmp_path_factory.mktemp("node")),
            decider_port=0,
            desk_port=0,
            feature_memory_mb=64,
            tls_cert=str(cert),
            tls_key=str(key),
        ),
        output=log,
    )
    node.start()
    watch = threading.Thread(target=node.wait)
    watch.start()
    yield node.running
    node.request_stop()
    watch.join()
    assert node.stop(), log.getvalue()


def client(certificate: tuple[Path, Path], told: Running) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    return httpx.Client(verify=trusted, headers={"Authorization": f"Bearer {told.first_key}"}, trust_env=False)


def test_a_payment_is_decided_over_tls(certificate: tuple[Path, Path], told: Running) -> None:
    with client(certificate, told) as http:
        answer = http.post(told.decider + "/v1/decisions", json=PAYMENT)
        assert (told.decider[:8], answer.status_code) == ("https://", 200)
        again = http.post(told.decider + "/v1/decisions", json=PAYMENT)
        assert again.content == answer.content


def test_the_desk_answers_over_tls(certificate: tuple[Path, Path], told: Running) -> None:
    with client(certificate, told) as http:
        assert http.get(told.desk + "/readyz").json()["ready"] is True


@pytest.mark.parametrize("door", ["decider", "desk"])
def test_plain_http_gets_nothing(told: Running, door: str) -> None:
    plain = getattr(told, door).replace("https://", "http://")
    with httpx.Client(trust_env=False) as http, pytest.raises(httpx.TransportError):
        http.get(plain + "/healthz")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("door", ["decider", "desk"])
def test_an_old_protocol_is_refused(certificate: tuple[Path, Path], told: Running, door: str) -> None:
    old = ssl.create_default_context(cafile=str(certificate[0]))
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with httpx.Client(verify=old, trust_env=False) as http, pytest.raises(httpx.TransportError):
        http.get(getattr(told, door) + "/healthz")
