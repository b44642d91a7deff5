"""`lianfang people`, on a node's folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lianfang.app.cli import main
from lianfang.app.node.desk import Desk
from lianfang.app.settings import Settings
from lianfang.infra.sql import changes
from lianfang.services.identity import people_store
from lianfang.services.identity.passwords import fits


def test_a_person_is_added_listed_and_given_a_new_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIANFANG_DATA_DIR", str(tmp_path))
    assert main(["people", "list"]) == 2
    assert "start it once" in capsys.readouterr().err
    desk = Desk(Settings(data_dir=str(tmp_path)))
    assert main(["people", "add", "wang", "--role", "analyst", "--role", "viewer", "--reason", "new here"]) == 0
    first = re.search(r"wang / (\S+)", capsys.readouterr().out)
    assert main(["people", "add", "wang", "--role", "viewer", "--reason", "again"]) == 2
    assert main(["people", "add", "W!", "--role", "viewer", "--reason", "bad"]) == 2
    assert main(["people", "password", "wang", "--reason", "forgot it"]) == 0
    second = re.search(r"wang / (\S+)", capsys.readouterr().out)
    assert first
    assert second
    with desk.database.reading() as c:
        person = people_store.one_person(c, "wang")
        acts = [(one.act, one.reason) for one in changes(c, limit=2)]
    assert person is not None
    assert fits(person.password, second[1])
    assert not fits(person.password, first[1])
    assert acts == [("person.password", "forgot it"), ("person.add", "new here")]
    assert main(["people", "list", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "wang", "shown": "wang", "roles": ["viewer", "analyst"], "on": True}
    ]
    assert main(["people", "password", "nobody", "--reason", "x"]) == 2
    desk.close()
