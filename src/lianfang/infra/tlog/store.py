"""A durable log in a folder of plain C2SP files. One process writes it.

`append` buffers, `commit` makes durable (only then may anybody be told), `integrate` turns what is durable into tiles and
publishes a signed checkpoint over them. Each of the three may run in a thread of its own. After a disk fault everything
refuses until `retry`: what was not yet durable is dropped and was acknowledged to nobody, though after a restart it may
turn out to be there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.engines.tlog import (
    ENTRIES,
    TILE_WIDTH,
    Checkpoint,
    Growing,
    Signature,
    SignedCheckpoint,
    SignerKey,
    Tile,
    check_entries,
    leaf_hashes,
    open_checkpoint,
    pack_bundle,
    sign_checkpoint,
    with_cosignatures,
)
from lianfang.infra.journal.files import Files, OsFiles, lock, unavailable
from lianfang.infra.tlog.publishing import CHECKPOINT, FOLDER_MODE, Publisher, clear
from lianfang.infra.tlog.reader import LogReader
from lianfang.infra.tlog.wal import Recovered, Torn, Wal, batches
from lianfang.kernel.errors import DependencyError, EvidenceError, InputError

PENDING: Final = "pending"
"""Beside the published files, readable by the log's own process only: the write-ahead log, the lock, unfinished files."""
UNAVAILABLE: Final = "log-unavailable"
WAITING_BYTES_MAX: Final = 64 << 20
"""Not yet durable. Past it the disk is too slow, and `append` refuses."""
BEHIND_BYTES: Final = 64 << 20
"""Durable, not yet in tiles; past it `Appender` lets its callers wait."""
PENDING_BYTES_MAX: Final = 256 << 20
"""Durable, not yet in tiles. Past it `append` refuses."""
INTEGRATED_MAX: Final = 1 << 14
"""Entries that one checkpoint takes in, in some 130 files; more become several checkpoints."""


class LogRecovery(NamedTuple):
    """What `open` found: the size in tiles, entries in the write-ahead log only, and the tail it cut."""

    published: int
    pending: int
    torn: Torn | None


class LogStore:
    """See the module. `size` entries are durable; `published` of them stand under the checkpoint `signed`."""

    def __init__(self, folder: Path, signer: SignerKey, origin: str, files: Files, held: int) -> None:
        """Not for callers: `open` recovers first."""
        self.folder = folder
        self.origin = origin
        self.reader = LogReader(folder)
        self.failure: DependencyError | None = None
        self.signed: SignedCheckpoint
        self._signer = signer
        self._held = held
        self._wal = Wal(folder / PENDING, origin, files)
        self._publisher = Publisher(folder, folder / PENDING / "unfinished", files)
        self._tree = Growing()
        self._open_bundle: list[bytes] = []
        self._state = threading.Lock()
        self._committing = threading.Lock()
        self._integrating = threading.Lock()
        self._durable: list[bytes] = []
        self._durable_bytes = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._in_flight = 0
        """Entries that `commit` is writing."""
        self.size = 0

    @classmethod
    def open(
        cls, folder: Path, origin: str, signer: SignerKey, *, files: Files | None = None
    ) -> tuple[LogStore, LogRecovery]:
        """Locks the log, recovers it, and is ready to append.

        Raises `DependencyError`: another process has it, or the disk refuses; `EvidenceError`: the files do not agree with
        the checkpoint, and a log that went on from there would be a fork.
        """
        held = -1
        try:
            _make(folder)
            held = lock(folder / PENDING, "log")
            store = cls(folder, signer, origin, files or OsFiles(), held)
            recovered = store._recover()
        except BaseException as why:
            if held >= 0:
                os.close(held)
            if isinstance(why, OSError):
                raise unavailable(why, folder, "log", UNAVAILABLE) from why
            raise
        return store, LogRecovery(store.published, len(recovered.entries), recovered.torn)

    def _recover(self) -> Recovered:
        clear(self.folder / PENDING / "unfinished")
        if (self.folder / CHECKPOINT).exists():
            self._restore(open_checkpoint(self.reader.checkpoint(), [self._signer.verifier], self.origin))
        else:
            self._begin()
        recovered = self._wal.recover(self._tree.size)
        self._durable = recovered.entries
        self._durable_bytes = sum(map(len, recovered.entries))
        self.size = self._tree.size + len(recovered.entries)
        return recovered

    def _begin(self) -> None:
        """A log is signed before its first entry: so entries without a checkpoint are a log that lost it, not a new one."""
        if (self.folder / "tile").exists() or self._wal.segments():
            raise EvidenceError(
                f"there are entries in {self.folder}, but no checkpoint: a log that began again there would be a fork; "
                "restore the checkpoint from a copy, members and witnesses have it"
            )
        self.signed = self._publish(self._tree)

    def _publish(self, tree: Growing) -> SignedCheckpoint:
        note = sign_checkpoint(Checkpoint(self.origin, tree.size, tree.root()), self._signer)
        self._publisher.write_checkpoint(bytes(note))
        return open_checkpoint(bytes(note), [self._signer.verifier], self.origin)

    def _restore(self, signed: SignedCheckpoint) -> None:
        size = signed.checkpoint.size
        self._tree = Growing.restore(size, self.reader.fetch)
        if self._tree.root() != signed.checkpoint.root:
            raise EvidenceError(
                f"the open tiles in {self.folder} do not make the root of its checkpoint of {size} entries: they were "
                "changed; nothing is written, restore them from a copy"
            )
        if size % TILE_WIDTH:
            self._open_bundle = self.reader.bundle(size // TILE_WIDTH, size)
            leaves = b"".join(leaf_hashes(self._open_bundle))
            if leaves != self._tree.partials()[0].data:
                raise EvidenceError(
                    f"the last entry bundle in {self.folder} does not match its tile; restore it from a copy"
                )
        self.signed = signed

    @property
    def published(self) -> int:
        """Entries under the published checkpoint."""
        return self._tree.size

    @property
    def behind(self) -> bool:
        """Whether so much waits for tiles that callers who can wait should."""
        return self._durable_bytes > BEHIND_BYTES

    def append(self, entries: Sequence[bytes]) -> int:
        """Buffers entries and returns the index of the first; nothing is durable yet.

        Raises `failure`, `DependencyError` when the disk cannot keep up, `TooLargeError`; then none was taken.
        """
        if not entries:
            raise InputError("there is nothing to append")
        check_entries(entries)
        size = sum(map(len, entries))
        with self._state:
            if self.failure is not None:
                raise again(self.failure)
            if self._waiting_bytes + size > WAITING_BYTES_MAX or self._durable_bytes > PENDING_BYTES_MAX:
                raise DependencyError(
                    f"the log in {self.folder} takes entries faster than its disk: try again in a second", UNAVAILABLE
                )
            first = self.size + self._in_flight + len(self._waiting)
            self._waiting += entries
            self._waiting_bytes += size
        return first

    def commit(self) -> int:
        """Makes all that was appended before durable, and returns the durable size. Raises `DependencyError`."""
        with self._committing:
            with self._state:
                if self.failure is not None:
                    raise again(self.failure)
                batch, first = self._waiting, self.size
                self._waiting, self._waiting_bytes, self._in_flight = [], 0, len(batch)
            for part in batches(batch):
                try:
                    self._wal.append(first, part)
                except OSError as why:
                    self._in_flight = 0
                    raise self._fail(why) from why
                first += len(part)
                self._made_durable(part)
            return first

    def _made_durable(self, part: Sequence[bytes]) -> None:
        size = sum(map(len, part))
        with self._state:
            self._in_flight -= len(part)
            self.size += len(part)
            self._durable += part
            self._durable_bytes += size

    def integrate(self) -> SignedCheckpoint:
        """Publishes tiles and a signed checkpoint over all that is durable, and returns it. Without news, the one there is.

        Raises `DependencyError` or `EvidenceError`; the published checkpoint then is the one before.
        """
        with self._integrating:
            if self.failure is not None:
                raise again(self.failure)
            try:
                until = self.size  # what comes meanwhile is the next one's
                while self.published < until:
                    self._integrate_some()
            except OSError as why:
                raise self._fail(why) from why
            except EvidenceError as why:
                self._refuse(DependencyError(str(why), UNAVAILABLE, retryable=False))
                raise
            return self.signed

    def _integrate_some(self) -> None:
        with self._state:
            taken = self._durable[:INTEGRATED_MAX]
        tree = self._tree.copy()
        tiles = [(one.tile, one.data) for one in tree.append(leaf_hashes(taken))]
        tiles += [(one.tile, one.data) for one in tree.partials()]
        was_open = [one.tile for one in self._tree.partials()]
        if self._open_bundle:
            was_open.append(Tile(ENTRIES, self._tree.size // TILE_WIDTH, len(self._open_bundle)))
        bundles, open_bundle = _bundles(self._tree.size, [*self._open_bundle, *taken])
        self._publisher.write_tiles([*bundles, *tiles])
        signed = self._publish(tree)
        size = sum(map(len, taken))
        with self._state:
            self._tree, self._open_bundle, self.signed = tree, open_bundle, signed
            del self._durable[: len(taken)]
            self._durable_bytes -= size
        self._publisher.drop_partials(was_open, tree.size)
        self._wal.trim(tree.size)

    def _fail(self, why: OSError) -> DependencyError:
        """Refuses from now on. The write-ahead segment is not touched again; what was not durable is dropped."""
        return self._refuse(unavailable(why, self.folder, "log", UNAVAILABLE))

    def _refuse(self, why: DependencyError) -> DependencyError:
        with self._state:
            self.failure = why
            self._waiting, self._waiting_bytes = [], 0
        return why

    def retry(self) -> None:
        """After a failure: publishes what is durable and takes entries again, in a new segment. Raises `DependencyError`."""
        with self._committing:
            if self.failure is None:
                return
            self._wal.give_up()
            try:
                self._publisher.probe()
            except OSError as why:
                raise self._fail(why) from why
            self.failure = None
        self.integrate()

    def add_cosignatures(self, size: int, signatures: Sequence[Signature]) -> bool:
        """Publishes the checkpoint again with these, verified before; False if it is not the newest any more.

        Raises `DependencyError`.
        """
        with self._integrating:
            if self.failure is not None:
                raise again(self.failure)
            if self.signed.checkpoint.size != size:
                return False
            note = with_cosignatures(self.signed.note, signatures)
            signed = open_checkpoint(bytes(note), [self._signer.verifier], self.origin)
            try:
                self._publisher.write_checkpoint(bytes(note))
            except OSError as why:
                raise self._fail(why) from why
            self.signed = signed
            return True

    def read(self, begin: int, end: int) -> list[bytes]:
        """Durable entries [begin, end), published or not. Raises `InputError` past the end."""
        with self._state:
            published, size = self._tree.size, self.size
            if not 0 <= begin <= end <= size:
                raise InputError(f"the log has entries 0 to {size - 1}, not {begin} to {end - 1}")
            pending = self._durable[max(begin - published, 0) : max(end - published, 0)]
        stored = self.reader.entries(begin, min(end, published), published) if begin < published else ()
        return [*stored, *pending]

    def close(self) -> None:
        """Lets go of the log; what was not committed is dropped."""
        self._wal.close()
        self._publisher.close()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def again(failure: DependencyError) -> DependencyError:
    """The same error to raise once more: raised itself, it would gather a traceback each time."""
    return DependencyError(str(failure), failure.code, retryable=failure.retryable)


def _make(folder: Path) -> None:
    """The folder and what is private in it, durable."""
    for path, mode in ((folder, FOLDER_MODE), (folder / PENDING, 0o700)):
        if not path.is_dir():
            path.mkdir(mode=mode, parents=True, exist_ok=True)
            OsFiles().sync_folder(path.parent)


def _bundles(size: int, entries: list[bytes]) -> tuple[list[tuple[Tile, bytes]], list[bytes]]:
    """Bundles of the entries from the start of the open bundle of a tree of `size` on, and the entries of the last, open one."""
    index = size // TILE_WIDTH
    made = []
    for at in range(0, len(entries), TILE_WIDTH):
        part = entries[at : at + TILE_WIDTH]
        made.append((Tile(ENTRIES, index + at // TILE_WIDTH, len(part)), pack_bundle(part)))
    full = len(entries) // TILE_WIDTH * TILE_WIDTH
    return made, entries[full:]
