"""A comparison as plain lines, one an arm, for logs and pipes."""

from __future__ import annotations

from harness.show import units, words
from harness.show.sheet import Sheet

_FORMS = (
    ("p50", "{title} {cell} {unit}"),
    ("p99", "p99 {cell} {unit}"),
    ("first", "first reply {cell} {unit}"),
    ("gap", "gap {cell} {unit}"),
    ("service", "service {cell} {unit}"),
    ("lag", "{title} {cell} {unit}"),
    ("due", "{cell} {title}"),
    ("rate", "{cell} {title}"),
    ("dropped", "{cell} {title}"),
    ("bound", "bound by {cell}"),
    ("cpu", "{title} {cell} {unit}"),
    ("client", "client {cell} {unit}"),
    ("hop", "hop {cell} {unit}"),
    ("server", "server {cell} {unit}"),
    ("floor", "{cell} {title}"),
    ("links", "connections {cell}"),
    ("size", "{cell} bytes"),
    ("bytes", "{cell} bytes"),
)


def render(sheet: Sheet) -> str:
    """Write all that the table holds, without drawing; ends with a line end."""
    parts = [sheet.title, f"  {sheet.place}"]
    parts += [f"  {_arm(sheet, index)}" for index in range(len(sheet.arms))]
    for remark in sheet.remarks:
        parts.append(f"  {remark.validity}: {remark.sentence}")
        parts += [f"    | {line}" for line in remark.quote]
    parts += [f"  note: {note}" for note in sheet.notes]
    parts.append(sheet.sentence)
    return "\n".join(part.rstrip() for part in parts if part.strip()) + "\n"


def _arm(sheet: Sheet, index: int) -> str:
    cells = {key: column.cells[index].strip() for key, column in sheet.columns.items()}
    name = sheet.names[index]
    if cells.get("p50") == "failed":
        name += " (failed)"
    elif name == sheet.baseline:
        name += " (baseline)"
    figures = [
        form.format(cell=cells[key], unit=sheet.columns[key].unit, title=sheet.columns[key].title)
        for key, form in _FORMS
        if cells.get(key, "") not in {"", "failed", units.NOTHING}
    ]
    figures += [text for key in ("", "other-") if (text := _ratio(sheet, cells, key))]
    return f"{name}: {'; '.join(figures)}" if figures else name


def _ratio(sheet: Sheet, cells: dict[str, str], key: str) -> str:
    value = cells.get(f"{key}ratio", "")
    if value in {"", "baseline", units.NOTHING}:
        return ""
    text = f"{sheet.columns[f'{key}ratio'].heading} {value}"
    if cells.get(f"{key}range"):
        title = sheet.columns[f"{key}range"].title
        text += f" ({cells[f'{key}range']}{'' if title == words.bounds('interval', 0) else f', {title}'})"
    if not key and cells.get("difference"):
        text += f", {cells['difference']} {sheet.columns['difference'].unit}"
    return text
