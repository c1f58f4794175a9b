"""Commands that do one thing and end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qbrix.bundle import SigningKey, TrustedKeys, export, load
from qbrix.policies.beta_ts import BetaTSPolicy
from serving.cli import main
from tests.cli.processes import qbrix


def test_a_key_is_printed_once_and_alone(environment: dict[str, str]) -> None:
    wanted = ("--tenant", "local", "--name", "admin", "--role", "admin")
    first = qbrix("key", "create", *wanted, environment=environment)
    second = qbrix("key", "create", *wanted, environment=environment)
    for made in (first, second):
        assert made.returncode == 0, made.stderr
        assert re.fullmatch(r"optiq_[A-Za-z0-9_-]{43}\n", made.stdout)
    assert first.stdout != second.stdout


def test_migrating_twice_is_migrating_once(
    environment: dict[str, str], empty_postgres_url: str
) -> None:
    environment["QBRIX_POSTGRES_URL"] = empty_postgres_url
    answers = [qbrix("migrate", environment=environment) for _ in range(2)]
    assert [answer.returncode for answer in answers] == [0, 0]
    assert answers[0].stdout == answers[1].stdout


def test_the_doctor_finds_everything_in_order(environment: dict[str, str]) -> None:
    found = qbrix("doctor", environment=environment)
    assert found.returncode == 0, found.stdout + found.stderr
    assert all(line.startswith("ok") for line in found.stdout.splitlines())


def test_the_doctor_finds_what_is_wrong_and_says_what_to_do(
    environment: dict[str, str], empty_postgres_url: str, tmp_path: Path
) -> None:
    environment["QBRIX_POSTGRES_URL"] = empty_postgres_url
    (tmp_path / "draw.key").write_text("short")
    found = qbrix("doctor", environment=environment)
    assert found.returncode == 1
    assert "FAIL  draw key" in found.stdout
    assert "run qbrix migrate" in found.stdout
    assert "ok    redis" in found.stdout


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "beta.qbrix"
    export(BetaTSPolicy(), path=path, arms=2)
    return path


def test_a_bundle_is_shown(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "show", str(bundle)]) == 0
    assert '"name": "BetaTSPolicy"' in capsys.readouterr().out


def test_a_bundle_is_signed_and_verified(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = SigningKey.load_or_create(tmp_path / "key")
    TrustedKeys([key.public]).save(tmp_path / "trusted.pub")
    trusted = ["--trusted", str(tmp_path / "trusted.pub")]
    assert main(["bundle", "verify", *trusted, str(bundle)]) == 1
    assert "not signed" in capsys.readouterr().err
    signed = tmp_path / "signed.qbrix"
    words = ["bundle", "sign", "--key", str(tmp_path / "key"), "--output", str(signed)]
    assert main([*words, str(bundle)]) == 0
    assert load(signed).signed_by == key.key_id
    assert main(["bundle", "verify", *trusted, str(signed)]) == 0
    assert f"signed by {key.key_id}" in capsys.readouterr().out


def test_promoting_without_a_key_or_a_server_is_told(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QBRIX_API_KEY", raising=False)
    words = ["promote", "--experiment", "e", "--url", "http://127.0.0.1:1", str(bundle)]
    assert main(words) == 1
    assert "QBRIX_API_KEY" in capsys.readouterr().err
    assert main([*words, "--api-key", "optiq_x"]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_settings_that_are_missing_are_named_as_the_variables_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QBRIX_POSTGRES_URL", "QBRIX_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main(["migrate"]) == 1
    assert "QBRIX_POSTGRES_URL: Field required" in capsys.readouterr().err
