"""One family of errors. A caller needs three answers: whose fault, is it safe to retry, what to tell the person.

LianfangError
├── InputError        the caller's: what was sent, and where in it (4xx; do not retry unchanged)
│   ├── ConflictError     it disagrees with what is already on record
│   └── TooLargeError     it exceeds a named limit
├── AccessError       the caller may not, or not now
├── EvidenceError     stored or received bytes do not prove what they claim (stop and look)
└── DependencyError   something we lean on failed: a disk, a peer (5xx; `retryable` says whether to try again)
"""

from __future__ import annotations


class LianfangError(Exception):
    """Base of all errors this project raises on purpose. `str(error)` is a sentence for a person."""

    code = "error"


class InputError(LianfangError):
    """What the caller sent is wrong. `where` is a path (`$.payer.account`), a file position, or empty."""

    code = "invalid-input"

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{what} - at `{where}`" if where else what)
        self.what = what
        self.where = where


class ConflictError(InputError):
    """It disagrees with what is on record, such as a changed payment under an old id."""

    code = "conflict"


class TooLargeError(InputError):
    """It exceeds a named limit of `kernel.limits` or of the settings."""

    code = "too-large"


class AccessError(LianfangError):
    """The caller may not do this. `code` says why: no key, wrong scope, too many requests."""

    code = "forbidden"

    def __init__(self, what: str, code: str = "forbidden", retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.retry_after_s = retry_after_s


class EvidenceError(LianfangError):
    """Bytes do not prove what they claim: a checksum, a chain, a signature. Never repaired in silence."""

    code = "bad-evidence"


class DependencyError(LianfangError):
    """Something we lean on failed. `retryable` tells the caller whether trying again can help."""

    code = "dependency-failed"

    def __init__(self, what: str, code: str = "dependency-failed", *, retryable: bool = True) -> None:
        super().__init__(what)
        self.code = code
        self.retryable = retryable
