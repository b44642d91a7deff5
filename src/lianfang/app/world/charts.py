"""Line charts as SVG text: enough for a report that opens anywhere, without a library or a network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH: Final = 620
HEIGHT: Final = 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 64
_COLOURS: Final = ("#1b6ca8", "#c8442b", "#3c8d40", "#8a5fb0")
_DASHES: Final = ("", "6 3", "2 3", "9 3 2 3")
"""Lines differ in colour and in form: some readers see no red."""
_TICKS: Final = 6


class Series(NamedTuple):
    """One line: its name in both languages, and its points."""

    zh: str
    en: str
    x: Floats
    y: Floats


class Axis(NamedTuple):
    """What an axis shows."""

    zh: str
    en: str
    log: bool = False


def line_chart(series: Sequence[Series], x: Axis, y: Axis, label: str) -> str:
    """An `<svg>`. Points that a logarithm cannot place are left out; a chart without points says so."""
    shown = [one for one in (_drawable(s, x, y) for s in series) if len(one.x)]
    if not shown:
        return f'<p class="none">{escape(label)}: 没有数据 no data</p>'
    left, right = _range(np.concatenate([s.x for s in shown]), x)
    low, high = _range(np.concatenate([s.y for s in shown]), y)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">',
        *_x_axis(x, left, right),
        *_y_axis(y, low, high),
    ]
    for place, one in enumerate(shown):
        px = _LEFT + (_scale(one.x, x) - left) / (right - left) * (WIDTH - _LEFT - _RIGHT)
        py = HEIGHT - _BOTTOM - (_scale(one.y, y) - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px.tolist(), py.tolist(), strict=True))
        style = f'stroke="{_COLOURS[place % 4]}" stroke-dasharray="{_DASHES[place % 4]}"'
        parts.append(f'<polyline fill="none" stroke-width="2" {style} points="{points}"/>')
    parts += _legend(shown)
    return "".join([*parts, "</svg>"])


def _drawable(one: Series, x: Axis, y: Axis) -> Series:
    keep = np.isfinite(one.x) & np.isfinite(one.y)
    keep &= (one.x > 0) | (not x.log)
    keep &= (one.y > 0) | (not y.log)
    return one._replace(x=one.x[keep], y=one.y[keep])


def _scale(values: Floats, axis: Axis) -> Floats:
    scaled: Floats = np.log10(values) if axis.log else values.astype(np.float64)
    return scaled


def _range(values: Floats, axis: Axis) -> tuple[float, float]:
    scaled = _scale(values, axis)
    low, high = float(scaled.min()), float(scaled.max())
    if axis.log:
        low, high = np.floor(low), np.ceil(high)
    elif low > 0:
        low = 0.0
    return low, high if high > low else low + 1


def _ticks(axis: Axis, low: float, high: float) -> list[tuple[float, str]]:
    if axis.log:
        step = max(int(np.ceil((high - low) / 9)), 1)
        return [(float(p), _number(10.0**p)) for p in np.arange(low, high + 0.5, step)]
    raw = (high - low) / _TICKS
    power = 10.0 ** np.floor(np.log10(raw))
    step_of = min((m * power for m in (1, 2, 5, 10) if m * power >= raw), default=raw)
    return [
        (float(v), _number(float(v)))
        for v in np.arange(np.ceil(low / step_of) * step_of, high + step_of / 1e6, step_of)
    ]


def _number(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    if value >= 1e3:
        return f"{value / 1e3:g}k"
    return f"{value:.4g}"


def _x_axis(axis: Axis, low: float, high: float) -> list[str]:
    floor = HEIGHT - _BOTTOM
    parts = [f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{WIDTH - _RIGHT}" y2="{floor}"/>']
    for value, text in _ticks(axis, low, high):
        at = _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{floor}"/>')
        parts.append(f'<text x="{at:.1f}" y="{floor + 15}" text-anchor="middle">{text}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{floor + 31}" text-anchor="middle">{escape(axis.zh)} {escape(axis.en)}</text>')
    return parts


def _y_axis(axis: Axis, low: float, high: float) -> list[str]:
    parts = []
    for value, text in _ticks(axis, low, high):
        at = HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{at:.1f}" x2="{WIDTH - _RIGHT}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    turned = f'transform="rotate(-90 13 {middle})"'
    parts.append(f'<text x="13" y="{middle}" text-anchor="middle" {turned}>{escape(axis.zh)} {escape(axis.en)}</text>')
    return parts


def _legend(series: Sequence[Series]) -> list[str]:
    parts = []
    slot = (WIDTH - _LEFT - _RIGHT) / len(series)
    for place, one in enumerate(series):
        at, base = _LEFT + place * slot, HEIGHT - 12
        style = f'stroke="{_COLOURS[place % 4]}" stroke-dasharray="{_DASHES[place % 4]}" stroke-width="2"'
        parts.append(f'<line {style} x1="{at:.1f}" y1="{base - 4}" x2="{at + 22:.1f}" y2="{base - 4}"/>')
        parts.append(f'<text x="{at + 27:.1f}" y="{base}">{escape(one.zh)} {escape(one.en)}</text>')
    return parts


def density(values: NDArray[Any], least: float, most: float, bins: int = 60) -> tuple[Floats, Floats]:
    """Share of values in each of `bins` equal steps of the logarithm: middles and shares."""
    edges = np.logspace(np.log10(least), np.log10(most), bins + 1)
    counts, _ = np.histogram(np.clip(values, least, most), edges)
    return np.sqrt(edges[1:] * edges[:-1]), counts / max(counts.sum(), 1)


def tail(values: NDArray[Any]) -> tuple[Floats, Floats]:
    """For each value that occurs, the share of items at least as large."""
    found, counts = np.unique(values, return_counts=True)
    return found.astype(np.float64), counts[::-1].cumsum()[::-1] / max(counts.sum(), 1)
