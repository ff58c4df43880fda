"""How long a Looker takes to answer: a middle value for reads and writes, and a heavy tail."""

from __future__ import annotations

import math
import random
import re

import msgspec

from lvrestore.errors import UsageError

# The 99th percentile of the normal distribution, in standard deviations.
_Z99 = 2.326


class Latency(msgspec.Struct, frozen=True):
    """Log-normal answering times: p50 for reads and writes, and how many times longer p99 is."""

    read_p50_s: float
    write_p50_s: float
    tail: float

    def sample(self, method: str, rng: random.Random) -> float:
        """Return the time that one answer takes."""
        p50 = self.read_p50_s if method == "GET" else self.write_p50_s
        return rng.lognormvariate(math.log(p50), math.log(self.tail) / _Z99)


PROFILES = {
    "fast": Latency(0.060, 0.120, 3.0),
    "typical": Latency(0.150, 0.300, 4.0),
    "strained": Latency(0.500, 0.900, 8.0),
}

_UNITS = {"ms": 0.001, "s": 1.0}
_CUSTOM = re.compile(r"p50=([\d.]+)(ms|s),p99=([\d.]+)(ms|s)")


def parse_latency(text: str) -> Latency:
    """Read a profile's name or `p50=150ms,p99=1s`."""
    if text in PROFILES:
        return PROFILES[text]
    found = _CUSTOM.fullmatch(text.replace(" ", ""))
    try:
        p50, p99 = (float(found[i]) * _UNITS[found[i + 1]] for i in (1, 3)) if found else (0.0, 0.0)
    except ValueError:
        p50 = p99 = 0.0
    if not 0 < p50 <= p99:
        raise UsageError(f"{text!r} is no latency", f"give {', '.join(PROFILES)} or p50=150ms,p99=1s")
    return Latency(p50, p50, p99 / p50)
