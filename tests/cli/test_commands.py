"""Commands that do one thing and end."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from qbrix.bundle import SigningKey, TrustedKeys, export, load
from qbrix.policies.beta_ts import BetaTSPolicy
from serving.cli import main
from serving.proxy.people.sign_in import new_user
from serving.storage.base import Stores
from tests.cli.stores import over

Output = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("environment")
def test_a_key_is_printed_once_and_alone(capsys: Output) -> None:
    wanted = ["--tenant", "local", "--name", "admin", "--role", "admin"]
    keys = set()
    for _ in range(2):
        assert main(["key", "create", *wanted]) == 0
        printed = capsys.readouterr().out
        assert re.fullmatch(r"optiq_[A-Za-z0-9_-]{43}\n", printed)
        keys.add(printed)
    assert len(keys) == 2


@pytest.mark.usefixtures("environment")
def test_a_person_is_invited_to_a_workspace_that_exists(capsys: Output) -> None:
    words = ["user", "invite", "--tenant", "local", "--email", "Ada@acme.io", "--role", "admin"]
    assert main(words) == 1
    assert "workspace" in capsys.readouterr().err
    main(["key", "create", "--tenant", "local", "--name", "k"])
    capsys.readouterr()
    assert main(words) == 0
    token = capsys.readouterr().out.strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)


@pytest.mark.usefixtures("environment")
def test_nobody_without_an_address_is_invited(capsys: Output) -> None:
    words = ["user", "invite", "--tenant", "local", "--email", "ada.acme.io"]
    assert main(words) == 1
    assert "email = 'ada.acme.io': not an e-mail address" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: Output) -> None:
    assert main(["bundle", "show", str(tmp_path / "nowhere.qbrix")]) == 1
    assert "nowhere.qbrix" in capsys.readouterr().err


@pytest.mark.usefixtures("environment")
def test_a_password_is_read_from_a_pipe_and_must_be_one_of_somebody(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    for given, refusal in (("short", "5 characters"), ("battery staple", "ada@acme.io")):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{given}\n"))
        assert main(["user", "password", "--email", "ada@acme.io"]) == 1
        assert refusal in capsys.readouterr().err


def test_a_forgotten_password_is_replaced_and_every_session_ends(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    email = "ada@acme.io"
    assert main(["key", "create", "--tenant", "local", "--name", "k"]) == 0
    assert main(["user", "invite", "--tenant", "local", "--email", email]) == 0
    token = capsys.readouterr().out.split()[-1]

    async def accept(stores: Stores) -> None:
        tenant = await stores.catalog.find_tenant("local")
        assert tenant is not None
        made = new_user(email, name="Ada", tenant=tenant, role="member", password_hash="none")
        digest = hashlib.sha256(token.encode()).hexdigest()
        await stores.accounts.accept_invite(made, token_sha256=digest)

    over(environment, accept)
    monkeypatch.setattr("sys.stdin", io.StringIO("battery staple\n"))
    assert main(["user", "password", "--email", email.upper()]) == 0
    assert "battery" not in capsys.readouterr().out

    async def look(stores: Stores) -> None:
        user = await stores.accounts.find_user(email)
        assert user is not None
        assert (user.revision, user.sessions_from) == (1, 1)
        assert PasswordHasher().verify(user.password_hash, "battery staple")

    over(environment, look)


@pytest.mark.usefixtures("environment")
def test_migrating_twice_is_migrating_once(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("QBRIX_POSTGRES_URL", empty_postgres_url)
    assert main(["doctor"]) == 1
    assert "; run qbrix migrate" in capsys.readouterr().out
    answers = []
    for _ in range(2):
        assert main(["migrate"]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "beta.qbrix"
    export(BetaTSPolicy(), path=path, arms=2)
    return path


def test_a_bundle_is_shown(bundle: Path, capsys: Output) -> None:
    assert main(["bundle", "show", str(bundle)]) == 0
    assert '"name": "BetaTSPolicy"' in capsys.readouterr().out


def test_a_bundle_is_signed_and_verified(bundle: Path, tmp_path: Path, capsys: Output) -> None:
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


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_asking_without_a_key_or_a_server_is_told(
    command: str, bundle: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QBRIX_API_KEY", raising=False)
    words = {"promote": ["--experiment", "e", str(bundle)], "rollback": ["0" * 32]}[command]
    words = [command, *words, "--url", "http://127.0.0.1:1"]
    assert main(words) == 1
    assert "QBRIX_API_KEY" in capsys.readouterr().err
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert main([*words, "--api-key", "optiq_x"]) == 1
    assert "http://127.0.0.1:1" in capsys.readouterr().err


def test_settings_that_are_missing_are_named_as_the_variables_they_are(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QBRIX_POSTGRES_URL", "QBRIX_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main(["migrate"]) == 1
    assert "QBRIX_POSTGRES_URL: Field required" in capsys.readouterr().err
