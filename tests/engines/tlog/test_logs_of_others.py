"""Logs that other programs wrote: Tessera's tiles and checkpoints, Sunlight's tree and its witnesses' cosignatures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lianfang.engines.tlog import (
    ENTRIES,
    Tile,
    TileReader,
    check_quorum,
    leaf_hashes,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    parse_verifier,
    prove_consistency,
    prove_inclusion,
    read_bundle,
    root_at,
    root_of,
    tiles_of,
    verify_consistency,
    verify_inclusion,
)
from lianfang.kernel.errors import EvidenceError
from tests.services_required import missing

ROOT = Path(__file__).parents[3]
TESSERA = Path("shared", "vectors", "tlog-tiles-tessera")
SUNLIGHT = Path("shared", "vectors", "tlog-cosignatures-sunlight")
"""Beside the repository, or beside the folder that it stands in."""
MIRROR = "witness/mirror/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706"
TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
TESSERA_ORIGIN = "example.com/log/testdata"


def beside(name: Path) -> Path:
    found = next((parent / name for parent in ROOT.parents if (parent / name).is_dir()), None)
    if found is None:
        missing(f"the logs of other programs are not here (../{name})")
    assert found is not None
    return found


@pytest.fixture
def tessera() -> Path:
    return beside(TESSERA)


@pytest.fixture
def sunlight() -> Path:
    return beside(SUNLIGHT)


def tessera_entries(folder: Path, size: int) -> list[bytes]:
    return read_bundle((folder / Tile(ENTRIES, 0, size).path).read_bytes(), size) if size else []


def test_every_checkpoint_of_tessera_is_signed_and_is_the_root_of_its_entries(tessera: Path) -> None:
    files = sorted(tessera.glob("checkpoint*"))
    assert len(files) == 17
    sizes = set()
    for file in files:
        checkpoint = open_checkpoint(file.read_bytes(), [parse_verifier(TESSERA_KEY)], TESSERA_ORIGIN).checkpoint
        sizes.add(checkpoint.size)
        entries = tessera_entries(tessera, checkpoint.size)
        assert root_of(leaf_hashes(entries)) == checkpoint.root
        reader = TileReader(checkpoint.size, lambda tile: (tessera / tile.path).read_bytes())
        assert root_at(reader, checkpoint.size) == checkpoint.root
        assert all((tessera / tile.path).is_file() for tile in tiles_of(checkpoint.size))
    assert sizes == set(range(16))


def test_every_entry_and_every_growth_of_tessera_can_be_proved(tessera: Path) -> None:
    reader = TileReader(15, lambda tile: (tessera / tile.path).read_bytes())
    leaves = leaf_hashes(tessera_entries(tessera, 15))
    for new in range(1, 16):
        root = root_of(leaves[:new])
        for old in range(1, new + 1):
            proof = prove_consistency(reader, old, new)
            verify_consistency(old, new, root_of(leaves[:old]), root, proof)
        for index in range(new):
            verify_inclusion(leaves[index], index, new, prove_inclusion(reader, index, new), root)


@pytest.mark.parametrize(
    ("checkpoint", "about"),
    [
        (
            "witness/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706/checkpoint",
            "witness/witness.v0.json",
        ),
        (
            "witness2/88ad7a28caeb0b2aa890fdf0304c2fcaf59fca2ee140134ff8c1300bac493482/checkpoint",
            "witness2/witness.v0.json",
        ),
        (f"{MIRROR}/checkpoint", "witness/mirror/mirror.v0.json"),
    ],
)
def test_the_cosignatures_of_sunlight_verify_with_their_times(sunlight: Path, checkpoint: str, about: str) -> None:
    keys = [parse_verifier(key) for key in json.loads((sunlight / about).read_text("utf-8"))["verifier_keys"]]
    note = parse_note((sunlight / checkpoint).read_bytes())
    (found,) = check_quorum(note, keys, 1)
    assert found.at_s == 1_767_139_200
    assert parse_checkpoint(note.text).size == 300
    changed = note._replace(text=note.text.replace("300", "301"))
    with pytest.raises(EvidenceError, match="is false"):
        check_quorum(changed, keys, 1)


def test_the_tiles_of_sunlight_make_the_root_that_was_signed(sunlight: Path) -> None:
    """The mirror's hashes: its entries, and all tiles of the log that it mirrors, are placeholders."""
    folder = sunlight / MIRROR
    checkpoint = parse_checkpoint(parse_note((folder / "checkpoint").read_bytes()).text)
    reader = TileReader(checkpoint.size, lambda tile: (folder / tile.path).read_bytes())
    assert root_at(reader, checkpoint.size) == checkpoint.root
    for index in (0, 255, 256, 299):
        leaf = reader.subtree(0, index)
        verify_inclusion(leaf, index, 300, prove_inclusion(reader, index, 300), checkpoint.root)
