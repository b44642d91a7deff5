"""The command line: `lianfang`. Commands stand in `app/commands`; here is how they hang together and how errors end.

Exit status: 0 done, 1 failed or not sound, 2 wrong input. An error is one sentence; --debug shows a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from cyclopts import App, CycloptsError

from lianfang import __version__
from lianfang.app.commands import (
    backtest,
    bench,
    convert,
    decide,
    demo,
    drafts,
    find,
    hub,
    journal,
    keyholder,
    keys,
    lake,
    lists,
    log,
    models,
    packs,
    people,
    query,
    replay,
    report,
    review,
    rules,
    schema,
    serve,
    settings,
    share,
    simulate,
    train,
    tune,
    watch,
    witness,
)
from lianfang.app.commands.common import EXIT_FAILED, EXIT_INPUT
from lianfang.kernel.errors import AccessError, InputError, LianfangError

DEBUG: Final = "--debug"
EPILOGUE: Final = "Any command takes --debug, which shows where an error came from."


COMMANDS: Final[dict[str, tuple[Callable[..., int], ...]]] = {
    "rules": (rules.test, rules.check, rules.show, rules.put, rules.drop, packs.packs, packs.pack, packs.parameters),
    "hub": (hub.init, hub.serve, hub.veto, hub.appeal, hub.ceremony, hub.status, hub.alarms),
    "witness": (witness.init, witness.add, witness.serve, witness.status),
    "lists": (lists.export, lists.show),
    "keys": (keys.issue, keys.rotate, keys.revoke),
    "keyholder": (
        keyholder.init,
        keyholder.deal,
        keyholder.take,
        keyholder.check,
        keyholder.serve,
        keyholder.status,
        keyholder.alarms,
        keyholder.forget,
    ),
    "people": (people.add, people.password),
    "model": (models.show, models.features, models.load, models.unload, models.explain),
    "draft": (
        drafts.make,
        drafts.show,
        drafts.backtest,
        drafts.approve,
        drafts.stage,
        drafts.rollback,
        drafts.withdraw,
    ),
    "share": (
        share.status,
        share.keys,
        share.customers,
        share.propose,
        share.proposals,
        share.approve,
        share.reject,
        share.withdraw,
        share.opinion,
        share.appeal,
        share.portrait,
        share.outbox,
        share.benefit,
    ),
    "journal": (journal.verify, journal.export, journal.show),
    "log": (log.verify, log.prove, log.check_proof, log.watch),
    "lake": (lake.build, lake.compact, lake.retain, lake.status),
    "report": (report.watch, report.review),
    "bench": (
        bench.decide,
        bench.messages,
        bench.model,
        bench.lake,
        bench.world,
        bench.accuracy,
        bench.backtest,
        bench.console,
        bench.alliance,
        bench.log,
    ),
}
"""Commands under a command, by their functions' names; those named like a builtin are added by hand."""


def build() -> App:
    """The whole command line."""
    app = App(
        name="lianfang",
        help="Joint defence of payments: a node decides in milliseconds, with reasons, durably.",
        version=__version__,
        version_flags=["--version"],
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
    )
    for command in (
        serve.serve,
        demo.demo,
        decide.decide,
        replay.replay,
        convert.convert,
        simulate.simulate,
        train.train,
        backtest.backtest,
        review.review,
        watch.watch,
        query.query,
        find.find,
        tune.tune,
        schema.schema,
        settings.settings,
    ):
        app.command(command)
    app.command(version)
    groups = {
        "rules": _group(app, "rules", "Prove, check and look at rules; put them in force."),
        "lists": _group(app, "lists", "Import, export and look at lists."),
        "keys": _group(app, "keys", "API keys of the running node."),
        "keyholder": _group(app, "keyholder", "Hold a share of the alliance's token keys; deal them."),
        "hub": _group(app, "hub", "Run the alliance's hub; its members, vetoes and appeals."),
        "witness": _group(app, "witness", "Cosign other parties' logs, each history once."),
        "people": _group(app, "people", "People who sign in to the node's console."),
        "model": _group(app, "model", "Models: look at one, score by one, ask it why."),
        "draft": _group(
            app, "draft", "Changes of rules or of the model: drafted, approved by another, brought live in stages."
        ),
        "share": _group(app, "share", "What this node says to its alliance, and hears from it."),
        "journal": _group(app, "journal", "Read a decision journal."),
        "log": _group(app, "log", "Verifiable logs: check one whole, prove an entry, check a proof."),
        "lake": _group(app, "lake", "The journal as Parquet by day: build it, compact it, let old days go."),
        "report": _group(app, "report", "The node's own reports, as the desk writes them by itself."),
        "bench": _group(app, "bench", "Measure."),
    }
    for name, commands in COMMANDS.items():
        for command in commands:
            groups[name].command(command)
    groups["rules"].command(rules.list_, name="list")
    groups["rules"].command(packs.set_, name="set")
    members = App(name="member", help="The alliance's members.", help_format="plaintext")
    groups["hub"].command(members)
    members.command(hub.add)
    members.command(hub.rotate)
    members.command(hub.expel)
    members.command(hub.list_, name="list")
    groups["lists"].command(lists.import_, name="import")
    groups["keys"].command(keys.list_, name="list")
    groups["people"].command(people.list_, name="list")
    groups["model"].command(models.list_, name="list")
    groups["draft"].command(drafts.list_, name="list")
    return app


def _group(app: App, name: str, about: str) -> App:
    group = App(name=name, help=about, help_format="plaintext")
    app.command(group)
    return group


def version() -> int:
    """Print the version."""
    print(f"lianfang {__version__}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG in given
    given = [a for a in given if a != DEBUG]
    try:
        return int(build()(given) or 0)
    except CycloptsError as why:
        return _end(str(why), EXIT_INPUT, why, debug=debug, hint="lianfang --help lists the commands")
    except InputError as why:
        return _end(str(why), EXIT_INPUT, why, debug=debug)
    except AccessError as why:
        return _end(str(why), EXIT_FAILED, why, debug=debug)
    except LianfangError as why:
        return _end(str(why), EXIT_FAILED, why, debug=debug)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has had enough
        sys.stderr.close()
        return EXIT_FAILED
    except Exception as why:  # a mistake of ours: still no wall of text
        return _end(f"this is a fault of lianfang: {why!r}; {DEBUG} shows where", EXIT_FAILED, why, debug=debug)


def _end(sentence: str, status: int, why: Exception, *, debug: bool, hint: str = "") -> int:
    if debug:
        import traceback

        traceback.print_exception(why)
    caret = getattr(why, "caret", None)
    print(f"lianfang: {' '.join(sentence.split())}", file=sys.stderr)
    if callable(caret) and (marked := caret()):
        print(marked, file=sys.stderr)
    if hint:
        print(hint, file=sys.stderr)
    return status


def cli_reference() -> str:
    """The reference page of all commands, from the commands themselves. Markdown, ready to be written to a file."""
    from cyclopts.docs import generate_markdown_docs

    page = generate_markdown_docs(build(), heading_level=1, generate_toc=False)
    return "\n".join(line.rstrip() for line in page.splitlines()) + "\n"


if __name__ == "__main__":
    sys.exit(main())
