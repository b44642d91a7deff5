"""Lianfang (联防): joint defence of payments. See ARCHITECTURE.md for the map."""

import hashlib
import os
from pathlib import Path

__version__ = "0.1.0"


def _keep_compiled_code_with_its_source() -> None:
    """Let numba cache by the content of all our compiled modules.

    Its own cache asks only whether the file of the called function changed, not the files of what that one calls, and it
    needs a writable folder beside the source.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    here = Path(__file__).parent
    digest = hashlib.sha256(__version__.encode())
    for source in sorted([*(here / "engines").rglob("*.py"), *(here / "wire").glob("*.py")]):
        digest.update(source.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    os.environ["NUMBA_CACHE_DIR"] = str(home / "lianfang" / f"compiled-{digest.hexdigest()[:16]}")


_keep_compiled_code_with_its_source()
