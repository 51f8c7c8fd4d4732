"""Progress of a long command: runs done, model-steps per second, time left.

In: the events of the runner and its workers. Out: a bar on a terminal, or timed lines
elsewhere, on standard error. A model-step is an update step of one model. Nothing is
measured or decided here.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

EVERY_S = 10
"""Seconds between two progress lines if standard error is no terminal."""


@contextmanager
def progress() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Show progress during a `with` block, as a bar or as timed lines.

    Yields
    ------
    on_event
        Function that takes progress events, to be passed to the runner.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("starting", total=None, said="")
            tally = _Tally(
                lambda t: bar.update(
                    task,
                    description=t.stage,
                    total=t.work,
                    completed=t.done,
                    said=f"{t.text()}{t.left()}",
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
    """Make a listener that prints messages at once and counts all other events.

    Parameters
    ----------
    tally
        The counter of all other events.
    say
        Function that prints a message.
    """

    def take(event: dict[str, Any]) -> None:
        if event["event"] == "note":
            say(event["message"])
        elif event["event"] == "damaged":
            say(f"damaged: {event['message']}")
        else:
            tally.take(event)

    return take


PRIOR_S = 10.0
"""Core-seconds of work after which measured and expected pace weigh the same."""


class _Tally:
    """Adds up progress events, so that the time left can be estimated.

    Work is counted in expected seconds of one core. A stage for which these are unknown,
    as in a calibration, is counted in model-steps, or in runs if it trains nothing.

    Parameters
    ----------
    show
        Called with this tally after every event.
    """

    def __init__(self, show: Callable[["_Tally"], None]) -> None:
        self.show, self.stage = show, ""
        self.runs = self.finished = self.steps = self.stepped = 0
        self.work = self.done = self.earlier = self.later = self.step_s = 0.0
        self.workers, self.fresh, self.priced = 1, True, True
        self.began = self.started = time.monotonic()

    def take(self, event: dict[str, Any]) -> None:
        """Count an event, and show the new state."""
        self.fresh = event["event"] == "stage"
        if self.fresh:
            self.earlier += self.done
            self.stage, self.runs, self.steps = event["stage"], event["runs"], event["model_steps"]
            self.priced = "seconds" in event
            self.work = event.get("seconds", float(self.steps or self.runs))
            self.step_s, self.later = event.get("step_s", 1.0), event.get("later_s", 0.0)
            self.workers = event.get("workers", 1)
            self.finished, self.stepped, self.done = 0, 0, 0.0
            self.started = time.monotonic()
        if event["event"] == "committed":
            # Training was counted by `progress` events; this adds the measuring after it.
            self.finished += 1
            self.done += event.get("measured_s", 0.0 if self.steps else 1.0)
        if event["event"] == "progress":
            self.stepped += event["model_steps"]
            self.done += event["model_steps"] * self.step_s
        self.show(self)

    def text(self) -> str:
        """Say how many runs of the stage are done, and how fast its models train."""
        rate = self.stepped / max(1e-9, time.monotonic() - self.started)
        return f"{self.finished}/{self.runs} runs" + (
            f", {rate:.0f} model-steps/s" if self.stepped else ""
        )

    def left(self) -> str:
        """Say how long this stage and all later ones will take; empty below 1 s."""
        seconds = self.seconds_left()
        if seconds < 1:
            return ""
        if seconds < 90:
            return f", about {seconds:.0f} s left"
        minutes = seconds / 60
        return (
            f", about {minutes:.0f} min left"
            if minutes < 90
            else f", about {minutes / 60:.1f} h left"
        )

    def seconds_left(self) -> float:
        """Return the expected wall-clock time left, in seconds.

        It is the work left times the pace, in seconds per unit of work. The pace is a mean
        of the expected and the measured one, in which the expected pace has the weight of
        `PRIOR_S` of work.
        """
        elapsed = time.monotonic() - (self.began if self.priced else self.started)
        done = self.done + (self.earlier if self.priced else 0.0)
        prior = PRIOR_S if self.priced else 0.0
        if done + prior == 0:
            return 0.0
        pace = (elapsed + prior / self.workers) / (done + prior)
        return pace * (max(0.0, self.work - self.done) + self.later)
