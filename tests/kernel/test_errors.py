"""One family of errors, and one table of statuses for them."""

from __future__ import annotations

import json

import pytest

from lianfang.infra.http import problem_of
from lianfang.infra.http.messages import status_of
from lianfang.kernel import errors
from lianfang.kernel.errors import AccessError, DependencyError, InputError, LianfangError

KINDS = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, LianfangError)]


def test_an_input_error_says_what_and_where() -> None:
    assert str(InputError("too long", "$.memo")) == "too long - at `$.memo`"
    assert str(InputError("too long")) == "too long"


def test_codes_tell_the_kinds_apart() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_kind_has_a_status_and_its_sentence_reaches_the_caller(kind: type[LianfangError]) -> None:
    error = kind("what happened")
    head, _, body = problem_of(error).partition(b"\r\n\r\n")
    said = json.loads(body)
    assert said["detail"] == "what happened"
    assert said["status"] == status_of(error)
    assert head.startswith(b"HTTP/1.1 %d " % status_of(error))
    expected = {
        InputError: 400,
        errors.ConflictError: 409,
        errors.TooLargeError: 413,
        AccessError: 403,
        DependencyError: 503,
    }
    assert status_of(error) == expected.get(kind, 500)


def test_only_what_may_be_tried_again_says_when() -> None:
    assert b"Retry-After" in problem_of(DependencyError("x"))
    assert b"Retry-After" not in problem_of(DependencyError("x", retryable=False))
    assert b"Retry-After: 3\r\n" in problem_of(AccessError("x", "rate-limited", 2.1))
