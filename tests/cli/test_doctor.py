"""``qbrix doctor``: what is wrong is found, named, and told how to mend."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from serving.cli import main
from serving.cli.examining.clocks import examine_clock
from serving.cli.examining.files import examine_addresses, examine_tls
from serving.cli.examining.finding import Finding
from serving.settings import MotorSettings, ProxySettings
from serving.storage.clocks import ClockOffset
from tests.cli.processes import role

Output = pytest.CaptureFixture[str]

# The tests' Postgres runs without fsync, which no other should.
KNOWN = {"ledger's durability"}


def examined(capsys: Output) -> dict[str, dict[str, Any]]:
    """What the doctor found, by name."""
    capsys.readouterr()
    status = main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    levels = {one["level"] for one in told["findings"]}
    assert (status, told["ok"]) == (int("fail" in levels), "fail" not in levels)
    return {one["name"]: one for one in told["findings"]}


@pytest.mark.usefixtures("environment")
def test_what_is_in_order_is_told_with_what_was_found(capsys: Output) -> None:
    found = examined(capsys)
    assert {name for name, one in found.items() if one["level"] == "fail"} == KNOWN
    assert {"draw key", "token key", "sign-in key", "trusted keys", "schema"} < set(found)
    for store in ("postgres", "redis"):
        assert found[store]["level"] == "ok"
        assert "version" in found[store]["found"] or "speaks" in found[store]["found"]
        assert found[f"{store}'s clock"]["level"] == "ok"


@pytest.mark.parametrize(
    ("told_s", "answered_s", "level"),
    [
        (1000.9, 1000.0, "ok"),
        (1000.0, 1020.0, "ok"),  # 10 s off the middle, and as long may the question have taken
        (1022.5, 1020.0, "warn"),  # 2.5 s after the answer came, whenever it was read
        (1025.0, 1020.0, "fail"),
        (994.0, 1020.0, "fail"),
    ],
)
def test_a_clock_is_judged_by_what_is_certain_however_late_the_answer(
    told_s: float, answered_s: float, level: str
) -> None:
    offset = ClockOffset.read(told_s, asked_s=1000.0, answered_s=answered_s)
    assert examine_clock("redis", offset).level == level


@pytest.mark.usefixtures("environment")
def test_every_finding_that_is_not_in_order_says_how_to_mend_it(capsys: Output) -> None:
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("FAIL")]
    assert "fsync = off" in line
    assert "set fsync" in line


@pytest.mark.usefixtures("environment")
def test_every_setting_is_listed_and_secrets_are_covered(
    fresh_postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("PROXY_SIGNUP", "closed")
    main(["doctor"])
    found = capsys.readouterr().out
    listed = [line.removeprefix("set   ") for line in found.splitlines() if line[:3] == "set"]
    assert "PROXY_SIGNUP=closed" in listed
    assert "PROXY_RATE_LIMIT_PER_MINUTE=0  (default)" in listed
    assert any(line.startswith("CORTEX_LEASE_TTL_S=") for line in listed)
    assert fresh_postgres_url not in found


@pytest.mark.usefixtures("environment")
def test_secrets_must_be_whole_and_closed_to_others(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "draw.key").write_text("short")
    (tmp_path / "token.key").chmod(0o604)
    (tmp_path / "jwt.key").chmod(0o640)
    found = examined(capsys)
    assert found["draw key"]["level"] == "fail"
    assert "anybody may read" in found["token key"]["found"]
    assert found["token key"]["mend"] == f"chmod 600 {tmp_path / 'token.key'}"
    assert found["sign-in key"]["level"] == "warn"


@pytest.mark.usefixtures("environment")
def test_a_folder_of_trusted_keys_that_anybody_may_write_trusts_anybody(
    tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "trusted_keys").chmod(0o777)
    assert examined(capsys)["trusted keys"]["level"] == "fail"


@pytest.mark.usefixtures("environment")
def test_a_redis_that_forgets_or_evicts_is_found(fresh_redis_url: str, capsys: Output) -> None:
    with redis.Redis.from_url(fresh_redis_url) as server:
        try:
            server.config_set("appendfsync", "everysec")
            found = examined(capsys)
            assert "'everysec', 'always' is demanded" in found["feedback's durability"]["found"]
            server.config_set("maxmemory-policy", "allkeys-lru")
            server.config_set("maxmemory", 1 << 30)
            assert examined(capsys)["redis memory"]["level"] == "fail"
        finally:
            for name, value in (
                ("appendfsync", "always"),
                ("maxmemory", 0),
                ("maxmemory-policy", "noeviction"),
            ):
                server.config_set(name, value)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("variable", "url", "name"),
    [
        ("QBRIX_REDIS_URL", "redis://127.0.0.1:1/0", "redis"),
        ("QBRIX_POSTGRES_URL", "postgresql://x:y@127.0.0.1:1/x", "postgres"),
    ],
)
def test_a_store_that_is_away_hides_nothing_of_the_other(
    variable: str, url: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv(variable, url)
    found = examined(capsys)
    assert found[name]["level"] == "fail"
    assert variable in found[name]["mend"]
    other = "postgres" if name == "redis" else "redis"
    assert found[other]["level"] == "ok"


def test_a_role_that_runs_is_asked_whether_it_is_ready(
    environment: dict[str, str], capsys: Output
) -> None:
    assert examined(capsys)["roles"]["level"] == "warn"
    with role("motor", environment=environment):
        assert examined(capsys)["motor"]["level"] == "ok"


def certified(folder: Path, *, days: tuple[int, int], key: ec.EllipticCurvePrivateKey) -> Path:
    """A certificate that begins and ends so many days from now."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .sign(key, hashes.SHA256())
    )
    path = folder / "chain.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("days", "level"), [((-1, 90), "ok"), ((-1, 7), "warn"), ((-9, -1), "fail"), ((1, 90), "fail")]
)
def test_a_certificate_is_looked_at_for_its_days(
    days: tuple[int, int], level: str, tmp_path: Path
) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    found = tls(tmp_path, certified(tmp_path, days=days, key=own), key=own)
    assert found["TLS key"].level == "ok"
    assert found["TLS certificate"].level == level


def test_a_key_that_is_another_s_is_found(tmp_path: Path) -> None:
    own, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = certified(tmp_path, days=(-1, 90), key=own)
    assert "is not the key of" in tls(tmp_path, chain, key=other)["TLS"].found
    with pytest.raises(ssl.SSLError):  # what a proxy would meet
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, tmp_path / "key.pem")


def test_a_certificate_without_its_key_is_found(tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    (found,) = examine_tls(ProxySettings(grpc_tls_cert_file=chain))
    assert found.level == "fail"
    (found,) = examine_tls(ProxySettings(grpc_tls_cert_file=chain, grpc_tls_key_file=chain))
    assert "No such file" in found.found


def tls(folder: Path, chain: Path, *, key: ec.EllipticCurvePrivateKey) -> dict[str, Finding]:
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    settings = ProxySettings(grpc_tls_cert_file=chain, grpc_tls_key_file=path)
    return {one.name: one for one in examine_tls(settings)}


def test_an_address_that_others_reach_is_told() -> None:
    local = list(examine_addresses(ProxySettings(), MotorSettings()))
    assert local == []
    everywhere = examine_addresses(ProxySettings(host="0.0.0.0"), MotorSettings(host="10.0.0.7"))
    assert [one.level for one in everywhere] == ["warn", "warn"]
