"""Keyholders as they run: tokens from any of them, and what a member sees when one is down, slow, lying or shut to it."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from lianfang.app.keyholder.folder import Folder
from lianfang.engines.oprf import base, evaluated, prove, scalar_from
from lianfang.engines.sealing import SigningKey
from lianfang.engines.subjects import canonical
from lianfang.infra import accesslog
from lianfang.infra.keyholders import Tokens
from lianfang.infra.sql import open_database, sqlite_url
from lianfang.infra.tlog import LogReader
from lianfang.kernel.errors import AccessError, DependencyError, InputError
from lianfang.services.keyholding import Rates, store
from lianfang.wire import Reader, write
from lianfang.wire.tokens import ConfirmationRequest, EvaluationAnswer, EvaluationRequest
from tests.app.keyholder.holders import EPOCH, PERSON, REFERENCE, Ring, until

ACCOUNTS = [canonical("account", f"62220212345{i:05d}") for i in range(20)]


@pytest.fixture(scope="module", name="ring")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    ring = Ring(tmp_path_factory.mktemp("ring"))
    ring.start()
    yield ring
    ring.stop()


def ask(client: Tokens, values: list[bytes] = ACCOUNTS, lane: Any = "bulk", reference: str = REFERENCE) -> list[bytes]:
    async def asking() -> list[bytes]:
        try:
            return await client.tokens("account", "anti_fraud", EPOCH, values, lane, PERSON, reference)
        finally:
            await client.close()

    return asyncio.run(asking())


def test_any_holders_give_the_same_tokens(ring: Ring) -> None:
    def of(*names: str) -> list[bytes]:
        return ask(ring.client({n: ring.urls[n] for n in names}))

    first = of("holder-1", "holder-2")
    assert len(set(first)) == len(ACCOUNTS)
    assert first == of("holder-2", "holder-3") == of("holder-3", "holder-1") == ask(ring.client())


def test_a_holder_that_is_down_is_done_without(ring: Ring) -> None:
    urls = {**ring.urls, "holder-2": "http://127.0.0.1:9"}
    for _ in range(4):
        client = ring.client(urls)
        assert len(ask(client)) == len(ACCOUNTS)


def test_fewer_than_needed_say_who_failed_and_how(ring: Ring) -> None:
    urls = {**ring.urls, "holder-2": "http://127.0.0.1:9", "holder-3": "http://127.0.0.1:9"}
    with pytest.raises(DependencyError, match=r"1 of the 2 .*holder-2.*does not answer.*holder-3.*does not answer"):
        ask(ring.client(urls))
    with pytest.raises(DependencyError, match="addresses of 1 keyholders"):
        ask(ring.client({"holder-1": ring.urls["holder-1"]}))


class Stub(BaseHTTPRequestHandler):
    """A holder of ours that is not honest, or not quick."""

    key = b""
    delay = threading.Event()
    slow = False
    garbage = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/sessions":
            return self._say(b'{"secret":"x","expires_at":9000000000000000}')
        if self.slow:
            self.delay.wait(20)
        asked = Reader(EvaluationRequest)(body)
        answers = evaluated(self.key, asked.elements)
        proof = prove(self.key, base(self.key), asked.elements, answers, scalar_from(os.urandom(64)))
        said = EvaluationAnswer(place=2, answers=tuple(answers), proof=proof, left=1, full_at=1)
        return self._say(b"{}" if self.garbage else write(said))

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(name="stub")
def a_stub() -> Iterator[tuple[str, type[Stub]]]:
    made: type[Stub] = type("Made", (Stub,), {"key": scalar_from(os.urandom(64)), "delay": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", made
    made.delay.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("garbage", [False, True], ids=["another key", "no answer at all"])
def test_a_lying_holder_is_found_out_named_and_done_without(
    ring: Ring, stub: tuple[str, type[Stub]], garbage: bool
) -> None:
    url, made = stub
    made.garbage = garbage
    honest = ask(ring.client())

    async def several() -> Tokens:
        client = ring.client({**ring.urls, "holder-2": url})
        for _ in range(6):
            assert await client.tokens("account", "anti_fraud", EPOCH, ACCOUNTS, "bulk", PERSON, REFERENCE) == honest
        await client.close()
        return client

    client = asyncio.run(several())
    assert client.liars == {"holder-2"}
    assert "do not hold" in client.trouble["holder-2"]


def test_a_slow_holder_is_not_waited_for(ring: Ring, stub: tuple[str, type[Stub]]) -> None:
    url, made = stub
    made.slow = True
    honest = ask(ring.client())
    for _ in range(3):
        assert ask(ring.client({**ring.urls, "holder-2": url}, hedge_s=0.05)) == honest


def test_what_is_sent_says_nothing_of_whom_it_is_about(ring: Ring) -> None:
    sent = bytearray()

    async def asking() -> None:
        async def record(request: httpx.Request) -> None:
            sent.extend(str(request.url).encode() + bytes(str(dict(request.headers)), "utf-8") + request.content)

        client = ring.client(http=httpx.AsyncClient(event_hooks={"request": [record]}, trust_env=False))
        await client.tokens("account", "anti_fraud", EPOCH, ACCOUNTS, "bulk", PERSON, REFERENCE)
        await client.close()

    asyncio.run(asking())
    assert len(sent) > 1_000
    for value in ACCOUNTS:
        number = value.partition(b"\0")[2]
        assert number not in sent
        assert number[-8:] not in sent
    logged = b"".join(path.read_bytes() for path in ring.root.rglob("log.txt"))
    assert b"62220212345" not in logged


def test_both_sides_can_name_the_same_act_and_the_log_holds_no_more_than_commitments(ring: Ring) -> None:
    reference = os.urandom(16).hex()
    ask(ring.client(), reference=reference)
    rows = []
    for folder in ring.folders:
        database = open_database(sqlite_url(folder.records))
        with database.reading() as connection:
            rows += [r for r in connection.execute(accesslog.accesses_table.select()) if r.reference == reference]
        database.close()
    assert len(rows) >= ring.threshold
    assert {json.loads(row.record)["member"] for row in rows} == {"bank-a"}
    row = rows[0]
    one = accesslog.Access(accesslog.AccessEntry(row.commitment, row.reference, row.at), row.salt, row.record)
    assert accesslog.holds(one)
    entries = b"".join(entries_of(ring))
    assert row.commitment.encode() in entries
    assert b"bank-a" not in entries


def entries_of(ring: Ring) -> list[bytes]:
    """All access logs' entries, as others could read them."""
    found: list[bytes] = []
    for folder in ring.folders:
        until(lambda at=folder: size_of(at) == kept_of(at))
        found += LogReader(folder.access_log).entries(0, size_of(folder), size_of(folder))
    return found


def size_of(folder: Folder) -> int:
    return int((folder.access_log / "checkpoint").read_text().splitlines()[1])


def kept_of(folder: Folder) -> int:
    database = open_database(sqlite_url(folder.records))
    with database.reading() as connection:
        count = len(connection.execute(accesslog.accesses_table.select()).all())
    database.close()
    return count


def test_counting_through_runs_dry_and_rings_within_2000_tries(ring: Ring) -> None:
    numbers = [canonical("account", f"62229{i:08d}") for i in range(2_000)]

    async def count_through() -> int:
        client = ring.client({n: ring.urls[n] for n in ("holder-1", "holder-2")})
        tried = 0
        try:
            for start in range(0, 2_000, 50):
                person = f"{start:016x}"  # ever new people
                batch = numbers[start : start + 50]
                await client.tokens("account", "anti_fraud", EPOCH, batch, "query", person, REFERENCE)
                tried += len(batch)
        except AccessError as why:
            assert why.code == "quota"
            assert why.retry_after_s
        finally:
            await client.close()
        return tried

    tried = asyncio.run(count_through())
    assert 0 < tried < 2_000
    database = open_database(sqlite_url(ring.folders[0].records))
    with database.reading() as connection:
        rung = store.alarms_kept(connection)
    database.close()
    assert {"quota-dry", "misses"} <= {one.code for one in rung}
    assert {one.member for one in rung} == {"bank-a"}
    log = (ring.folders[0].root / "log.txt").read_text()
    assert "event=alarm" in log


def test_what_came_of_a_question_gives_some_back_once(ring: Ring) -> None:
    async def telling() -> None:
        client = ring.client()
        told = ConfirmationRequest(person=PERSON, opened=("cd" * 16,), confirmed=("pay-1",))
        await client.confirm(told)
        assert client.trouble == {}
        await client.confirm(ConfirmationRequest(person=PERSON))
        assert "name the tags" in client.trouble["holder-1"]
        await client.close()

    asyncio.run(telling())


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"elements": ["AAAA"]}, "32"),
        ({"elements": []}, "length"),
        ({"elements": ["AAAA" * 10 + "AAA="] * 1_001}, "length"),
        ({"elements": ["AAAA" * 10 + "AAA="]}, "malformed"),
        ({"epoch": "1999Q1"}, "its epochs: 2026Q4"),
        ({"kind": "card"}, "no share for card"),
        ({"purpose": "marketing"}, "Invalid enum"),
        ({"person": "Zhang San"}, "regex"),
        ({"extra": 1}, "unknown field"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_with_what_is_wrong(ring: Ring, changed: dict[str, Any], match: str) -> None:
    element = write(scalar_from(b"\1" * 64)).decode().strip('"')
    good = {
        "schema": "evaluation-request/1", "kind": "account", "purpose": "anti_fraud", "epoch": EPOCH, "lane": "bulk",
        "person": PERSON, "reference": REFERENCE, "elements": [element],
    }  # fmt: skip

    async def asking() -> httpx.Response:
        client = ring.client()
        headers = await client._at["holder-1"].headers()
        async with httpx.AsyncClient(trust_env=False) as http:
            said = await http.post(f"{ring.urls['holder-1']}/v1/evaluations", json={**good, **changed}, headers=headers)
        await client.close()
        return said

    said = asyncio.run(asking())
    assert said.status_code == 400
    assert match in said.json()["detail"] + said.json().get("where", "")


def test_another_key_opens_no_session(ring: Ring) -> None:
    with pytest.raises(AccessError, match="not signed by bank-a's key"):
        ask(ring.client(key=SigningKey(b"\3" * 32)))


def test_an_expelled_member_is_cut_off_within_two_seconds(ring: Ring) -> None:
    async def asking() -> str:
        client = ring.client()
        await client.tokens("account", "anti_fraud", EPOCH, ACCOUNTS[:1], "bulk", PERSON, REFERENCE)
        ring.change("bank-a", state="expelled")
        await asyncio.sleep(2)
        try:
            await client.tokens("account", "anti_fraud", EPOCH, ACCOUNTS[:1], "bulk", PERSON, REFERENCE)
        except AccessError as why:
            return why.code
        finally:
            await client.close()
        return "still in"

    try:
        assert asyncio.run(asking()) == "expelled"
    finally:
        ring.change("bank-a", state="active")
        until(lambda: ask_quietly(ring))


def ask_quietly(ring: Ring) -> bool:
    try:
        return bool(ask(ring.client(), ACCOUNTS[:1]))
    except AccessError:
        return False


def test_a_subject_without_a_ceremony_is_no_question(ring: Ring) -> None:
    client = ring.client()
    with pytest.raises(InputError, match="1 to 1000"):
        asyncio.run(client.tokens("account", "anti_fraud", EPOCH, [], "bulk", PERSON, REFERENCE))


def test_whatever_left_before_a_power_cut_stands_in_the_log_and_on_the_meter(tmp_path: Path) -> None:
    ring = Ring(tmp_path, count=1, threshold=1, declared=300)
    given = 0
    try:
        for _ in range(3):
            ring.start()

            async def until_killed() -> int:
                client = ring.client()
                answered = 0
                try:
                    for i in range(200):
                        if i == 7:
                            threading.Timer(0.005, ring.processes["holder-1"].kill).start()
                        await client.tokens("account", "anti_fraud", EPOCH, ACCOUNTS[:5], "bulk", PERSON, REFERENCE)
                        answered += 5
                except DependencyError:
                    pass
                finally:
                    await client.close()
                return answered

            given += asyncio.run(until_killed())
            ring.stop(kill=True)
        assert given > 0
        database = open_database(sqlite_url(ring.folders[0].records))
        with database.reading() as connection:
            meter = store.load(connection, Rates())
            records = [json.loads(r.record) for r in connection.execute(accesslog.accesses_table.select())]
        database.close()
        charged = sum(meter.used.values())
        assert given <= charged == sum(r["tokens"] for r in records if r["answer"] == "given")
        ring.start()
        logged = b"".join(entries_of_one(ring))
        assert logged.count(b"access-entry/1") >= given // 5
    finally:
        ring.stop()


def entries_of_one(ring: Ring) -> list[bytes]:
    folder = ring.folders[0]
    until(lambda: size_of(folder) > 0)
    size = size_of(folder)
    return list(LogReader(folder.access_log).entries(0, size, size))
