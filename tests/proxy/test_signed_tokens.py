"""Access and refresh tokens: only ours, only in time, only for what they were made."""

from __future__ import annotations

import json
import warnings
from base64 import urlsafe_b64encode

import jwt
import msgspec
import pytest

from serving.proxy.people.principals import ROLES
from serving.proxy.people.signed_tokens import SignedTokens
from serving.storage.records_accounts import UserRecord

KEY, OLD_KEY = bytes(range(32)), bytes(range(32, 64))
MINUTE_S = 60.0
START_S = 1_790_000_000.0
USER = UserRecord(
    id="u" * 32,
    tenant="t" * 32,
    email="ada@acme.io",
    name="Ada",
    role="member",
    password_hash="",
    created_ms=0,
    changed_ms=0,
    revision=3,
)


class Clock:
    """Seconds that a test turns."""

    def __init__(self) -> None:
        self.now_s = START_S

    def __call__(self) -> float:
        return self.now_s


def make(clock: Clock | None = None, keys: tuple[bytes, ...] = (KEY,)) -> SignedTokens:
    """Tokens of a minute and of ten."""
    return SignedTokens(
        list(keys), access_s=MINUTE_S, refresh_s=10 * MINUTE_S, clock=clock or Clock()
    )


def part(value: object) -> str:
    """One part of a token."""
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def claims() -> dict[str, object]:
    """What a valid token of the user says."""
    return dict(jwt.decode(make().access(USER), options={"verify_signature": False}))


def test_an_access_token_stands_for_the_user_as_of_its_revision() -> None:
    tokens = make()
    principal = tokens.principal(tokens.access(USER))
    assert principal is not None
    assert (principal.tenant, principal.user, principal.revision) == (USER.tenant, USER.id, 3)
    assert principal.scopes == ROLES["member"]
    assert principal.signed_in


def test_it_ends_on_the_second_also_when_it_is_remembered() -> None:
    clock = Clock()
    tokens = make(clock)
    token = tokens.access(USER)
    clock.now_s += MINUTE_S - 1
    assert tokens.principal(token) is not None
    clock.now_s += 1
    assert tokens.principal(token) is None
    assert make(clock).principal(token) is None


def test_a_refresh_token_is_named_by_a_digest_and_ends_too() -> None:
    clock = Clock()
    tokens = make(clock)
    made = tokens.refresh()
    assert made.expires_ms == (START_S + 10 * MINUTE_S) * 1000
    assert tokens.refresh_digest(made.token) == made.digest
    assert made.digest not in made.token
    clock.now_s += 10 * MINUTE_S
    assert tokens.refresh_digest(made.token) is None


def test_neither_kind_passes_for_the_other() -> None:
    tokens = make()
    assert tokens.principal(tokens.refresh().token) is None
    assert tokens.refresh_digest(tokens.access(USER)) is None


def test_keys_are_replaced_without_ending_what_the_old_one_signed() -> None:
    before, after = make(keys=(OLD_KEY,)), make(keys=(KEY, OLD_KEY))
    assert after.principal(before.access(USER)) is not None
    assert before.principal(after.access(USER)) is None
    assert make(keys=(KEY,)).principal(before.access(USER)) is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_our_key(algorithm: str) -> None:
    said = jwt.get_unverified_header(make().access(USER))
    headers = {"kid": said["kid"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the key is short for them
        forged = jwt.encode(claims(), KEY, algorithm=algorithm, headers=headers)
    assert make().principal(forged) is None


def test_without_a_signature_it_is_nothing() -> None:
    token = make().access(USER)
    header, payload, _ = token.split(".")
    for alg in ("none", "None", "NONE", ""):
        assert make().principal(f"{part({'alg': alg, 'typ': 'JWT'})}.{payload}.") is None
    assert make().principal(f"{header}.{payload}.") is None
    assert make().principal(f"{header}.{payload}") is None


def test_whoever_changes_a_claim_breaks_the_signature() -> None:
    header, _, signature = make().access(USER).split(".")
    forged = part({**claims(), "role": "admin"})
    assert make().principal(f"{header}.{forged}.{signature}") is None


@pytest.mark.parametrize(
    "change",
    [
        {"role": "owner"},
        {"role": None},
        {"iss": "another"},
        {"exp": "9999999999"},
        {"exp": float("1e400")},
        {"use": "refresh"},
        {"revision": "3"},
        {"sub": 7},
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused_though_the_signature_is_right(
    change: dict[str, object],
) -> None:
    said = jwt.get_unverified_header(make().access(USER))
    headers = {"kid": said["kid"]}
    good = jwt.encode(claims(), KEY, algorithm="HS256", headers=headers)
    assert make().principal(good) is not None
    bad = jwt.encode({**claims(), **change}, KEY, algorithm="HS256", headers=headers)
    assert make().principal(bad) is None


@pytest.mark.parametrize(
    "nonsense",
    ["", ".", "..", "a.b.c", "ü.ü.ü", "x" * 100_000, f"{part([[[]]])}.a.b", "\x00"],
)
def test_nonsense_is_nobody(nonsense: str) -> None:
    assert make().principal(nonsense) is None
    assert make().refresh_digest(nonsense) is None


def test_a_header_is_never_parsed_before_it_is_verified() -> None:
    deep = urlsafe_b64encode(b"[" * 60_000).decode()
    assert make().principal(f"{deep}.e30.x") is None


def test_a_role_that_a_later_version_has_is_nobody_here() -> None:
    owner = msgspec.structs.replace(USER, role="owner")
    assert make().principal(make().access(owner)) is None
