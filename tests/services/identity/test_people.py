"""People: what roles allow, which passwords are kept, how failing attempts are slowed, and codes that open once."""

from __future__ import annotations

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel.errors import AccessError, InputError
from lianfang.kernel.instant import SECOND, Instant
from lianfang.services.identity.passwords import fits, hashed, new_totp, totp_address, totp_step
from lianfang.services.identity.people import (
    FREE_FAILURES,
    LOCK_MAX_S,
    LOCK_S,
    PASSWORD_MAX,
    ROLES,
    Person,
    checked_password,
    checked_roles,
    failed,
    may_try,
    succeeded,
)

NOW = Instant(1_800_000_000 * SECOND)


def person(**more: object) -> Person:
    return Person(**{"name": "chen", "shown": "陈", "roles": ("viewer",), "created_at": NOW, **more})  # type: ignore[arg-type]


def test_permissions_are_the_union_of_the_roles_and_what_was_given_beside() -> None:
    both = person(roles=("viewer", "approver"), also=("export",))
    assert both.permissions == {"see", "approve", "export"}
    assert both.by == "person:chen"


def test_nobody_drafts_and_approves_by_one_role() -> None:
    assert not any({"draft", "approve"} <= may for may in ROLES.values())


@given(st.lists(st.sampled_from(list(ROLES)), min_size=1))
def test_roles_are_kept_once_and_in_order(roles: list[str]) -> None:
    kept = checked_roles(tuple(roles))
    assert set(kept) == set(roles)
    assert list(kept) == [role for role in ROLES if role in roles]


@pytest.mark.parametrize("roles", [(), ("king",), ("viewer", "root")])
def test_unknown_or_no_roles_are_refused(roles: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="viewer, analyst"):
        checked_roles(roles)


@pytest.mark.parametrize("bad", ["short", "x" * (PASSWORD_MAX + 1), "my name is Chen, really", "ababababababab"])
def test_a_password_that_is_easy_to_guess_is_refused(bad: str) -> None:
    with pytest.raises(InputError):
        checked_password(bad, "chen")


def test_failures_are_free_at_first_then_each_doubles_the_wait_up_to_a_most() -> None:
    one, waits = person(), []
    for _ in range(FREE_FAILURES + 8):
        one = failed(one, NOW)
        waits.append((one.locked_until - NOW) // SECOND if one.locked_until else 0)
    assert waits[: FREE_FAILURES - 1] == [0] * (FREE_FAILURES - 1)
    assert waits[FREE_FAILURES - 1 : FREE_FAILURES + 2] == [LOCK_S, 2 * LOCK_S, 4 * LOCK_S]
    assert waits[-1] == LOCK_MAX_S
    with pytest.raises(AccessError) as told:
        may_try(one, NOW)
    assert told.value.retry_after_s == LOCK_MAX_S
    may_try(one, Instant(NOW + LOCK_MAX_S * SECOND))
    assert succeeded(one).failures == succeeded(one).locked_until == 0


def test_a_disabled_account_may_not_even_try() -> None:
    with pytest.raises(AccessError, match="switched off"):
        may_try(person(disabled_at=NOW), NOW)


def test_a_password_fits_its_own_hash_and_nothing_fits_nobody() -> None:
    kept = hashed("correct horse battery")
    assert kept.startswith("$argon2id$")
    assert fits(kept, "correct horse battery")
    assert not fits(kept, "correct horse batterx")
    assert not fits(None, "nobody signs in by this")
    assert not fits("not a hash", "anything at all")


def test_a_code_opens_once_and_only_near_its_time() -> None:
    secret = new_totp()
    assert "Lianfang" in totp_address(secret, "chen")
    code = pyotp.TOTP(secret).at(NOW // SECOND)
    step = totp_step(secret, f" {code} ", NOW, 0)
    assert step == NOW // SECOND // 30
    assert totp_step(secret, code, NOW, step) is None, "a second time"
    assert totp_step(secret, code, Instant(NOW + 25 * SECOND), 0) == step, "a clock that is a little off"
    assert totp_step(secret, code, Instant(NOW + 120 * SECOND), 0) is None
    assert totp_step(secret, "", NOW, 0) is None
