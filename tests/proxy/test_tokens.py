"""A request_id can be read by nobody else, changed by nobody, and used by nobody else."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.errors import TokenRejected
from serving.tokens import LIFETIME_S, DecisionToken, TokenSealer

KEY = bytes(range(32))
TENANT = "0123456789abcdef0123456789abcdef"
NOW_S = 1_800_000_000.0

HEX32 = st.binary(min_size=16, max_size=16).map(bytes.hex)
UNIT = st.floats(0, 1)


def tokens(tenant: st.SearchStrategy[str] = HEX32) -> st.SearchStrategy[DecisionToken]:
    return st.builds(
        DecisionToken,
        tenant=tenant,
        experiment=HEX32,
        decision_id=HEX32,
        epoch=st.integers(0, 2**32 - 1),
        version=st.integers(0, 2**63),
        decided_ms=st.just(round(NOW_S * 1000)),
        arm=st.integers(0, 2**32 - 1),
        u=UNIT,
        low=UNIT,
        propensity=UNIT,
        gate=st.booleans(),
        recorded=st.lists(st.floats(allow_nan=False), max_size=5).map(tuple),
        context=st.lists(st.floats(), max_size=20).map(lambda x: struct.pack(f"<{len(x)}d", *x)),
    )


def sealer(*keys: bytes, now_s: float = NOW_S) -> TokenSealer:
    return TokenSealer(keys or [KEY], clock=lambda: now_s)


def token(decided_s: float = NOW_S) -> DecisionToken:
    ids = ("a" * 32, "b" * 32)
    return DecisionToken(TENANT, *ids, 3, 17, round(decided_s * 1000), 2, 0.625, 0.5, 0.25)


@given(tokens())
def test_what_was_sealed_is_what_is_opened(sealed: DecisionToken) -> None:
    assert sealer().open(sealer().seal(sealed), tenant=sealed.tenant) == sealed


@settings(max_examples=30)
@given(tokens(tenant=st.just(TENANT)), st.data())
def test_a_changed_character_is_refused(sealed: DecisionToken, data: st.DataObject) -> None:
    text = sealer().seal(sealed)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[place]))
    with pytest.raises(TokenRejected):
        sealer().open(text[:place] + other + text[place + 1 :], tenant=TENANT)


def test_every_other_character_in_every_place_is_refused() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = sealer().seal(token())
    for place, character in enumerate(text):
        for other in alphabet.replace(character, ""):
            with pytest.raises(TokenRejected):
                sealer().open(text[:place] + other + text[place + 1 :], tenant=TENANT)


@pytest.mark.parametrize(
    "text", ["", "=", "é", "A", "\x00" * 182, "A" * 182, "A" * 100_000, "+" * 182, " " * 182]
)
def test_nonsense_is_refused_as_forged(text: str) -> None:
    with pytest.raises(TokenRejected, match="not one of ours") as refused:
        sealer().open(text, tenant=TENANT)
    assert refused.value.reason == "forged"


@pytest.mark.parametrize("extra", ["=", "==", "\n", "A", "AAAA", " "])
def test_a_token_with_something_behind_it_is_refused(extra: str) -> None:
    text = sealer().seal(token())
    with pytest.raises(TokenRejected):
        sealer().open(text + extra, tenant=TENANT)
    with pytest.raises(TokenRejected):
        sealer().open(extra + text, tenant=TENANT)
    with pytest.raises(TokenRejected):
        sealer().open(text[: -len(extra)], tenant=TENANT)


def test_another_tenant_is_refused_with_its_own_reason() -> None:
    with pytest.raises(TokenRejected, match="another workspace") as refused:
        sealer().open(sealer().seal(token()), tenant="f" * 32)
    assert refused.value.reason == "tenant"


def test_another_key_is_refused() -> None:
    with pytest.raises(TokenRejected, match="not one of ours"):
        sealer(os.urandom(32)).open(sealer().seal(token()), tenant=TENANT)


def test_after_a_rotation_the_new_key_seals_and_both_open() -> None:
    new = os.urandom(32)
    rotated = sealer(new, KEY)
    assert rotated.open(sealer().seal(token()), tenant=TENANT) == token()
    assert sealer(new).open(rotated.seal(token()), tenant=TENANT) == token()


def test_a_token_lives_for_thirty_days_and_no_longer() -> None:
    text = sealer().seal(token())
    assert sealer(now_s=NOW_S + LIFETIME_S).open(text, tenant=TENANT) == token()
    for late_s in (LIFETIME_S + 0.001, LIFETIME_S + 86_400, 100 * LIFETIME_S):
        with pytest.raises(TokenRejected, match="token expired") as refused:
            sealer(now_s=NOW_S + late_s).open(text, tenant=TENANT)
        assert refused.value.reason == "expired"


def test_clocks_may_differ_by_a_day_between_proxies() -> None:
    text = sealer().seal(token(decided_s=NOW_S + 3600))
    assert sealer().open(text, tenant=TENANT).decided_ms == round((NOW_S + 3600) * 1000)


def test_the_same_decision_is_never_sealed_into_the_same_text() -> None:
    assert sealer().seal(token()) != sealer().seal(token())


def test_neither_ids_nor_contexts_can_be_read_in_the_text() -> None:
    from base64 import urlsafe_b64decode

    raw = urlsafe_b64decode(sealer().seal(token()) + "==")
    assert bytes.fromhex(TENANT) not in raw
    assert struct.pack(">d", 0.625) not in raw


def test_the_secret_does_not_show_in_the_repr() -> None:
    assert KEY.hex() not in repr(sealer())
    assert "\\x1f" not in repr(sealer())


def test_tokens_of_format_1_are_read_for_ever() -> None:
    kept = (
        "ATMXxqdRYV6ClvJm1GSX1hTptHI3fI7sdZq9MF_MQhD6zd3RmV02t0X4qjK98fKa"
        "OWj4qeARlbivDW6fF67WBkZsmo4oGfJo1Q_rnk_rerb2F0AW6tbN-lBvDbkMZicV"
        "q5Xc-cieKOa6yNxcqGJjayP5QgKyak_SHnKhREpgoBeTk_ig9fBkIQ"
    )
    assert sealer().open(kept, tenant=TENANT) == token()
