"""A long run through the hop in Python, all kinds of calls mixed; no test.

    python tests/hops/python/soak.py [SECONDS [USERS [GIVEN_UP]]]

Users call in turn with one message each way, a stream of replies, a stream of requests, and both at once;
where GIVEN_UP is 1, also a call that they give up. Every reply is compared. Each second it looks at memory,
descriptors and threads of the hop; the first fifth of the time warms up. Exits with 1 when a call was lost or
a figure went up.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing

import psutil
from bench import LONG, SHOP, hop, say, started

import stacks
from scenarios import samples
from stacks import service
from stacks.base import Options

MESSAGES = 20
SETTLED = 0.2
GROWTH = 1.02
"""Most by which the median of memory of the last fifth may exceed that of the second."""
OFFERED = service.load(SHOP)
NAMES = ("Quote", "Quotes", "Basket", "Haggle")


class User:
    """Calls until told to stop, and counts what became of it."""

    def __init__(self, client, number, turns):
        self.client, self.number, self.turns = client, number, turns
        self.outcomes = Counter()
        self.asked = {name: samples.request(OFFERED[name], "small", number, MESSAGES) for name in NAMES}
        self.wanted = {name: samples.answers(OFFERED[name], asked) for name, asked in self.asked.items()}
        self.calls = {
            name: client.unary(OFFERED[name]) if name == "Quote" else client.stream(OFFERED[name])
            for name in NAMES
        }

    def call(self, name):
        asked = self.asked[name]
        if name == "Quote":
            return [self.calls[name](asked, LONG)]
        return list(self.calls[name](asked.requests, LONG))

    def give_up(self):
        replies = self.calls["Haggle"](self.asked["Haggle"].requests, LONG)
        next(replies)
        replies.close()

    def live(self, stop):
        number = self.number
        while not stop.is_set():
            number += 1
            name = self.turns[number % len(self.turns)]
            try:
                if name == "given up":
                    self.give_up()
                elif self.call(name) != self.wanted[name]:
                    self.outcomes["wrong reply"] += 1
                self.outcomes[name] += 1
            except Exception as error:  # noqa: BLE001 -- whatever it was, it is told
                self.outcomes[f"{name}: {type(error).__name__}: {error}"] += 1


def look(process):
    with process.oneshot():
        return process.memory_info().rss, process.num_fds(), process.num_threads()


def main(seconds=300, users=16, given_up=0):
    with ExitStack() as everything:
        enter = everything.enter_context
        _, server = enter(started("-P", "-m", "stacks", "serve", "grpc-protobuf"))
        pid, address = enter(hop("--route", f"grpc://{server}", "--service", SHOP))
        stack, watched, stop = stacks.find("grpc-protobuf"), psutil.Process(pid), threading.Event()
        turns = (*NAMES, "given up") if given_up else NAMES
        crowd = [User(enter(closing(stack.connect(address, Options()))), k, turns) for k in range(users)]
        threads = [threading.Thread(target=user.live, args=[stop]) for user in crowd]
        for thread in threads:
            thread.start()
        seen = []
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                time.sleep(min(1.0, max(0.0, end - time.monotonic())))
                seen.append(look(watched))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        outcomes = sum((user.outcomes for user in crowd), Counter())
    good = tell(outcomes, seen)
    sys.exit(0 if good else 1)


def tell(outcomes, seen):
    known = {*NAMES, "given up"}
    lost = {what: count for what, count in outcomes.items() if what not in known}
    for what, count in sorted(outcomes.items()):
        say(f"{count:>9,}  {what}")
    fifth = max(1, int(len(seen) * SETTLED))
    early, late = seen[fifth : 2 * fifth], seen[-fifth:]
    flat = True
    for k, (what, unit) in enumerate((("memory", 2**20), ("descriptors", 1), ("threads", 1))):
        before, after = (statistics.median(each[k] for each in part) for part in (early, late))
        flat = flat and after <= before * GROWTH + (unit == 1)
        say(f"{what:12} {before / unit:9.1f} in the second fifth, {after / unit:9.1f} in the last")
    return not lost and flat


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
