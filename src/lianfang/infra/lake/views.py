"""What people ask of the lake: the views `decisions`, `outcomes` and `known`, over exactly the files of one manifest.

Personal fields are masked where the view is made: what names somebody becomes a short token, the same within one session
and another in the next, so that rows can be counted by it and nobody found by it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa

from lianfang.infra.lake.columns import DECISIONS, OUTCOMES, PATHS
from lianfang.infra.lake.manifest import Kind, Manifest
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import Instant, moment
from lianfang.wire.fields import SUBJECTS

PERSONAL: Final = frozenset(
    {*SUBJECTS, "payer.name", "payee.name", "merchant.name", "merchant.terminal", "session.id", "memo"}
)
"""Fields shown as tokens: who, with what, from where. A merchant may be a person too."""
COARSE: Final = frozenset({"place.latitude", "place.longitude"})
"""Shown in whole degrees: some 100 km."""
OPEN: Final = frozenset(
    {
        "id", "corrects", "payer.member", "payee.member", "device.os", "device.model", "device.app_version",
        "place.country", "place.city", "merchant.category", "merchant.country",
    }
)  # fmt: skip
"""Texts that are shown as they are, beside those of a closed choice."""
TOKEN_LENGTH: Final = 12
NUMBER_SHOWN_MAX: Final = 6
"""Characters of an attribute's number that is shown: a longer one may be somebody's."""
FEATURE_PREFIX: Final = "f_"


def column_of(path: str) -> str:
    """A field's name in the views: `payer.account` is `payer_account`; the payment's own `id` is `payment_id`."""
    return "payment_id" if path == "id" else path.replace(".", "_")


def decisions_sql(lake: Path, manifest: Manifest, *, salt: str | None) -> str:
    """The view's query. `salt`: of the tokens; None shows everything as it is."""
    shown = []
    for name in DECISIONS.names:
        if name == "features":
            shown.append('"features"')
        elif name == "attributes":
            shown.append('"attributes"' if salt is None else _attributes())
        elif name in PATHS:
            shown.append(f"{_field(name, salt)} AS {_quoted(column_of(name))}")
        else:
            shown.append(_quoted(name))
    shown += _features(manifest)
    return f"SELECT {', '.join(shown)} FROM {source_sql(lake, manifest, 'decisions')}"


def outcomes_sql(lake: Path, manifest: Manifest, *, salt: str | None) -> str:
    """The view's query. A note may name somebody, so it is masked too."""
    shown = [_token(name, salt) if name == "note" else _quoted(name) for name in OUTCOMES.names]
    named = [f"{text} AS {_quoted(name)}" for text, name in zip(shown, OUTCOMES.names, strict=True)]
    return f"SELECT {', '.join(named)} FROM {source_sql(lake, manifest, 'outcomes')}"


def known(decisions: Any, outcomes: Any, as_of: Instant | None) -> Any:
    """Decisions made by `as_of`, each with the outcome known by then: the latest by `known_at`, of two the later arrived.

    Ibis tables in, an Ibis table out, with `label`, `known_at`, `outcome_kind`, `outcome_source` and `outcome_arrived_at`,
    null where nothing was known. `as_of` None: everything there is.
    """
    if as_of is not None:
        until = ibis.literal(moment(as_of), type="timestamp('UTC', 6)")
        decisions = decisions.filter(decisions.decided_at <= until)
        outcomes = outcomes.filter(outcomes.known_at <= until)
    order = [outcomes.known_at.desc(), outcomes.seq.desc()]
    ranked = outcomes.mutate(place=ibis.row_number().over(ibis.window(group_by="payment_id", order_by=order)))
    latest = ranked.filter(ranked.place == 0).select(
        outcome_of="payment_id",
        label="label",
        known_at="known_at",
        outcome_kind="kind",
        outcome_source="source",
        outcome_arrived_at="arrived_at",
    )
    return decisions.left_join(latest, decisions.payment_id == latest.outcome_of).drop("outcome_of")


def make_views(
    connection: Any, lake: Path, manifest: Manifest, as_of: Instant | None, salt: str | None
) -> dict[str, Any]:
    """Makes the three views in a DuckDB connection; Ibis tables of that connection's names. Raises `InputError`."""
    if not manifest.of("decisions"):
        raise InputError("the lake has no decisions yet; `lianfang lake build` takes them from the journal", str(lake))
    tables = {}
    for name, sql in (
        ("decisions", decisions_sql(lake, manifest, salt=salt)),
        ("outcomes", outcomes_sql(lake, manifest, salt=salt)),
    ):
        connection.execute(f"CREATE VIEW {name} AS {sql}")
        tables[name] = _unbound(connection, name)
    tables["known"] = known(tables["decisions"], tables["outcomes"], as_of)
    connection.execute(f"CREATE VIEW known AS {ibis.to_sql(tables['known'], dialect='duckdb')}")
    return tables


def _unbound(connection: Any, name: str) -> Any:
    """An Ibis table of the view's columns: a name and types, so that it compiles for whatever connection has the view."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Ibis 12 asks DuckDB 2 in a way that is going
        schema = connection.sql(f"SELECT * FROM {name} LIMIT 0").to_arrow_table().schema
        return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)


def source_sql(lake: Path, manifest: Manifest, kind: Kind) -> str:
    """The files of one kind as something to select from; no file at all is no row of the right columns."""
    files = [str(lake / part.name) for part in manifest.of(kind)]
    if files:
        return f"read_parquet([{', '.join(map(_text, files))}], hive_partitioning = false)"
    columns = ", ".join(f"NULL::{_duckdb_type(f.type)} AS {_quoted(f.name)}" for f in OUTCOMES)
    return f"(SELECT {columns} WHERE false)"


def _duckdb_type(kind: pa.DataType) -> str:
    text = str(kind)
    return "TIMESTAMP WITH TIME ZONE" if text.startswith("timestamp") else "BIGINT" if text == "int64" else "VARCHAR"


def _field(path: str, salt: str | None) -> str:
    if path in PERSONAL:
        return _token(path, salt)
    if path in COARSE and salt is not None:
        return f"round({_quoted(path)})"
    return _quoted(path)


def _token(name: str, salt: str | None) -> str:
    if salt is None:
        return _quoted(name)
    return f"'~' || left(md5({_text(salt)} || {_quoted(name)}), {TOKEN_LENGTH})"


def _attributes() -> str:
    """Texts, and numbers that are long enough to be somebody's, give way to `"***"`."""
    shown = f"length(a.value) <= {NUMBER_SHOWN_MAX} AND NOT starts_with(a.value, '\"')"
    return (
        "map_from_entries(list_transform(map_entries(attributes), lambda a: struct_pack(k := a.key, "
        f"v := CASE WHEN {shown} THEN a.value ELSE '\"***\"' END))) AS attributes"
    )


def _features(manifest: Manifest) -> Iterable[str]:
    """One column a feature that any version names; null where the row's version has no such feature."""
    places: dict[str, list[str]] = {}
    for version, names in sorted(manifest.features.items()):
        for place, name in enumerate(names, 1):
            places.setdefault(name, []).append(f"WHEN {_text(version)} THEN features[{place}]")
    for name, cases in sorted(places.items()):
        yield f"CASE features_version {' '.join(cases)} END AS {_quoted(FEATURE_PREFIX + name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
