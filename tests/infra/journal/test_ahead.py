"""Blanks are really zeros, of the right size, whatever the file system thinks of writes past the page cache."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lianfang.infra.journal.ahead import Ahead
from lianfang.infra.journal.files import OsFiles

SIZE = (1 << 20) + 4096


class NoDirect(OsFiles):
    def open_direct(self, path: Path) -> int:
        return -1


class OddAlignment(OsFiles):
    """Opens for direct writes, and then refuses ours."""

    def __init__(self) -> None:
        self.direct = -1

    def open_direct(self, path: Path) -> int:
        self.direct = os.open(path, os.O_WRONLY)
        return self.direct

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        if fd == self.direct:
            raise OSError(errno.EINVAL, "alignment")
        return super().pwrite(fd, data, offset)


@pytest.mark.parametrize("files", [OsFiles(), NoDirect(), OddAlignment()], ids=lambda f: type(f).__name__)
@pytest.mark.parametrize("size", [SIZE, SIZE - 96])
def test_a_blank_is_written_zeros_of_its_whole_size(tmp_path: Path, files: OsFiles, size: int) -> None:
    ahead = Ahead(files, tmp_path, size, 1)
    blank = ahead.take_now()
    assert os.pread(blank.fd, size + 1, 0) == bytes(size)
    assert os.fstat(blank.fd).st_blocks * 512 >= size, "no holes: a later sync writes no metadata"
    os.close(blank.fd)
    ahead.close()


def test_a_failed_direct_write_is_a_failed_blank(tmp_path: Path) -> None:
    class Full(OddAlignment):
        def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
            if fd == self.direct:
                raise OSError(errno.ENOSPC, "no room")
            return super().pwrite(fd, data, offset)

    ahead = Ahead(Full(), tmp_path, SIZE, 1)
    with pytest.raises(OSError, match="no room"):
        ahead.take_now()
    assert list(tmp_path.iterdir()) == []
