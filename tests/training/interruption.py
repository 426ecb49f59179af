"""Ctrl-C, pressed at a step."""

import os
import signal

from moreish.observers import ChunkDone, Event, Stop


class InterruptAt:
    """Presses Ctrl-C once a step is reached."""

    def __init__(self, step: int) -> None:
        self.step = step

    def observe(self, event: Event) -> Stop | None:
        if isinstance(event, ChunkDone) and event.step >= self.step:
            self.step = 10**9
            os.kill(os.getpid(), signal.SIGINT)
        return None
