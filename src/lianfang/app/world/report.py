"""The report on a world: one HTML page in both languages, pictures inside, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.app.world.charts import Axis, Series, density, line_chart, tail
from lianfang.app.world.measure import Measured, Sample, degrees, gaps_h, measure_world, read_handbook
from lianfang.engines.world import CRIME_NAMES, WorldConfig
from lianfang.infra.published import write_whole
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import DAY, HOUR, moment

_SHARE: Final = Axis("占比", "share")
_STYLE: Final = """body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:1290px;margin:2em auto;padding:0 1em}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:1.2em}
figure{margin:0;border:1px solid #ddd;padding:.6em}
svg{width:100%;height:auto;font-size:12px}svg text{fill:#444}.axis{stroke:#444}.grid{stroke:#e6e6e6}
table{border-collapse:collapse;margin:.6em 0}td,th{border-bottom:1px solid #ddd;padding:.2em .7em;text-align:right}
td:first-child,th:first-child{text-align:left}.small{color:#555;font-size:13px}"""
PUBLISHED: Final = (
    ("受害人平均年龄 mean age of victims", "37", "公安部 MPS 2024-06, [X]"),
    ("18至40岁 aged 18-40", "62.1 %", "公安部 MPS 2024-06, [X]"),
    ("41至65岁 aged 41-65", "33.1 %", "公安部 MPS 2024-06, [X]"),
    ("钱包每笔均值 mean of a wallet payment", "266 CNY", "人民银行 PBOC 2023Q4: 87.08万亿元 / 3270.01亿笔, [X]"),
    (
        "银行移动支付每笔均值 mean of a bank's mobile payment",
        "2,714 CNY",
        "人民银行 PBOC 2023Q4: 134.06万亿元 / 493.92亿笔, [X]",
    ),
    ("每案付款笔数 payments a case", "2.0", "UK Finance 2025H1: 226,306 / 110,747, [X]"),
    ("每案平均损失 mean loss a case", "2,325 GBP", "UK Finance 2025H1, [X]"),
    ("虚假投资每案损失 of investment scams", "15,098 GBP", "UK Finance 2025H1, [X]"),
    ("虚假购物每案损失 of purchase scams", "661 GBP", "UK Finance 2025H1, [X]"),
)
"""Published figures and where they were read; [X]: in a reprint, to be checked against the official text."""


def write_report(config: WorldConfig, file: Path, compare: Path | None = None) -> None:
    """Lives through the world and writes the page. `compare`: the handbook's transactions (Parquet), drawn beside it."""
    measured = measure_world(config)
    handbook = read_handbook(compare) if compare is not None else None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, page(config, measured, handbook).encode())
    except OSError as why:
        raise DependencyError(f"cannot write {file}: {why.strerror}") from why


def page(config: WorldConfig, measured: Measured, handbook: Sample | None) -> str:
    """The whole page as text."""
    sample = measured.sample
    figures = [
        _figure("付款金额", "Amounts", _amounts(sample, handbook)),
        _figure("付款时点", "Hours of the day", _hours(sample, handbook)),
        _figure("同一付款人两笔之间的间隔", "Gaps between one payer's payments", _gaps(sample, handbook)),
        _figure("每个付款人的收款方数", "Places that one payer pays", _degrees(sample, handbook, 0)),
        _figure("每个收款方的付款人数", "Payers that one place has", _degrees(sample, handbook, 1)),
        _figure("每天付款笔数", "Payments a day", _days(measured)),
        _figure("从最后一笔到报案", "From the last payment to the report", _delays(measured)),
    ]
    rows = len(sample.time)
    about = (
        f"种子 seed {config.seed}; {config.people:,} 人 people, {config.members} 家机构 institutions, {measured.days} 天 days, "
        f"{rows:,} 笔付款 payments, 欺诈 fraud {sample.fraud.mean():.3%}"
    )
    return "\n".join(
        [
            '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
            "<title>联防 模拟世界报告 Report on a simulated world</title>",
            f"<style>{_STYLE}</style></head><body>",
            "<h1>模拟世界报告 <small>Report on a simulated world</small></h1>",
            f"<p>{about}</p>",
            '<p class="small">这个世界是编造的，看起来合理，但并非实测。 This world is made up: plausible, not measured.</p>',
            f'<div class="charts">{"".join(figures)}</div>',
            "<h2>各类犯罪 <small>Kinds of crime</small></h2>",
            _crimes(measured),
            "<h2>与公开数字对照 <small>Beside published figures</small></h2>",
            _published(measured),
            "</body></html>\n",
        ]
    )


def _figure(zh: str, en: str, chart: str) -> str:
    return f"<figure><figcaption><b>{escape(zh)}</b> {escape(en)}</figcaption>{chart}</figure>"


def _three(sample: Sample, handbook: Sample | None) -> list[tuple[str, str, Sample, NDArray[np.bool_]]]:
    """Whose lines there are: the world's genuine payments, its fraud, the handbook's payments."""
    made = [("世界", "genuine", sample, ~sample.fraud), ("欺诈", "fraud", sample, sample.fraud)]
    if handbook is not None:
        made.append(("手册", "handbook", handbook, np.ones(len(handbook.time), np.bool_)))
    return made


def _amounts(sample: Sample, handbook: Sample | None) -> str:
    series = [Series(zh, en, *density(s.amount[on], 0.1, 1e6)) for zh, en, s, on in _three(sample, handbook)]
    return line_chart(
        series, Axis("金额 (元; 手册为其货币)", "amount, CNY (handbook: its own)", log=True), _SHARE, "amounts"
    )


def _hours(sample: Sample, handbook: Sample | None) -> str:
    series = []
    for zh, en, s, on in _three(sample, handbook):
        counts = np.bincount(s.time[on] % DAY // HOUR, minlength=24)
        series.append(Series(zh, en, np.arange(24.0), counts / max(counts.sum(), 1)))
    return line_chart(series, Axis("小时", "hour"), _SHARE, "hours")


def _gaps(sample: Sample, handbook: Sample | None) -> str:
    series = [Series("世界", "world", *density(gaps_h(sample), 0.01, 1_000))]
    if handbook is not None:
        series.append(Series("手册", "handbook", *density(gaps_h(handbook), 0.01, 1_000)))
    return line_chart(series, Axis("小时", "hours", log=True), _SHARE, "gaps")


def _degrees(sample: Sample, handbook: Sample | None, side: int) -> str:
    series = [Series("世界", "world", *tail(degrees(sample)[side]))]
    if handbook is not None:
        series.append(Series("手册", "handbook", *tail(degrees(handbook)[side])))
    axis = Axis("对手方数至少为", "counterparties, at least", log=True)
    return line_chart(series, axis, Axis("占比", "share", log=True), "degrees")


def _days(measured: Measured) -> str:
    x = np.arange(len(measured.per_day), dtype=np.float64)
    y = np.array([count for _, count in measured.per_day], np.float64)
    first = moment(measured.per_day[0][0]).date().isoformat() if measured.per_day else ""
    return line_chart(
        [Series("世界", "world", x, y)], Axis(f"自 {first} 起天数", "days since"), Axis("笔数", "payments"), "days"
    )


def _delays(measured: Measured) -> str:
    return line_chart(
        [Series("报案", "reports", *density(measured.delays, 0.02, 100, 40))],
        Axis("天", "days", log=True),
        _SHARE,
        "delays",
    )


def _crimes(measured: Measured) -> str:
    rows = [
        (
            " ".join(CRIME_NAMES[row.crime]),
            f"{row.stories:,}",
            f"{row.payments_per_story:.1f}",
            f"{row.median_loss:,.0f}",
            f"{row.mean_loss:,.0f}",
            f"{row.loss_share:.1%}",
            f"{row.reported:.0%}",
        )
        for row in measured.crimes
    ]
    head = (
        "犯罪 crime",
        "故事 stories",
        "笔/故事 payments each",
        "损失中位 median loss",
        "损失均值 mean loss",
        "占损失 of all",
        "已报 reported",
    )
    return _table(head, rows)


def _published(measured: Measured) -> str:
    ages = measured.ages
    investment = next((r.mean_loss for r in measured.crimes if r.crime == "fake_investment"), float("nan"))
    shopping = next((r.mean_loss for r in measured.crimes if r.crime == "fake_shopping"), float("nan"))
    stories = sum(r.stories for r in measured.crimes)
    world = (
        _said(ages.mean() if len(ages) else np.nan, "{:.0f}"),
        _said(((ages >= 18) & (ages <= 40)).mean() if len(ages) else np.nan, "{:.1%}"),
        _said(((ages >= 41) & (ages <= 65)).mean() if len(ages) else np.nan, "{:.1%}"),
        _said(measured.means["wallets"], "{:,.0f} CNY"),
        _said(measured.means["banks"], "{:,.0f} CNY"),
        _said(
            sum(r.payments_per_story * r.stories for r in measured.crimes) / stories if stories else np.nan, "{:.1f}"
        ),
        _said(sum(r.mean_loss * r.stories for r in measured.crimes) / stories if stories else np.nan, "{:,.0f} CNY"),
        _said(investment, "{:,.0f} CNY"),
        _said(shopping, "{:,.0f} CNY"),
    )
    rows = [(what, mine, figure, source) for (what, figure, source), mine in zip(PUBLISHED, world, strict=True)]
    return _table(("", "世界 world", "公开 published", "出处 source"), rows)


def _said(value: Any, form: str) -> str:
    return "-" if not np.isfinite(value) else form.format(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"
