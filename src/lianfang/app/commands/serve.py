"""`lianfang serve`: a node, until it is told to stop."""

from __future__ import annotations


def serve(
    *,
    data_dir: str | None = None,
    rules: str | None = None,
    model: str | None = None,
    challenger: str | None = None,
    host: str | None = None,
    decider_port: int | None = None,
    desk_port: int | None = None,
) -> int:
    """Start a node: the decider and the desk, watched and started again when they fail. Ctrl-C stops it.

    All other settings are in `lianfang.toml` or the environment; `lianfang settings` prints them.

    Parameters
    ----------
    data_dir
        Folder for the journal, snapshots, records and keys.
    rules
        Rule files or folders, separated by `:`. Without: the starting rule pack.
    model
        Model folder to score by, from `lianfang train`.
    challenger
        Model folder that scores in shadow, without effect.
    host
        Address both doors listen on.
    decider_port
        Port for decisions and outcomes.
    desk_port
        Port for rules, lists, keys and the API documentation.
    """
    from lianfang.app.commands.common import settings
    from lianfang.app.node.supervise import serve as run

    given = settings(
        data_dir=data_dir,
        rules=rules,
        model=model,
        challenger=challenger,
        host=host,
        decider_port=decider_port,
        desk_port=desk_port,
    )
    return run(given) or 0
