"""The verb `tail`."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from pagebuddy.arena.looking.files import path_of
from pagebuddy.errors import ArenaClosed, CorruptMetadata
from pagebuddy.sharing.words import FOR_TOPICS
from pagebuddy.tools.arenas.description import as_text, as_value
from pagebuddy.tools.arenas.lookup import Name, attached
from pagebuddy.tools.terminal.refusal import WRONG_INPUT, plain_refusals, refuse
from pagebuddy.tools.terminal.units import shown

if TYPE_CHECKING:
    from pagebuddy.messages.topic import Subscription


def tail_command(
    name: Name,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The name of a topic.")],
    n_last: Annotated[
        int, typer.Option("-n", min=0, help="Print so many of the last messages first.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each message as a JSON object in a line.")
    ] = False,
) -> None:
    """Print the messages of a topic as they are published.

    Ends with Ctrl-C, or when the topic is unlinked. Prints the type and the shape of arrays, and other
    objects as Python does. Attaches to the arena and subscribes to the topic, so a publisher with
    policy "block" waits for this command as well. Messages are unpickled: their publishers can run
    code in this process.

    \b
      pagebuddy tail frames camera
      pagebuddy tail frames camera -n 5 --json | head -5

    Exit code: 0 on success; 2 if NAME is not an arena or has no such topic; 3 if the arena or the topic
    has no room for a further process.
    """
    with plain_refusals(name), attached(path_of(name)) as arena:
        if not arena._open.has_key(topic, FOR_TOPICS):
            told = f"{name} has no topic {topic}; `pagebuddy stat {name}` lists its topics"
            refuse(told, WRONG_INPUT)
        with arena.topic(topic).subscribe(replay=n_last) as messages, suppress(KeyboardInterrupt):
            _print(messages, as_json)
            typer.echo(f"{shown(topic)} was unlinked", err=True)


def _print(messages: Subscription, as_json: bool) -> None:
    missed = 0
    while True:
        try:
            message = next(messages)
        except StopIteration:
            return
        except (ArenaClosed, CorruptMetadata):
            raise
        except Exception as error:
            # Its class may be missing here.
            text = value = f"cannot be unpickled: {type(error).__name__}: {error}"
        else:
            text, value = as_text(message), as_value(message)
            # The memory is another's again.
            del message
        if as_json:
            line = {"time": round(time.time(), 6), "missed": messages.missed, "message": value}
            typer.echo(json.dumps(line))
        else:
            if messages.missed > missed:
                typer.echo(f"missed {messages.missed - missed}", err=True)
                missed = messages.missed
            typer.echo(shown(text))
        sys.stdout.flush()
