"""A snapshot is believed whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lianfang.app.node.snapshots import read_snapshot, write_snapshot
from lianfang.engines.features import compile_plan, declare
from lianfang.engines.hotpath import FRESH, HotPath
from lianfang.engines.keyed import HashKey
from lianfang.kernel.errors import EvidenceError
from lianfang.wire import Feature


def state() -> HotPath:
    feature = Feature(name="f", define="count of payments by payer.account over 1h")
    return HotPath(compile_plan(declare([feature])), HashKey(1, 2), memory_bytes=1 << 20, ids_remembered=16)


def text(hot: HotPath, payment_id: str) -> bytes:
    values = {"id": payment_id, "payer.account": "a"}
    return hot.text(hot.fields)(tuple(values.get(path) for path in hot.fields))


def written(folder: Path) -> bytes:
    hot = state()
    for i in range(3):
        assert hot.step(text(hot, f"p{i}"), i + 1, 1_000 + i, 0, ()) == FRESH
    path = folder / "state.bin"
    write_snapshot(hot, path, 3)
    return path.with_suffix(".tmp").read_bytes()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "copy.bin").write_bytes(written(tmp_path))
    hot = state()
    assert read_snapshot(hot, tmp_path / "copy.bin") == 3
    assert hot.step(text(hot, "p1"), 9, 2_000, 0, ()) == 2  # it was answered as record 2
    assert hot.step(text(hot, "p9"), 9, 2_000, 0, ()) == FRESH
    assert hot.features.tolist() == [3]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_or_a_cut_anywhere_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(written(tmp_path))
    place = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[place:]
    (tmp_path / "hurt.bin").write_bytes(raw)
    with pytest.raises(EvidenceError):
        read_snapshot(state(), tmp_path / "hurt.bin")
