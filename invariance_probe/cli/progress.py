"""What a long command shows while it works: runs done, model-steps a second, time left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

EVERY_S = 10
"""Seconds between two progress lines where there is no terminal."""


@contextmanager
def progress() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Show runs done, model-steps a second and time left: a bar on a terminal, timed lines elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("starting", total=None, said="")
            tally = _Tally(
                lambda t: bar.update(
                    task, description=t.stage, total=t.work, completed=t.done, said=t.text()
                )
            )
            yield _listener(tally, bar.console.print)
        return
    last = [0.0]

    def line(tally: "_Tally") -> None:
        now = time.monotonic()
        if now - last[0] >= EVERY_S or tally.fresh:
            last[0] = now
            click.echo(f"{tally.stage}: {tally.text()}{tally.left()}", err=True)

    yield _listener(_Tally(line), partial(click.echo, err=True))


def _listener(tally: "_Tally", say: Callable[[str], None]) -> Callable[[dict[str, Any]], None]:
    """Return what takes events: messages are said at once, all else is counted."""

    def take(event: dict[str, Any]) -> None:
        if event["event"] == "note":
            say(event["message"])
        elif event["event"] == "damaged":
            say(f"damaged: {event['message']}")
        else:
            tally.take(event)

    return take


class _Tally:
    """Adds up progress events; work is counted in model-steps, and in runs where there are none."""

    def __init__(self, show: Callable[["_Tally"], None]) -> None:
        self.show, self.stage, self.runs, self.finished, self.steps, self.stepped = (
            show,
            "",
            0,
            0,
            0,
            0,
        )
        self.started, self.fresh = time.monotonic(), True

    @property
    def work(self) -> int:
        return self.steps or self.runs

    @property
    def done(self) -> int:
        return self.stepped if self.steps else self.finished

    def take(self, event: dict[str, Any]) -> None:
        self.fresh = event["event"] == "stage"
        if self.fresh:
            self.stage, self.runs, self.steps = event["stage"], event["runs"], event["model_steps"]
            self.finished, self.stepped, self.started = 0, 0, time.monotonic()
        self.finished += event["event"] == "committed"
        self.stepped += event.get("model_steps", 0) if event["event"] == "progress" else 0
        self.show(self)

    def text(self) -> str:
        rate = self.stepped / max(1e-9, time.monotonic() - self.started)
        return f"{self.finished}/{self.runs} runs" + (
            f", {rate:.0f} model-steps/s" if self.stepped else ""
        )

    def left(self) -> str:
        if not self.done or self.done >= self.work:
            return ""
        seconds = (time.monotonic() - self.started) * (self.work - self.done) / self.done
        return f", about {seconds:.0f} s left"
