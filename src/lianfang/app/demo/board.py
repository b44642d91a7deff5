"""What the demonstration has seen: counts, the latest stopped payments, round trips. Shared by two threads."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any, Final, NamedTuple

from lianfang.engines.evaluate import Histogram
from lianfang.infra.history import StoryStep
from lianfang.kernel.money import major_text
from lianfang.wire import ACTIONS

LATEST: Final = 40
RATE_OVER_S: Final = 5.0
STORIES_KEPT: Final = 500
MULE: Final = "mule"


class Stopped(NamedTuple):
    """A payment that was challenged, held or blocked."""

    clock: str
    action: str
    amount: str
    who: str
    zh: str
    en: str


class Story(NamedTuple):
    """A crime as far as it has unfolded: the truth beside the node's answers, which never see it."""

    id: str
    crime: str
    """The kind of its first payment that is not the money's run."""
    step: int
    """The latest payment told, counting from 1 as the story counts; some may have come before the demonstration."""
    steps: int
    caught_at: int
    """The step that was first challenged or stopped; 0 as long as none was."""
    action: str


class View(NamedTuple):
    """One consistent look."""

    decided: int
    rate: float
    actions: dict[str, int]
    rules: list[tuple[str, int]]
    latest: list[Stopped]
    seq: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    refused: int
    trouble: str
    phase: str
    done: int
    of: int
    stories: list[Story]
    """The latest to move first."""
    stories_seen: int
    stories_caught: int


class Board:
    """Filled by the feed, read by the screen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._actions: Counter[str] = Counter()
        self._rules: Counter[str] = Counter()
        self._latest: deque[Stopped] = deque(maxlen=LATEST)
        self._recent: deque[float] = deque(maxlen=10_000)
        self._round_trip = Histogram()
        self._seq = self._refused = 0
        self._phase, self._done, self._of = "start", 0, 0
        self._trouble = ""
        self._stories: dict[str, Story] = {}
        """In the order of their latest payment."""
        self._seen = self._caught = 0

    def phase(self, name: str, done: int = 0, of: int = 0) -> None:
        """What is going on: `start`, `past`, `live`."""
        with self._lock:
            self._phase, self._done, self._of = name, done, of

    def decided(
        self,
        payment: dict[str, Any],
        decision: dict[str, Any],
        at_s: float,
        took_us: float,
        story: StoryStep | None = None,
    ) -> None:
        """One answer. `at_s`: monotonic seconds. `story`: the truth, for show."""
        with self._lock:
            self._trouble = ""
            if story is not None:
                self._unfold(story, decision["action"])
            self._actions[decision["action"]] += 1
            self._recent.append(at_s)
            self._round_trip.record(took_us)
            self._seq = max(self._seq, decision["seq"])
            for reason in decision.get("reasons", ()):
                if reason["name"] != "points":
                    self._rules[reason["name"]] += 1
            if decision["action"] != "allow":
                self._latest.appendleft(_stopped(payment, decision))

    def _unfold(self, told: StoryStep, action: str) -> None:
        before = self._stories.pop(told.story, None)
        crime = told.crime if before is None or before.crime == MULE else before.crime
        caught_at, by = (before.caught_at, before.action) if before is not None else (0, "")
        if not caught_at and action != "allow":
            caught_at, by = told.step, action
            self._caught += 1
        self._seen += before is None
        self._stories[told.story] = Story(told.story, crime, told.step, told.steps, caught_at, by)
        if len(self._stories) > STORIES_KEPT:
            self._stories.pop(next(iter(self._stories)))

    def refused(self, why: str) -> None:
        """A payment the node would not take."""
        with self._lock:
            self._refused += 1
            self._trouble = why

    def view(self, now_s: float) -> View:
        """How it stands. `now_s`: monotonic seconds."""
        with self._lock:
            while self._recent and self._recent[0] < now_s - RATE_OVER_S:
                self._recent.popleft()
            over = min(RATE_OVER_S, max(now_s - self._recent[0], 1.0)) if self._recent else 1.0
            trips = self._round_trip
            return View(
                decided=sum(self._actions.values()),
                rate=len(self._recent) / over,
                actions={action: self._actions[action] for action in ACTIONS},
                rules=self._rules.most_common(),
                latest=list(self._latest),
                seq=self._seq,
                p50_ms=trips.percentile(50) / 1e3,
                p99_ms=trips.percentile(99) / 1e3,
                p999_ms=trips.percentile(99.9) / 1e3,
                refused=self._refused,
                trouble=self._trouble,
                phase=self._phase,
                done=self._done,
                of=self._of,
                stories=list(self._stories.values())[::-1],
                stories_seen=self._seen,
                stories_caught=self._caught,
            )


def _stopped(payment: dict[str, Any], decision: dict[str, Any]) -> Stopped:
    reasons = [r for r in decision["reasons"] if r["name"] != "points"] or decision["reasons"]
    first = reasons[0]
    payer = payment.get("payer", {}).get("account", "?")[-4:]
    payee = (payment.get("payee", {}).get("account") or payment.get("merchant", {}).get("id") or "?")[-4:]
    more = f" +{len(reasons) - 1}" if len(reasons) > 1 else ""
    return Stopped(
        clock=str(decision["decided_at"])[11:19],
        action=decision["action"],
        amount=f"{major_text(payment['amount'], payment['currency'])} {payment['currency']}",
        who=f"…{payer} → …{payee}",
        zh=first["zh"] + more,
        en=first["en"] + more,
    )
