"""The live screen, in Chinese and English, readable from 80 x 24 up; one line where there is no terminal."""

from __future__ import annotations

from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lianfang.app.demo.board import Stopped, Story, View
from lianfang.engines.world import CRIME_NAMES

Lang = Literal["zh", "en", "both"]

WORDS: Final = {
    "title": ("联防 支付风险决策", "Lianfang decides payments"),
    "console": ("控制台", "console"),
    "stop": ("停止", "stop"),
    "rate": ("速率", "rate"),
    "decided": ("已决策", "decided"),
    "journal": ("日志序号", "journal seq"),
    "latency": ("往返时延", "round trip"),
    "allow": ("放行", "allow"),
    "challenge": ("验证", "challenge"),
    "hold": ("暂缓", "hold"),
    "block": ("阻断", "block"),
    "latest": ("最近未放行的付款", "Latest payments not simply allowed"),
    "rules": ("规则命中", "Hits by rule"),
    "refused": ("被拒绝", "refused"),
    "start": ("正在启动节点(首次需编译)", "Starting the node (the first start compiles)"),
    "past": ("先导入过去的付款", "First, the payments of the past"),
    "none": ("暂无", "none yet"),
    "stories": ("正在展开的骗局", "Stories unfolding"),
    "caught": ("被发现", "caught"),
    "running": ("尚未发现", "not seen yet"),
    "at": ("第{}步", "at step {}"),
}
COLOURS: Final = {"allow": "green", "challenge": "yellow", "hold": "dark_orange", "block": "red"}
RULES_SHOWN: Final = 5
STORIES_SHOWN: Final = 6
LOW: Final = 30
"""Lines below which a screen shows fewer rules and stories."""
ACTION_WIDTH: Final = 10
AMOUNT_WIDTH: Final = 14
FIXED_LINES: Final = 11
"""Everything but the rows of the three tables."""


def word(name: str, lang: Lang) -> str:
    """A label in the language asked for; both: Chinese first."""
    zh, en = WORDS[name]
    return {"zh": zh, "en": en, "both": f"{zh} {en}"}[lang]


def screen(view: View, lang: Lang, height: int, console: str) -> RenderableType:
    """The whole screen, no higher than `height` lines."""
    rules = min(RULES_SHOWN if height >= LOW else 2, max(len(view.rules), 1))
    stories = STORIES_SHOWN if height >= LOW else 3
    room = max(height - FIXED_LINES - rules - stories, 3)
    return Group(
        Text(word("title", lang), style="bold"),
        _line((word("console", lang), console), (word("stop", lang), "Ctrl-C")),
        Text(),
        *_state(view, lang),
        Text(),
        Text(word("latest", lang), style="bold"),
        _latest(view.latest[:room], lang, room),
        _line((word("stories", lang), ""), (word("caught", lang), f"{view.stories_caught:,} / {view.stories_seen:,}")),
        _stories(view.stories[:stories], lang, stories),
        Text(word("rules", lang), style="bold"),
        _rules(view, lang, rules),
    )


def _state(view: View, lang: Lang) -> list[Text]:
    if view.phase != "live":
        share = f" {view.done:,} / {view.of:,}" if view.of else ""
        return [Text(word(view.phase, lang) + share, style="cyan"), Text(view.trouble, style="red"), Text()]
    actions = Text(no_wrap=True, overflow="ellipsis")
    total = max(view.decided, 1)
    for action, count in view.actions.items():
        actions.append(f"{word(action, lang)} ", style=COLOURS[action])
        actions.append(f"{count:,}  ")
    actions.append(f"{1 - view.actions['allow'] / total:.1%}", style="dim")
    ms = f"p50 {view.p50_ms:.1f}  p99 {view.p99_ms:.1f}  p99.9 {view.p999_ms:.1f} ms"
    figures = [
        (word("rate", lang), f"{view.rate:.1f}/s"),
        (word("decided", lang), f"{view.decided:,}"),
        (word("journal", lang), f"{view.seq:,}"),
    ]
    last = _line((word("latency", lang), ms))
    if view.refused:
        last.append(f"   {word('refused', lang)} {view.refused:,} {view.trouble}", style="red")
    return [_line(*figures), actions, last]


def _line(*pairs: tuple[str, str]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for label, value in pairs:
        line.append(f"{label} ", style="dim")
        line.append(f"{value}   ")
    return line


def _latest(latest: list[Stopped], lang: Lang, rows: int) -> RenderableType:
    """A line a payment; in both languages two, Chinese above English."""
    lines: list[Text] = []
    for one in latest:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{one.clock} ", style="dim")
        action = WORDS[one.action][0] if lang == "zh" else one.action
        line.append(action.ljust(ACTION_WIDTH), style=COLOURS[one.action])
        line.append(f"{one.amount:>{AMOUNT_WIDTH}}  ")
        line.append(one.en if lang == "en" else one.zh)
        lines.append(line)
        if lang == "both":
            indent = " " * (9 + ACTION_WIDTH + AMOUNT_WIDTH + 2)
            lines.append(Text(indent + one.en, style="dim", no_wrap=True, overflow="ellipsis"))
    lines = lines[: rows - rows % 2 if lang == "both" else rows]
    return Group(*lines, *(Text() for _ in range(rows - len(lines))))


def _stories(stories: list[Story], lang: Lang, rows: int) -> RenderableType:
    """A line a story: what it is, how far it has come, where it was first caught."""
    lines: list[Text] = []
    for one in stories:
        zh, en = CRIME_NAMES.get(one.crime, (one.crime, one.crime))
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{one.step:>3}/{one.steps:<3} ")
        if one.caught_at:
            line.append(f"{story_word(one, lang)}  ", style=COLOURS[one.action])
        else:
            line.append(f"{word('running', lang)}  ", style="dim")
        line.append({"zh": zh, "en": en, "both": f"{zh} {en}"}[lang])
        lines.append(line)
    return Group(*lines, *(Text() for _ in range(rows - len(lines))))


def story_word(one: Story, lang: Lang) -> str:
    """Where a story was caught, in words."""
    return f"{word('caught', lang)} {word('at', lang).format(one.caught_at, one.caught_at)}"


def reason(one: Stopped, lang: Lang) -> str:
    """The first reason's sentence."""
    return {"zh": one.zh, "en": one.en, "both": f"{one.zh} {one.en}"}[lang]


def _rules(view: View, lang: Lang, rows: int) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", min_width=8)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, hits in view.rules[:rows]:
        table.add_row(f"{hits:,}", name)
    if not view.rules:
        table.add_row("", Text(word("none", lang), style="dim"))
    return table


def one_line(view: View, lang: Lang) -> str:
    """How it stands, for a log."""
    if view.phase != "live":
        return word(view.phase, lang) + (f" {view.done:,} / {view.of:,}" if view.of else "")
    actions = "  ".join(f"{word(a, lang)} {n:,}" for a, n in view.actions.items())
    said = f"{word('decided', lang)} {view.decided:,}  {view.rate:.1f}/s  {actions}"
    said += f"  p50 {view.p50_ms:.1f} ms p99 {view.p99_ms:.1f} ms"
    said += f"  {word('stories', lang)} {view.stories_caught:,} / {view.stories_seen:,}"
    if view.latest:
        one = view.latest[0]
        said += f"  | {one.action} {one.amount} {reason(one, lang)}"
    return said
