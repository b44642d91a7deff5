"""`python -m lianfang.app.node decider|desk`: one process of a node, as the supervisor starts it.

The settings come as one line of JSON on standard input, which stays open: when it ends, the supervisor is gone, and so
is this process. Nothing of them stands in the process list or the environment.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import msgspec

from lianfang.app.node.logs import set_up_logs
from lianfang.app.settings import Settings


def main(arguments: list[str]) -> int:
    """Run it; the exit status."""
    if len(arguments) != 1 or arguments[0] not in ("decider", "desk"):
        print("one of: decider, desk", file=sys.stderr)
        return 2
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    set_up_logs(settings.log_level, arguments[0])
    threading.Thread(target=_follow_supervisor, daemon=True).start()
    if arguments[0] == "decider":
        from lianfang.app.node.decider import main as run  # the other's libraries are not loaded
    else:
        from lianfang.app.node.desk import main as run
    return run(settings)


def _follow_supervisor() -> None:
    while os.read(0, 1 << 12):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
