"""Gives a command's text to standard output or into a file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click


def give(text: str, output: Path | None) -> None:
    """Print `text`, or write it to `output` and say so; raises `click.UsageError` if that cannot be."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        _write(text, output)
    except OSError as error:
        raise click.UsageError(f"{output}: cannot be written: {error.strerror}; choose another -o") from error
    click.echo(f"{output} written", err=True)


def _write(text: str, output: Path) -> None:
    """Replace `output` in one step; what stood there stays whole if this fails."""
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=".writing-", delete=False) as file:
        made = Path(file.name)
        file.write(text.encode())
    try:
        made.chmod(0o644)
        made.replace(output)
    except OSError:
        made.unlink()
        raise
