"""Where a command's output goes: standard output, a file, the directory of a run."""

from __future__ import annotations

import tempfile
from datetime import datetime
from itertools import chain, count
from pathlib import Path

import click


def give(text: str, output: Path | None) -> None:
    """Print `text`, or write it to `output` and say so; raises `click.UsageError` if that cannot be."""
    if output is None:
        click.echo(text.encode(), nl=False)  # a document is UTF-8, whatever the terminal is
        return
    try:
        _write(text, output)
    except OSError as error:
        raise click.UsageError(
            f"{output}: cannot be written: {error.strerror}; choose another place"
        ) from error
    click.echo(f"{output} written", err=True)


def _write(text: str, output: Path) -> None:
    """Replace `output` in one step; what stood there stays whole if this fails.

    A link is followed, and what is no file, such as a pipe or ``/dev/stdout``, is written to.
    """
    output = output.resolve()
    if output.exists() and not output.is_file():
        with output.open("wb") as stream:
            stream.write(text.encode())
        return
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=".writing-", delete=False) as file:
        made = Path(file.name)
        file.write(text.encode())
    try:
        made.chmod(0o644)
        made.replace(output)
    except OSError:
        made.unlink()
        raise


def place(out: Path, name: str) -> Path:
    """Name the directory of a run under `out`, by time and name; one that is there already gets a number."""
    name = f"{datetime.now().astimezone():%Y%m%dT%H%M%S}-{name}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(out / each for each in names if not (out / each).exists())
