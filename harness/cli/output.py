"""Where a command's output goes: standard output, a file, the directory of a run."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

import click


def give(text: str, output: Path | None) -> None:
    """Print `text`, or write it to `output` and say so; raises `click.UsageError` if that cannot be."""
    if output is None:
        click.echo(text.encode(), nl=False)  # a document is UTF-8, whatever the terminal is
        return
    with _told(output):
        _write(text, output)
    click.echo(f"{output} written", err=True)


def check(output: Path) -> None:
    """Raise `click.UsageError` if `output` cannot be written to; opens and changes nothing that is there."""
    with _told(output):
        if output.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _replaced(output):
            if not os.access(output, os.W_OK):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            return
        with tempfile.NamedTemporaryFile(dir=_target(output).parent, prefix=".writing-"):
            pass


@contextmanager
def _told(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.UsageError(
            f"{output}: cannot be written: {error.strerror}; choose another place"
        ) from error


def _replaced(output: Path) -> bool:
    """Tell whether `output` is a file, or nothing yet; a pipe, or ``/dev/stdout``, is written to instead."""
    return output.is_file() or not output.exists()


def _target(output: Path) -> Path:
    """Follow links."""
    return Path(os.path.realpath(output))  # `Path.resolve` raises what is no OSError for a loop of links


def _write(text: str, output: Path) -> None:
    """Replace `output` in one step, or what it links to; what stood there stays whole if this fails."""
    if not _replaced(output):
        with output.open("wb") as stream:
            stream.write(text.encode())
        return
    output = _target(output)
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=".writing-", delete=False) as file:
        made = Path(file.name)
        file.write(text.encode())
    try:
        made.chmod(0o644)
        made.replace(output)
    except OSError:
        made.unlink()
        raise


@contextmanager
def place(out: Path, name: str) -> Iterator[Path]:
    """Make the directory of a run under `out`, by time and name; one that is there already gets a number.

    At the end it is removed if nothing was stored in it. Raises `click.UsageError` if it cannot be made.
    """
    name = f"{datetime.now().astimezone():%Y%m%dT%H%M%S}-{name}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    made = next(out / each for each in names if _made(out / each))
    try:
        yield made
    finally:
        with suppress(OSError):
            made.rmdir()


def _made(directory: Path) -> bool:
    """Make a directory that nobody else has; tells whether that was so."""
    try:
        directory.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise click.UsageError(
            f"{directory}: cannot be made: {error.strerror}; choose another --out"
        ) from error
    return True
