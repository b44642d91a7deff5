"""The decider's door: no answer before it is durable, the same answer again, and a 4xx for whatever else comes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.http import Request, problem_of
from lianfang.kernel import limits
from lianfang.kernel.errors import AccessError, DependencyError, LianfangError
from lianfang.services.decide import Door
from lianfang.wire import Policy
from tests.services.decide.twins import NOW, Bench, book_of, payment, rule

RULES = [rule("large", "amount >= 1000", action="hold")]


class Connection:
    """Counts flushes."""

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


class Slot:
    """As the server's."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.connection = Connection()


class House:
    """A door before a decider, with a journal and clocks in the test's hand."""

    def __init__(self, **more: Any) -> None:
        self.bench = Bench(book_of(RULES, policy=Policy(late="block")))
        self.journal = self.bench.journal
        self.refuse: AccessError | None = None
        self.asked: list[tuple[bytes | None, str, int]] = []
        self.work_ns = 0
        given_: dict[str, Any] = {"deadline_ms": 50, "waiting_max": 100, **more}
        pages = {b"/healthz": lambda: (200, b"{}", b"application/json")}
        self.door = Door(
            self.bench.decider,
            self.journal,
            self._authorize,
            wall=lambda: NOW,
            ticks=self._ticks,
            pages=pages,
            **given_,
        )

    def _authorize(self, header: bytes | None, scope: str, cost: int) -> None:
        self.asked.append((header, scope, cost))
        if self.refuse is not None:
            raise self.refuse

    def _ticks(self) -> int:
        self.bench.ticks.ns += self.work_ns
        return self.bench.ticks.ns

    def send(self, method: str, target: str | bytes, body: bytes = b"", **headers: str) -> Slot:
        """One request; its slot, which may still be empty."""
        slot = Slot()
        named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        path = target.encode() if isinstance(target, str) else target
        try:
            answer = self.door.handle(Request(method.encode(), path, named, body), slot)
        except LianfangError as why:
            answer = problem_of(why)
        if answer is not None:
            slot.answer = answer
        return slot

    def decide(self, body: bytes, **headers: str) -> Slot:
        return self.send("POST", "/v1/decisions", body, **headers)

    def sync(self, up_to: int | None = None) -> None:
        """Everything up to a seq is durable."""
        self.journal.durable_seq = len(self.journal.records) if up_to is None else up_to
        self.door.on_durable(self.journal.durable_seq)


def read(slot: Slot) -> tuple[int, Any, dict[str, str]]:
    assert slot.answer is not None, "no answer yet"
    head, _, body = slot.answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["Content-Length"]) == len(body)
    return int(first.split(" ")[1]), json.loads(body), headers


def problem_of_slot(slot: Slot, status: int, code: str) -> Any:
    got, body, headers = read(slot)
    assert (got, body["status"], body["code"]) == (status, status, code), body
    assert headers["Content-Type"] == "application/problem+json"
    assert body["detail"]
    return body


def test_an_answer_leaves_when_its_record_is_durable_and_not_before() -> None:
    house = House()
    slots = [house.decide(payment(f"p{i}")) for i in range(3)]
    assert [s.answer for s in slots] == [None] * 3
    assert house.journal.commits_asked
    house.sync(2)
    assert [s.answer is not None for s in slots] == [True, True, False]
    assert slots[0].connection.flushed == 1
    house.sync(3)
    assert read(slots[2])[1]["payment_id"] == "p2"
    assert house.door.waiting == 0


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.one_of(st.integers(0, 5), st.just("sync")), max_size=25))
def test_whatever_the_order_no_answer_is_ahead_of_its_record(steps: list[int | str]) -> None:
    house = House()
    slots: list[tuple[str, Slot]] = []
    answers: dict[str, bytes] = {}
    for step in steps:
        if step == "sync":
            house.sync(min(house.journal.durable_seq + 2, len(house.journal.records)))
        else:
            slots.append((f"p{step}", house.decide(payment(f"p{step}"))))
        for name, slot in slots:
            if slot.answer is not None:
                assert read(slot)[1]["seq"] <= house.journal.durable_seq
                assert answers.setdefault(name, slot.answer) == slot.answer
    house.sync()
    assert all(slot.answer is not None for _, slot in slots)
    assert len(house.journal.records) == len({name for name, _ in slots})


def test_a_repeated_payment_gets_the_same_bytes_before_and_after_it_is_durable() -> None:
    house = House()
    first, second = house.decide(payment()), house.decide(payment())
    assert second.answer is None
    house.sync()
    third = house.decide(payment())
    assert first.answer == second.answer == third.answer is not None


def test_a_changed_payment_under_an_old_id_is_a_conflict() -> None:
    house = House()
    house.decide(payment())
    body = problem_of_slot(house.decide(payment(amount=2)), 409, "conflict")
    assert body["where"] == "$.id"
    house.sync()
    problem_of_slot(house.decide(payment(amount=2)), 409, "conflict")


def test_a_failed_journal_answers_503_and_later_the_same_decision() -> None:
    house = House()
    slot = house.decide(payment(amount=5_000))
    broken = DependencyError("the disk is full", "journal-unavailable")
    house.journal.failure = broken
    house.door.on_failed(broken, 1, 1)
    problem_of_slot(slot, 503, "journal-unavailable")
    assert read(slot)[2]["Retry-After"] == "1"
    again = house.decide(payment(amount=5_000))
    problem_of_slot(again, 503, "journal-unavailable")
    assert "Retry-After" in read(again)[2]
    house.journal.failure = None
    retried = house.decide(payment(amount=5_000))
    assert retried.answer is None
    house.sync()
    assert read(retried)[1]["action"] == "hold"
    assert len(house.journal.records) == 1


def test_a_decision_is_shown_only_when_it_is_durable() -> None:
    house = House()
    asked = house.decide(payment())
    early = house.send("GET", "/v1/decisions/p1")
    assert early.answer is None
    house.sync()
    assert early.answer == asked.answer == house.send("GET", "/v1/decisions/p1?x=1").answer
    problem_of_slot(house.send("GET", "/v1/decisions/p2"), 404, "not-found")


@pytest.mark.parametrize("payment_id", ["a/b", "a b", "支付", "a?b#c", "%41", "\x7f"])
def test_ids_are_quoted_in_paths(payment_id: str) -> None:
    house = House()
    house.decide(payment(payment_id))
    house.sync()
    shown = read(house.send("GET", "/v1/decisions/" + quote(payment_id, safe="")))
    assert (shown[0], shown[1]["payment_id"]) == (200, payment_id)


@pytest.mark.parametrize("path", [b"/v1/decisions/", b"/v1/decisions/" + b"x" * 65, b"/v1/decisions/?id=1"])
def test_an_id_that_cannot_be_is_the_callers_mistake(path: bytes) -> None:
    problem_of_slot(House().send("GET", path), 400, "invalid-input")


def test_a_batch_is_answered_in_order_when_all_of_it_is_durable() -> None:
    house = House()
    slot = house.decide(b"[%b,%b]" % (payment("a"), payment("b", amount=5_000)))
    house.sync(1)
    assert slot.answer is None
    house.sync(2)
    assert [(d["payment_id"], d["action"]) for d in read(slot)[1]] == [("a", "allow"), ("b", "hold")]
    assert house.asked == [(None, "decide", 2)]


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (payment("b", payer={"x": 1}), "$[1].payer"),
        (b"5", "$[1]"),
        (payment("b").replace(b'"p"', b"p").replace(b"100", b"-1"), "$[1].amount"),
        (payment("b", memo="x\x00"), "$[1].memo"),
    ],
)
def test_a_batch_with_one_mistake_decides_nothing_and_names_it(bad: bytes, where: str) -> None:
    house = House()
    slot = house.decide(b" [%b,%b]" % (payment("a"), bad))
    assert problem_of_slot(slot, 400, "invalid-input")["where"] == where
    assert house.journal.records == []


def test_in_a_batch_a_conflict_refuses_its_item_alone() -> None:
    house = House()
    slot = house.decide(b"[%b,%b,%b]" % (payment("a"), payment("a", amount=2), payment("b")))
    house.sync()
    answers = read(slot)[1]
    assert [a.get("refused") for a in answers] == [None, "conflict", None]
    only = house.decide(b"[%b]" % payment("a", amount=2))
    assert read(only)[1][0]["refused"] == "conflict"


def test_batches_have_a_largest_size_and_an_empty_one_is_empty() -> None:
    house = House()
    many = b"[" + b",".join([payment()] * (limits.BATCH_PAYMENTS_MAX + 1)) + b"]"
    problem_of_slot(house.decide(many), 413, "too-large")
    assert house.journal.records == []
    assert read(house.decide(b"[]"))[:2] == (200, [])


def test_a_payment_that_waited_for_its_turn_past_the_deadline_is_late() -> None:
    house = House(deadline_ms=50)
    house.bench.ticks.ns = 2_000_000_000
    headers: dict[bytes, bytes] = {}
    for waited_s, late in ((0.049, False), (0.051, True)):
        slot = Slot()
        request = Request(b"POST", b"/v1/decisions", headers, payment(f"after-{waited_s}"), 2.0 - waited_s)
        assert house.door.handle(request, slot) is None
        house.sync()
        answer = read(slot)[1]
        assert answer.get("unsure", False) is late
        assert answer["action"] == ("block" if late else "allow")


def test_what_waits_in_a_batch_past_the_deadline_is_late() -> None:
    house = House(deadline_ms=50)
    house.work_ns = 30_000_000
    slot = house.decide(b"[%b,%b,%b]" % (payment("a"), payment("b"), payment("c")))
    house.sync()
    answers = read(slot)[1]
    assert answers[0]["action"] == "allow"
    assert [(a["action"], a["unsure"], a["reasons"][0]["code"]) for a in answers[-1:]] == [
        ("block", True, "deadline-passed")
    ]


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (AccessError("send your key", "no-key"), 401, ("WWW-Authenticate", "Bearer")),
        (AccessError("unknown", "bad-key"), 401, ("WWW-Authenticate", "Bearer")),
        (AccessError("not yours", "wrong-scope"), 403, None),
        (AccessError("slower", "rate-limited", 0.2), 429, ("Retry-After", "1")),
    ],
)
def test_who_may_not_is_told_so_and_nothing_is_decided(
    error: AccessError, status: int, header: tuple[str, str] | None
) -> None:
    house = House()
    house.refuse = error
    outcome = b'{"payment_id":"p","label":"fraud","known_at":"2026-05-01T00:00:00Z","source":"s"}'
    for slot in (
        house.decide(payment(), authorization="Bearer x"),
        house.decide(b"[%b]" % payment()),
        house.send("POST", "/v1/outcomes", outcome),
        house.send("GET", "/v1/decisions/p1"),
    ):
        problem_of_slot(slot, status, error.code)
        if header:
            assert read(slot)[2][header[0]] == header[1]
    assert [scope for _, scope, _ in house.asked] == ["decide", "decide", "outcomes", "read"]
    assert house.asked[0][0] == b"Bearer x"
    assert house.journal.records == []
    assert house.door.refused[error.code] == 4


def test_only_json_is_read() -> None:
    house = House()
    for path in ("/v1/decisions", "/v1/outcomes"):
        slot = house.send("POST", path, payment(), content_type="text/plain")
        problem_of_slot(slot, 415, "unsupported-media-type")
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"):
        assert house.decide(payment(), content_type=kind).answer is None


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/decisions", "POST"),
        ("PUT", "/v1/outcomes", "POST"),
        ("POST", "/v1/decisions/p1", "GET, HEAD"),
        ("DELETE", "/healthz?x", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(method: str, path: str, allow: str) -> None:
    slot = House().send(method, path, payment())
    problem_of_slot(slot, 405, "wrong-method")
    assert read(slot)[2]["Allow"] == allow


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/decisions?x=1", "/V1/decisions", "*", "//v1/decisions", "/v1/outcomes/", ""]
)
def test_elsewhere_there_is_nothing(path: str) -> None:
    problem_of_slot(House().send("POST", path, payment()), 404, "not-found")


def test_pages_answer_at_once() -> None:
    assert read(House().send("GET", "/healthz?verbose"))[0] == 200


def test_when_too_much_waits_more_is_refused_until_it_is_durable() -> None:
    house = House(waiting_max=2)
    first = [house.decide(payment(f"p{i}")) for i in range(2)]
    slot = house.decide(payment("more"))
    problem_of_slot(slot, 503, "overloaded")
    assert "Retry-After" in read(slot)[2]
    house.sync()
    assert all(s.answer is not None for s in first)
    assert house.decide(payment("more")).answer is None
    assert len(house.journal.records) == 3


def test_outcomes_are_acknowledged_when_durable() -> None:
    house = House()
    raw = b'{"payment_id":"p","label":"fraud","known_at":"2026-05-01T00:00:00Z","source":"customer"}'
    slot = house.send("POST", "/v1/outcomes", raw)
    assert slot.answer is None
    house.sync()
    assert read(slot)[:2] == (202, {"recorded": True})
    problem_of_slot(house.send("POST", "/v1/outcomes", raw.replace(b"fraud", b"bad")), 400, "invalid-input")


def test_latency_is_measured_by_payments_not_by_reads() -> None:
    house = House()
    house.decide(payment())
    house.send("GET", "/v1/decisions/p1")
    house.sync()
    assert house.door.latency.count == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda v: st.lists(v) | st.dictionaries(st.text(max_size=5), v),
    max_leaves=8,
)
bodies = st.one_of(
    st.binary(max_size=120),
    st.binary(max_size=40).map(lambda b: b"[" + b),
    st.integers(0, 120).flatmap(
        lambda at: st.binary(max_size=4).map(lambda b: payment()[:at] + b + payment()[at + 1 :])
    ),
    JSON.map(lambda v: json.dumps(v).encode()),
)
targets = st.one_of(
    st.sampled_from([b"/v1/decisions", b"/v1/outcomes", b"/healthz", b"/v1/decisions/p1"]),
    st.binary(max_size=20).map(lambda b: b"/v1/decisions/" + b),
    st.binary(max_size=20),
)


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS"]),
    target=targets,
    body=bodies,
    kind=st.sampled_from(["application/json", "text/plain", "", ";;"]),
)
def test_whatever_comes_is_never_a_fault(method: str, target: bytes, body: bytes, kind: str) -> None:
    house = House()
    slot = house.send(method, target, body, content_type=kind)
    house.sync()
    status, _, _ = read(slot)
    assert status < 500
