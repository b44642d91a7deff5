"""Figures as a table for people and as JSON for machines: `{"name", "value", "unit"}`, names that never change."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Figure(NamedTuple):
    """One measured number. `aim` is what it should reach, as text."""

    name: str
    value: float
    unit: str
    aim: str = ""


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next(
            (line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")),
            model,
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def publish(title: str, figures: list[Figure], about: dict[str, Any], json_file: Path | None) -> None:
    """Print the table, and write the JSON where asked."""
    console = Console()
    console.print("  ".join(f"[bold]{k}[/bold] {v}" for k, v in machine().items()))
    for name, value in about.items():
        console.print(f"[bold]{name}[/bold] {value}")
    table = Table(title=title)
    for column, justify in (("figure", "left"), ("value", "right"), ("unit", "left"), ("aim", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for figure in figures:
        table.add_row(figure.name, _readable(figure.value), figure.unit, figure.aim)
    console.print(table)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        body = {
            "benchmark": title,
            "machine": machine(),
            "about": about,
            "figures": [{"name": f.name, "value": f.value, "unit": f.unit} for f in figures],
        }
        json_file.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _readable(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.3g}"
