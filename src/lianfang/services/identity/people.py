"""People who sign in: their roles, what each role may do, and how a failing sign-in is slowed. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.kernel.errors import AccessError, InputError
from lianfang.kernel.instant import SECOND, Instant

Role = Literal["viewer", "analyst", "engineer", "approver", "operator", "auditor"]
Permission = Literal[
    "see", "label", "work", "unmask", "export", "lists", "draft", "approve", "operate", "people", "audit"
]
ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    "viewer": frozenset({"see"}),
    "analyst": frozenset({"see", "label", "work", "unmask", "lists"}),
    "engineer": frozenset({"see", "draft", "lists"}),
    "approver": frozenset({"see", "approve"}),
    "operator": frozenset({"see", "operate", "people"}),
    "auditor": frozenset({"see", "audit", "export"}),
}
"""What each role may do. `unmask`: read personal data, with a reason; `work`: decide alerts; `draft`: change rules by drafts."""
EXTRA: Final[tuple[Permission, ...]] = ("export", "unmask")
"""What one person may be given beyond their roles."""
PASSWORD_MIN: Final = 12
PASSWORD_MAX: Final = 128
FREE_FAILURES: Final = 5
LOCK_S: Final = 30
LOCK_MAX_S: Final = 900

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9._-]{1,31}\Z")]
"""What a person signs in by."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One person. Times in microseconds UTC; `password`: an argon2 hash, or None for those who come by OIDC."""

    name: Name
    shown: Annotated[str, Meta(min_length=1, max_length=64)]
    roles: tuple[Role, ...]
    also: tuple[Permission, ...] = ()
    password: str | None = None
    totp: str | None = None
    """Base32 secret of the second factor (RFC 6238), once confirmed."""
    totp_step: int = 0
    """The last time step that was used: a code opens once."""
    subject: str | None = None
    """Who they are at the OIDC provider: `<issuer> <sub>`."""
    failures: int = 0
    locked_until: int = 0
    created_at: int
    disabled_at: int | None = None

    @property
    def by(self) -> str:
        """How acts of theirs are recorded."""
        return f"person:{self.name}"

    @property
    def permissions(self) -> frozenset[Permission]:
        """All they may do."""
        granted: set[Permission] = set(self.also)
        for role in self.roles:
            granted |= ROLES[role]
        return frozenset(granted)


def new_person(
    name: str,
    roles: tuple[str, ...],
    password: str,
    at: Instant,
    *,
    shown: str = "",
    also: tuple[Permission, ...] = (),
) -> Person:
    """A person with a password's hash. Raises `InputError` for a name, a shown name or roles that are none."""
    made = {
        "name": name, "shown": shown or name, "roles": checked_roles(roles), "also": also, "password": password,
        "created_at": at,
    }  # fmt: skip
    try:
        return msgspec.convert(made, Person)
    except msgspec.ValidationError as why:
        raise InputError(
            "a name has 2 to 32 small letters, digits, dots, dashes or underscores, and begins with a letter; "
            "a shown name has at most 64 characters",
            "name",
        ) from why


def checked_roles(roles: tuple[str, ...]) -> tuple[Role, ...]:
    """Known roles, each once, in the order of `ROLES`. Raises `InputError`."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise InputError(f"a person has one or more of the roles {', '.join(ROLES)}", "roles")
    return tuple(role for role in ROLES if role in roles)


def checked_password(password: str, name: str) -> str:
    """A password fit to be kept. Raises `InputError` (NIST SP 800-63B section 5.1.1: length, not composition)."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise InputError(f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters", "password")
    if name in password.lower() or len(set(password)) < 5:
        raise InputError("this password is too easy to guess: not your name, not a few characters repeated", "password")
    return password


def may_try(person: Person, now: Instant) -> None:
    """Raises `AccessError` while a person is locked out or disabled."""
    if person.disabled_at is not None:
        raise AccessError("this account is switched off; ask an operator", "disabled")
    if now < person.locked_until:
        wait = (person.locked_until - now) / SECOND
        raise AccessError("too many failed attempts; wait before the next one", "rate-limited", wait)


def failed(person: Person, now: Instant) -> Person:
    """After one more failure: the first few are free, then each doubles the wait."""
    failures = person.failures + 1
    over = failures - FREE_FAILURES
    wait = min(LOCK_S << min(over, 10), LOCK_MAX_S) if over >= 0 else 0
    return msgspec.structs.replace(person, failures=failures, locked_until=now + wait * SECOND if wait else 0)


def succeeded(person: Person) -> Person:
    """After a sign-in."""
    return msgspec.structs.replace(person, failures=0, locked_until=0)
