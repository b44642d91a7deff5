"""schemathesis over the documents of both doors: whatever is sent, no 500, and every answer is one the document tells of."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from lianfang.app.node.desk import Desk, desk_app
from lianfang.app.node.supervise import Node
from lianfang.app.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies warn while they are imported
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
EXAMPLES = 4
"""Requests of each operation, as many that keep to the document as that do not."""
DECIDERS = r"^/v1/(decisions|outcomes)"
pytestmark = pytest.mark.filterwarnings("ignore:::schemathesis", "ignore:::jsonschema", "ignore:::starlette_testclient")


def hold_to_its_document(schema: Any, key: str) -> int:
    """Every operation, several requests each; how many operations there were."""
    headers = {"Authorization": f"Bearer {key}", "Lianfang-Reason": "contract"}
    operations = [found.ok() for found in schema.get_all_operations()]
    statuses: Counter[int] = Counter()
    for operation, mode in product(operations, GenerationMode):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            response = case.call(headers=headers)
            assert response.status_code < 500 or (case.path == "/readyz" and response.status_code == 503), response.text
            statuses[response.status_code] += 1
            assert "Traceback" not in response.text
            case.validate_response(response, checks=CHECKS)

        with suppress(Unsatisfiable):  # nothing can be wrong with an operation that takes nothing
            ask()
    assert statuses[200], statuses
    assert statuses[400], statuses
    return len(operations)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Settings(data_dir=str(tmp_path), decider_port=1))
    yield made
    made.close()


def test_the_desk_answers_as_its_document_says(desk: Desk) -> None:
    key = desk.first_key()
    assert key is not None
    desk.start()
    schema = schemathesis.openapi.from_asgi("/openapi.json", desk_app(desk, watch=False))
    assert hold_to_its_document(schema.exclude(path_regex=DECIDERS), key) >= 18


def test_the_decider_answers_as_its_document_says(tmp_path: Path) -> None:
    settings_ = Settings(data_dir=str(tmp_path), decider_port=0, desk_port=0, feature_memory_mb=64)
    log = io.StringIO()
    with Node(settings_, output=log) as node:
        assert node.running.first_key is not None
        schema = schemathesis.openapi.from_url(node.running.decider + "/openapi.json")
        assert hold_to_its_document(schema, node.running.first_key) >= 6
    assert "fault" not in log.getvalue()
