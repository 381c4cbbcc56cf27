"""Explanations as pictures: SVG of our own that reads on light and dark pages, and the HTML of a notebook.

What raises the output is orange, what lowers it blue (Okabe and Ito, 2008). Images and maps lie in them as PNG.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np

from goodfit.trainers.explaining.explanation import MOST_POINTS, MOST_SHOWN, ROWS_IN_REPORT, Explanation, RowExplained
from goodfit.trainers.readable import readable

WIDTH = 760.0
LINE = 22.0  # pixels a part
NAME = 190.0  # pixels of names at the left
UP, DOWN = "#d55e00", "#0072b2"
LONGEST = 28  # letters of a name
SIDE = 150.0  # of an image
STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1b1f24}"
    ".title{font-size:14px;font-weight:600}.muted{fill:#57606a}.n{text-anchor:end}.m{text-anchor:middle}"
    ".axis{stroke:#8b949e;fill:none}.grid{stroke:#e4e7eb;fill:none}.paper{fill:#fff}"
    ".token{font:13px ui-monospace,monospace}"
    ".up{fill:#d55e00}.down{fill:#0072b2}.band{fill:#0072b2;fill-opacity:.18}.line{fill:none;stroke:#0072b2;stroke-width:2}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#9da7b3}.paper{fill:#161b22}.grid{stroke:#343b45}"
    ".up{fill:#ff9a5c}.down{fill:#5cb8ff}.line{stroke:#5cb8ff}}"
)


def pictures(explanation: Explanation) -> dict[str, str]:
    """The pictures of an explanation, by file name: of all rows first, then of single ones."""
    found: dict[str, str] = {}
    if explanation.parts:
        found["summary.svg"] = summary_svg(explanation)
    if explanation.dependence:
        found["dependence.svg"] = dependence_svg(explanation)
    for row in explanation.rows[:ROWS_IN_REPORT]:
        found[f"row-{_file_name(row.row)}.svg"] = row_svg(explanation, row)
    return found


def _file_name(label: object) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in str(label))[:60]


def summary_svg(explanation: Explanation) -> str:
    """The mean size of the values of each part as bars; of a table also each row's value as a point."""
    order = explanation.order()[:MOST_SHOWN]
    sizes = explanation.mean_size
    swarm = explanation.family == "table" and len(explanation.rows) > 1
    split = WIDTH * 0.52 if swarm else WIDTH
    top, height = 56.0, 56.0 + LINE * len(order) + 34
    most = max((abs(float(sizes[place])) for place in order), default=0.0) or 1.0
    signed = explanation.family == "text"
    what = f"mean {'contribution' if signed else '|contribution|'} to {_what(explanation)}"
    body = [_text(NAME, 46, what, "muted")]
    for line, place in enumerate(order):
        y = top + LINE * line
        length = (split - NAME - 60) * abs(float(sizes[place])) / most
        body += [
            _text(NAME - 8, y + 15, _short(explanation.parts[place]), "n"),
            _bar("up" if signed and sizes[place] >= 0 else "down", NAME, y + 3, length),
            _text(NAME + length + 5, y + 15, f"{sizes[place]:.3g}", "muted"),
        ]
    if swarm:
        body += _swarm(explanation, order, split + 16, top)
    left_out = len(explanation.parts) - len(order)
    if left_out:
        body.append(_text(NAME, height - 10, f"{left_out} more count less", "muted"))
    return _svg(_title(explanation), body, height)


def _swarm(explanation: Explanation, order: Sequence[int], left: float, top: float) -> list[str]:
    """Each row's value of each part, coloured from low (blue) to high (orange) by what the row has there."""
    rows = explanation.rows[:MOST_POINTS]
    values = np.array([[row.values[place] for place in order] for row in rows])
    most = float(np.abs(values).max(initial=0.0)) or 1.0
    middle, half = (left + WIDTH) / 2, (WIDTH - left) / 2 - 12
    bottom = top + LINE * len(order)
    body = [
        _text(middle, 46, "each row; orange: a high value of the column", "muted m"),
        f'<path class="axis" d="M{middle:.1f} {top:.1f}V{bottom:.1f}"/>',
        _text(middle, bottom + 16, "0", "muted m"),
        _text(WIDTH - 12, bottom + 16, f"+{most:.3g}", "muted n"),
        _text(left, bottom + 16, f"-{most:.3g}", "muted"),
    ]
    for line, place in enumerate(order):
        shades = _shades([row.shown[place] if row.shown else "" for row in rows])
        taken: dict[int, int] = {}
        for row, shade in enumerate(shades):
            x = middle + half * values[row, line] / most
            stack = taken[int(x / 4)] = taken.get(int(x / 4), -1) + 1
            shift = (stack + 1) // 2 * (1 if stack % 2 else -1)
            y = top + LINE * line + LINE / 2 + max(-8.0, min(8.0, 2.2 * shift))
            body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{shade}" fill-opacity=".85"/>')
    return body


def _shades(shown: Sequence[str]) -> list[str]:
    """A colour a value by its rank among the numbers; grey for text."""
    try:
        numbers = np.array([float(text) for text in shown])
    except ValueError:
        return ["#8b949e"] * len(shown)
    ordered = np.argsort(np.argsort(numbers, kind="stable"), kind="stable")
    known = np.unique(numbers)
    if len(known) < 2:
        return ["#8b949e"] * len(shown)
    low, high = np.array([0, 114, 178]), np.array([213, 94, 0])
    share = ordered / max(1, len(shown) - 1)
    return ["#" + bytes((low + (high - low) * one).round().astype(np.uint8).tolist()).hex() for one in share]


def dependence_svg(explanation: Explanation) -> str:
    """How the output follows the columns that count most: the mean, and 80% of the background rows."""
    across = 3
    wide, high = WIDTH / across, 190.0
    body = []
    curves = explanation.dependence
    low = min(min(one.low) for one in curves)
    top = max(max(one.high) for one in curves)
    for place, one in enumerate(curves):
        left, above = wide * (place % across), 40 + high * (place // across)
        body.append(_text(left + 44, above + 14, _short(one.part), "title"))
        xs = [left + 48 + (wide - 66) * share for share in _shares(one.values)]
        ys, lows, highs = (
            [above + 150 - 122 * (value - low) / ((top - low) or 1.0) for value in line]
            for line in (one.mean, one.low, one.high)
        )
        band = [*zip(xs, highs, strict=True), *reversed(list(zip(xs, lows, strict=True)))]
        body += [
            f'<path class="grid" d="M{left + 44:.1f} {above + 150:.1f}H{left + wide - 14:.1f}"/>',
            f'<path class="band" d="M{_path(band)}Z"/>',
            f'<path class="line" d="M{_path(list(zip(xs, ys, strict=True)))}"/>',
            _text(left + 40, above + 32, f"{top:.3g}", "muted n"),
            _text(left + 40, above + 152, f"{low:.3g}", "muted n"),
            _text(left + 48, above + 168, _end(one.values[0]), "muted"),
            _text(left + wide - 14, above + 168, _end(one.values[-1]), "muted n"),
        ]
    unit = f"{curves[0].output}, {explanation.unit}"
    return _svg(f"Partial dependence: {unit}", body, 52 + high * math.ceil(len(curves) / across))


def _shares(values: Sequence[object]) -> list[float]:
    """Where values lie on an axis of 0 to 1: numbers by their size, text one after the other."""
    numbers = [value for value in values if isinstance(value, (int, float))]
    if len(numbers) == len(values) and max(numbers) > min(numbers):
        return [(value - min(numbers)) / (max(numbers) - min(numbers)) for value in numbers]
    return [place / max(1, len(values) - 1) for place in range(len(values))]


def _end(value: object) -> str:
    return _short(f"{value:.4g}" if isinstance(value, float) else str(value), 12)


def row_svg(explanation: Explanation, row: RowExplained) -> str:
    """One row: what its parts add to the output; of an image, a series or a text where in it."""
    title = f"{_whose(explanation)}row {row.row}: {explanation.said_of(row)}"
    if explanation.family == "text":
        return _tokens(title, row)
    if row.maps:
        return _maps(title, explanation, row)
    order = row.strongest(MOST_SHOWN)
    most = max((abs(float(row.values[place])) for place in order), default=0.0) or 1.0
    left = NAME + 90
    middle, half = (left + WIDTH) / 2, (WIDTH - left) / 2 - 60
    body = []
    for line, place in enumerate(order):
        y, value = 44 + LINE * line, float(row.values[place])
        name = _short(explanation.parts[place]) + (f" = {_short(row.shown[place], 14)}" if row.shown else "")
        length = half * abs(value) / most
        x = middle if value >= 0 else middle - length
        at, anchor = (middle + length + 5, "muted") if value >= 0 else (middle - length - 5, "muted n")
        body += [
            _text(left - 8, y + 15, name, "n"),
            _bar("up" if value >= 0 else "down", x, y + 3, length),
            _text(at, y + 15, f"{value:+.3g}", anchor),
        ]
    bottom = 44 + LINE * len(order)
    body.append(f'<path class="axis" d="M{middle:.1f} 44V{bottom:.1f}"/>')
    rest = len(row.values) - len(order)
    if rest:
        body.append(
            _text(left, bottom + 18, f"{rest} more add {row.values.sum() - row.values[order].sum():+.3g}", "muted")
        )
    return _svg(title, body, bottom + 34)


def _tokens(title: str, row: RowExplained) -> str:
    """A text with its tokens on a ground that says what they add."""
    most = float(np.abs(row.values).max(initial=0.0)) or 1.0
    x, y, body = 12.0, 44.0, []
    for token, value in zip(row.shown, row.values, strict=True):
        text = _short(token, 40)
        wide = 8.2 * len(text) + 6
        if x + wide > WIDTH - 12:
            x, y = 12.0, y + 26
        kind = "up" if value >= 0 else "down"
        strength = 0.75 * abs(float(value)) / most
        body += [
            f'<rect class="{kind}" fill-opacity="{strength:.3f}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" '
            f'height="22" rx="3">'
            f"<title>{_escaped(token)}: {value:+.4g}</title></rect>",
            _text(x + 3, y + 15, text, "token"),
        ]
        x += wide + 2
    body.append(_text(12, y + 44, f"orange raises the output, blue lowers it; the strongest by {most:.3g}", "muted"))
    return _svg(title, body, y + 58)


def _maps(title: str, explanation: Explanation, row: RowExplained) -> str:
    """An image beside its maps; or a series' maps one below the other, steps to the right."""
    body: list[str] = []
    if row.image is not None:
        panels = [
            ("image", image_png(row.image)),
            *((name, map_png(found, row.image)) for name, found in row.maps.items()),
        ]
        for place, (name, content) in enumerate(panels):
            x = 12 + (SIDE + 20) * place
            body += [_text(x, 48, name, "muted"), _picture(content, x, 56, SIDE, SIDE)]
        return _svg(title, body, 56 + SIDE + 20, 12 + (SIDE + 20) * len(panels))
    y = 48.0
    for name, found in row.maps.items():
        high = min(26.0 * found.shape[1], 260.0)
        body.append(_text(NAME, y, f"{name}: steps to the right, {found.shape[0]} in all", "muted"))
        body.append(_picture(map_png(found.T, None), NAME, y + 8, WIDTH - NAME - 12, high))
        if found.shape[1] <= 10:
            each = high / found.shape[1]
            body += [
                _text(NAME - 8, y + 8 + each * (channel + 0.5) + 4, _short(part), "n")
                for channel, part in enumerate(explanation.parts)
            ]
        y += high + 34
    return _svg(title, body, y)


def image_png(image: np.ndarray) -> bytes:
    """An image between 0 and 1, (channels, height, width), as PNG of bounded size."""
    from PIL import Image

    pixels = (np.clip(np.moveaxis(image, 0, 2), 0, 1) * 255).round().astype(np.uint8)
    shown = pixels[:, :, :3] if pixels.shape[2] >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
    return _png(Image.fromarray(shown))


def map_png(values: np.ndarray, image: np.ndarray | None) -> bytes:
    """A map (height, width) as PNG: orange raises, blue lowers, over a pale copy of the image where there is one."""
    from PIL import Image

    most = float(np.abs(values).max(initial=0.0)) or 1.0
    share = np.sqrt(np.abs(values) / most)[:, :, None]  # small values are seen, too
    up, down = np.array([213, 94, 0]), np.array([0, 114, 178])
    colour = np.where((values >= 0)[:, :, None], up, down)
    ground = np.full((*values.shape, 3), 245.0)
    if image is not None:
        ground = 200 + 55 * np.clip(image.mean(axis=0), 0, 1)[:, :, None] * np.ones(3)
    return _png(Image.fromarray((ground * (1 - share) + colour * share).round().astype(np.uint8)))


def _png(picture: object) -> bytes:
    from PIL import Image

    assert isinstance(picture, Image.Image)  # noqa: S101
    most = 256
    if max(picture.size) > most:
        picture.thumbnail((most, most))
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def data_uri(content: bytes) -> str:
    """A PNG as the address of itself."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _picture(content: bytes, x: float, y: float, wide: float, high: float) -> str:
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="{data_uri(content)}"/>'
    )


def as_html(explanation: Explanation) -> str:
    """An explanation as a notebook shows it."""
    shown = list(pictures(explanation).values())[:4]
    checks = "".join(f"<li>{'✓' if one.passed else '✗'} {html.escape(one.text)}</li>" for one in explanation.checks)
    notes = "".join(f"<li>{html.escape(readable(note))}</li>" for note in explanation.notes)
    return f"<div>{''.join(shown)}<ul>{checks}{notes}</ul></div>"


def _what(explanation: Explanation) -> str:
    of = "the predicted class" if explanation.output == "predicted" else explanation.output
    return f"{of} ({explanation.unit})"


def _whose(explanation: Explanation) -> str:
    return f"{explanation.study}, trial {explanation.trial}, " if explanation.study else ""


def _title(explanation: Explanation) -> str:
    return f"{_whose(explanation)}{len(explanation.rows)} rows by {explanation.method}"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _short(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _escaped(text: str) -> str:
    return escape(readable(text), {'"': "&quot;"})


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_escaped(text)}</text>'


def _bar(kind: str, x: float, y: float, length: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{length:.1f}" height="15" rx="2"/>'


def _svg(title: str, body: Sequence[str], height: float, width: float = WIDTH) -> str:
    wide = max(width, 420.0)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {height:.0f}" width="{wide:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{_escaped(title)}"><style>{STYLE}</style>'
    )
    ground = f'<rect class="paper" width="{wide:.0f}" height="{height:.0f}"/>'
    return f"{head}{ground}{_text(12, 24, _short(title, 110), 'title')}{''.join(body)}</svg>"
