"""The HTML summary of a validation: one file that needs no network and no scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from html import escape as html_escape
from pathlib import Path

from ocr_train.data.check_rec import escape
from ocr_train.data.drawing import draw_sample
from ocr_train.data.problems import ERROR, KINDS, Problem
from ocr_train.data.quarantine import replacing
from ocr_train.data.tally import MAX_LENGTH_BIN, Example, Statistics
from ocr_train.data.validate import Report

PROBLEMS_SHOWN_PER_KIND = 20
CHARACTERS_SHOWN = 2000

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bad: #c62828; --note: #b26a00; --good:
#2e7d32;
  --bar: #3f7fd0; }
body { font: 16px/1.55 system-ui, "Noto Sans", "Noto Sans Thai", Sarabun, "Leelawadee UI", Thonburi,
sans-serif;
  max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 600 }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code, .v { font-family: ui-monospace, Consolas, "Noto Sans Mono", "Noto Sans Thai", Sarabun, monospace;
  font-size: .92em; overflow-wrap: anywhere }
.error { color: var(--bad); font-weight: 600 } .note { color: var(--note) } .good { color: var(--good) }
.soft { opacity: .75 } details { margin: .3rem 0 } summary { cursor: pointer }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem }
figure { margin: 0; border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; background:
var(--soft) } figure img { display: block; max-width: 100%; margin: 0 auto } figcaption { padding: .5rem
.8rem; font-size: .9rem } .bars td { border: 0; padding: .05rem .5rem } .bars td:last-child { width: 100% }
.bar { display: inline-block; height: .8rem; background: var(--bar); border-radius: 2px; vertical-align:
middle } .chars { display: flex; flex-wrap: wrap; gap: .4rem }
.char { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem .5rem; text-align: center;
  min-width: 2.6rem }
.char b { display: block; font-size: 1.4rem; font-weight: 400; line-height: 1.9 } .char small { opacity: .75 }
.char.error { border-color: var(--bad) }
"""


def write_html(report: Report, images: Path, out: Path) -> None:
    """Write the summary of `report` to `out`; `images` is the folder that the labels' paths start from."""
    with replacing(out) as file:
        file.write(render_html(report, images))


def render_html(report: Report, images: Path) -> str:
    """The summary as one HTML document: verdict, counts, examples, problems, characters, histograms."""
    statistics = report.statistics
    sections = [
        _verdict(report),
        _section("Problems by kind", _kinds(report)),
        _section("Examples", _examples(statistics.examples, images, report.task)),
        _section("Where they are", _problems(report)),
        _section("Characters outside the dictionary", _outside(statistics)),
        _section("Characters", _characters(statistics)),
        _section("Text length, in characters", _lengths(statistics.lengths)),
        _section("Box size: the shorter side, in pixels", _sides(statistics.sides)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>Label check</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body>\n</html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{html_escape(title)}</h2>\n{body}\n</section>" if body else ""


def _place(file: str, line: int) -> str:
    """`file:line`, or the file alone where the problem is of no line."""
    return f"{_show(file)}:{line}" if line else _show(file)


def _show(text: str) -> str:
    """Text from a label file, safe for HTML: invisible characters spelled out, markup escaped."""
    return html_escape(escape(text))


def _table(
    head: Iterable[tuple[str, str]], rows: Iterable[Iterable[tuple[str, str]]], style: str = ""
) -> str:
    """A table of ready-made cells, each with its CSS class."""
    titles = "".join(f'<th class="{css}">{title}</th>' for css, title in head)
    body = "\n".join(
        "<tr>" + "".join(f'<td class="{css}">{cell}</td>' for css, cell in row) + "</tr>" for row in rows
    )
    header = f"<thead><tr>{titles}</tr></thead>" if titles else ""
    return f'<table class="{style}">{header}<tbody>\n{body}\n</tbody></table>'


def _verdict(report: Report) -> str:
    notes = sum(report.counts.values()) - report.errors
    if report.errors:
        verdict = f'<p class="error">{report.errors:,} errors in {len(report.bad_lines):,} lines</p>'
    else:
        verdict = '<p class="good">No errors</p>'
    statistics = report.statistics
    facts = [f"{report.labels:,} labels", f"{notes:,} notes"]
    if report.task == "det":
        facts.append(f"{statistics.boxes:,} boxes, {statistics.ignored_boxes:,} of them ignored")
    rows = [(("v", _show(file)), ("n", f"{count:,}")) for file, count in statistics.lines.items()]
    files = _table([("", "Label file"), ("n", "Labels")], rows)
    return f'<h1>Label check</h1>\n{verdict}\n<p class="soft">{" · ".join(facts)}</p>\n{files}'


def _kinds(report: Report) -> str:
    if not report.counts:
        return '<p class="good">None.</p>'
    rows = []
    for kind, count in sorted(report.counts.items(), key=lambda item: _rank(item, report.task)):
        severity = KINDS[kind].severity(report.task)
        rows.append(
            ((severity, severity), ("v", kind), ("n", f"{count:,}"), ("soft", html_escape(KINDS[kind].why)))
        )
    return _table([("", ""), ("", "Kind"), ("n", "Count"), ("", "What it means")], rows)


def _rank(item: tuple[str, int], task: str) -> tuple[bool, int]:
    return KINDS[item[0]].severity(task) != ERROR, -item[1]


def _examples(examples: Iterable[Example], images: Path, task: str) -> str:
    figures = []
    for example in sorted(examples, key=lambda one: (not one.kind, one.file, one.line)):
        bad = bool(example.kind) and KINDS[example.kind].severity(task) == ERROR
        picture = draw_sample(images, example.image, example.boxes, problem=bad)
        drawn = f'<img src="{picture}" alt="{_show(example.image)}"/>' if picture else ""
        colour = "good" if not example.kind else "error" if bad else "note"
        text = f'<br/>text <span class="v">{_show(example.text)}</span>' if example.text else ""
        hint = f"<br/>{_show_long(example.hint)}" if example.hint else ""
        figures.append(
            f'<figure>{drawn}<figcaption><span class="{colour}">{example.kind or "good"}</span> '
            f"<code>{_place(example.file, example.line)}</code><br/>"
            f'<span class="v">{_show(example.image)}</span>'
            f"{text}{hint}</figcaption></figure>"
        )
    return f'<div class="cards">\n{chr(10).join(figures)}\n</div>' if figures else ""


def _show_long(text: str) -> str:
    return html_escape(text.encode("utf-8", "replace").decode("utf-8"))


def _problems(report: Report) -> str:
    by_kind: dict[str, list[Problem]] = {}
    for problem in report.problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    blocks = []
    for kind, count in sorted(report.counts.items(), key=lambda item: _rank(item, report.task)):
        shown = by_kind.get(kind, [])[:PROBLEMS_SHOWN_PER_KIND]
        rows = [
            (
                ("v", _place(problem.file, problem.line)),
                ("v", _show(problem.value)),
                ("", _show_long(problem.hint)),
            )
            for problem in shown
        ]
        more = f'<p class="soft">and {count - len(shown):,} more</p>' if count > len(shown) else ""
        severity = KINDS[kind].severity(report.task)
        blocks.append(
            f'<details><summary><span class="{severity}">{kind}</span> {count:,}</summary>\n'
            + _table([("", "Line"), ("", "Value"), ("", "What to do")], rows)
            + f"{more}</details>"
        )
    return "\n".join(blocks)


def _glyph(char: str) -> str:
    """A character as it can be seen: marks sit on a dotted circle, spaces and invisible ones get a name."""
    if char == " ":
        return "␣"
    if unicodedata.category(char) in ("Mn", "Mc", "Me"):
        return f"◌{char}"
    return _show(char)


def _name(char: str) -> str:
    return html_escape(f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip())


def _outside(statistics: Statistics) -> str:
    rows = [
        (
            ("v", _glyph(char)),
            ("", _name(char)),
            ("n", f"{outside.count:,}"),
            ("v", ", ".join(_place(file, line) for file, line in outside.lines)),
        )
        for char, outside in list(statistics.outside.items())[:CHARACTERS_SHOWN]
    ]
    head = [("", "Character"), ("", "Name"), ("n", "Count"), ("", "First lines")]
    return _table(head, rows) if rows else ""


def _characters(statistics: Statistics) -> str:
    if not statistics.characters:
        return ""
    shown = list(statistics.characters.items())[:CHARACTERS_SHOWN]
    tiles = "\n".join(
        f'<div class="char{" error" if char in statistics.outside else ""}" title="{_name(char)}">'
        f"<b>{_glyph(char)}</b><small>{count:,}</small></div>"
        for char, count in shown
    )
    total = f"{len(statistics.characters):,} different ones"
    if len(shown) < len(statistics.characters):
        total += f", the {len(shown):,} most frequent shown"
    return f'<p class="soft">{total}</p>\n<div class="chars">\n{tiles}\n</div>'


def _lengths(lengths: Mapping[int, int]) -> str:
    return _bars(
        {f"{length}{'+' if length == MAX_LENGTH_BIN else ''}": count for length, count in lengths.items()}
    )


def _sides(sides: Mapping[int, int]) -> str:
    return _bars({f"≤ {edge}" if edge else "more": count for edge, count in sides.items()})


def _bars(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    most = max(counts.values())
    rows = [
        (
            ("n", name),
            ("n", f"{count:,}"),
            ("", f'<span class="bar" style="width:{100 * count / most:.2f}%"></span>'),
        )
        for name, count in counts.items()
    ]
    return _table([], rows, "bars")
