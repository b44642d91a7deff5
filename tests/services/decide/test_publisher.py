"""From files and records to what the decider reads; what is refused, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from lianfang.engines.keyed import HashKey
from lianfang.infra import published
from lianfang.infra.sql import Database, open_database, sqlite_url
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import Instant
from lianfang.services.decide import ListBook, rule_book, store
from lianfang.services.decide.assemble import RefusedRulesError
from lianfang.services.decide.publisher import Publisher
from lianfang.services.decide.rulefiles import RuleFiles
from lianfang.wire import ListEntry, Rule, read_ruleset

NOW = Instant(1_700_000_000_000_000)
RULES = """
[[features]]
name = "payer_count_1h"
define = "count of payments by payer.account over 1h"

[[rules]]
id = "many.payments"
zh = "多"
en = "many"
when = "payer_count_1h > 10"
action = "challenge"
code = "MANY"
examples = [{ fires = true, features = { payer_count_1h = 11 } }]
"""


class Made:
    """A publisher on a temporary folder, and what it has published."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.rules = folder / "rules"
        self.rules.mkdir()
        self.file = self.rules / "a.toml"
        self.file.write_text(RULES, "utf-8")
        self.out = folder / "published"
        self.database = database
        self.publisher = self.another()

    def another(self) -> Publisher:
        return Publisher(self.database, RuleFiles([self.rules]), self.out, lambda _: ("key",))

    def ids(self) -> list[str]:
        return [r.id for r in read_ruleset((self.out / published.RULESET).read_bytes()).rules]

    def put(self, rule: Rule) -> None:
        with self.database.writing() as connection:
            store.put_rule(connection, rule, by="k", at=NOW, reason="r")

    def add(self, *values: str, name: str = "mules") -> None:
        entries = [
            ListEntry(list=name, effect="block", subject="account", value=v, purpose="p", source="s") for v in values
        ]
        with self.database.writing() as connection:
            store.add_entries(connection, name, entries, by="k", at=NOW, reason="r")

    def marks(self) -> dict[str, int]:
        return {p.name: p.stat().st_ino for p in self.out.iterdir()}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    database = open_database(sqlite_url(tmp_path / "r.sqlite"))
    store.prepare(database)
    yield Made(tmp_path, database)
    database.close()


def rule(when: str, **more: object) -> Rule:
    return Rule(**{"id": "api.one", "zh": "一", "en": "one", "when": when, "points": 1, "code": "R", **more})  # type: ignore[arg-type]


def test_what_is_published_is_what_the_decider_can_load(made: Made) -> None:
    made.add("1", "2")
    made.put(rule("payee.account in mules\nand payer_count_1h > 1"))
    made.publisher.start()
    with pa.memory_map(str(made.out / published.LISTS)) as source:
        lists = ListBook(pa.ipc.open_file(source).read_all(), HashKey(1, 2), "v")
    ruleset = read_ruleset((made.out / published.RULESET).read_bytes())
    names = msgspec.json.decode((made.out / published.LIST_NAMES).read_bytes())
    book = rule_book(ruleset, lists, names)
    assert (lists.size, names, [r.id for r in book.compiled.rules]) == (2, ["mules"], ["many.payments", "api.one"])
    assert {p.name for p in made.out.iterdir()} == set(published.FILES)


def test_only_what_has_changed_is_written_again(made: Made) -> None:
    made.add("1")
    made.publisher.start()
    before = made.marks()
    made.another().start()
    assert made.marks() == before
    made.add("2")
    made.publisher.poll()
    assert {n for n, mark in made.marks().items() if mark != before[n]} == {published.LISTS}


def test_a_changed_file_is_taken_up_and_a_bad_one_is_refused(made: Made) -> None:
    made.publisher.start()
    made.file.write_text(RULES.replace("many.payments", "other.name"), "utf-8")
    made.publisher.poll()
    assert made.ids() == ["other.name"]
    made.file.write_text(RULES.replace("payer_count_1h > 10", "payer_cuont_1h > 10"), "utf-8")
    for _ in range(2):
        made.publisher.poll()
        assert made.ids() == ["other.name"]
        told = made.publisher.trouble["rule files"]
        assert "did you mean `payer_count_1h`?" in told
    assert made.publisher.refused == 1
    made.file.write_text(RULES, "utf-8")
    made.publisher.poll()
    assert (made.ids(), made.publisher.trouble) == (["many.payments"], {})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("payer_count_1h > 10", "payer_count_1h >", "a.toml, line 10"),
        ("payer_count_1h > 10", "payer_cuont_1h > 10", "^^^^^^^^^^^^^^"),
        ('action = "challenge"', "", "no consequence"),
        ("payer_count_1h = 11", "payer_count_1h = 10", "its example 1 must fire, and does not"),
        ("[[rules]]", "[[rules]", "a.toml, line 6"),
        ("over 1h", "over 3 moons", "a.toml, line 3: feature `payer_count_1h`"),
        ('name = "payer_count_1h"', 'name = "amount"', "already means something else"),
        ('zh = "多"', "zh = 3", "Expected `str`"),
    ],
)
def test_a_node_does_not_start_with_a_bad_file_and_says_where_it_is_bad(
    made: Made, old: str, new: str, said: str
) -> None:
    made.file.write_text(RULES.replace(old, new), "utf-8")
    with pytest.raises(InputError) as caught:
        made.publisher.start()
    assert said in str(caught.value)
    assert "a.toml" in str(caught.value)
    assert not (made.out / published.RULESET).exists()


def test_a_rule_twice_is_told_with_both_places(made: Made) -> None:
    (made.rules / "b.yaml").write_text(
        "rules:\n- {id: many.payments, zh: x, en: x, when: amount > 1, points: 1, code: X}\n", "utf-8"
    )
    with pytest.raises(RefusedRulesError, match=r"many.payments is given twice, in .*a\.toml and .*b\.yaml"):
        made.publisher.start()


def test_a_feature_may_be_declared_again_in_the_same_words_and_not_in_others(made: Made) -> None:
    again = 'features: [{name: payer_count_1h, define: "count of payments by payer.account over 1h"}]\n'
    (made.rules / "b.yaml").write_text(again, "utf-8")
    made.publisher.start()
    assert [f.name for f in made.publisher.ruleset.features].count("payer_count_1h") == 1
    (made.rules / "b.yaml").write_text(again.replace('1h"', '2h"'), "utf-8")
    made.publisher.poll()
    assert "payer_count_1h is given twice" in made.publisher.trouble["rule files"]


def test_a_file_that_is_not_there_or_not_text_is_named(made: Made, tmp_path: Path) -> None:
    for files, said in (([tmp_path / "none.toml"], "cannot be read"), ([tmp_path / "x.json"], "ends in .toml")):
        with pytest.raises(InputError, match=said):
            Publisher(made.database, RuleFiles(files), made.out, lambda _: ()).start()
    made.file.write_bytes(b"# ok\n# \xff\n")
    with pytest.raises(InputError, match="line 2"):
        made.publisher.start()


def test_examples_of_a_rule_that_is_off_need_not_pass(made: Made) -> None:
    text = RULES.replace("payer_count_1h = 11", "payer_count_1h = 1").replace(
        'code = "MANY"', 'code = "MANY"\nmode = "off"'
    )
    made.file.write_text(text, "utf-8")
    made.publisher.start()
    assert made.ids() == ["many.payments"]


def test_a_change_is_checked_against_everything_else(made: Made) -> None:
    made.publisher.start()
    with made.database.reading() as connection:
        assert [r.id for r in made.publisher.check(connection, put=[rule("payer_count_1h > 1")]).rules] == [
            "many.payments",
            "api.one",
        ]
        with pytest.raises(RefusedRulesError) as caught:
            made.publisher.check(connection, put=[rule("amount > 1 and payee.account in mules")])
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (1, 33)
    assert made.publisher.file_of("many.payments").endswith("a.toml")
    assert made.publisher.file_of("api.one") == ""
