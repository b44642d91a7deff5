"""Passwords as argon2id hashes (RFC 9106, its second recommended option: 64 MiB, three passes) and one-time codes (RFC 6238)."""

from __future__ import annotations

import base64
from functools import cache
from typing import Final

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from lianfang.kernel.instant import SECOND, Instant
from lianfang.services.identity.keys import Random

STEP_S: Final = 30
FIRST_BYTES: Final = 12
ISSUER: Final = "Lianfang"
_hasher: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


@cache
def _nobody() -> str:
    """A hash of nothing known: whoever has no account takes as long as whoever has one."""
    return _hasher.hash("nobody signs in by this")


def hashed(password: str) -> str:
    """Takes about 50 ms and 64 MiB, on purpose."""
    return _hasher.hash(password)


def fits(kept: str | None, password: str) -> bool:
    """Whether it is the password; as slow for an unknown person as for a known one."""
    try:
        return _hasher.verify(kept or _nobody(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def first_password(random: Random) -> str:
    """A password for somebody new, of 96 random bits: shown once to whoever makes them."""
    return base64.urlsafe_b64encode(random(FIRST_BYTES)).decode()


def new_totp() -> str:
    """A new base32 secret of 160 bits."""
    return pyotp.random_base32()


def totp_address(secret: str, name: str) -> str:
    """The otpauth: address that an authenticator reads from a picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def totp_step(secret: str, code: str, now: Instant, after: int) -> int | None:
    """The time step the code belongs to (now, or one step either side), newer than `after`; None if it does not fit."""
    step = now // SECOND // STEP_S
    totp = pyotp.TOTP(secret)
    for candidate in (step, step - 1, step + 1):
        if candidate > after and totp.verify(code.strip(), for_time=candidate * STEP_S):
            return int(candidate)
    return None
