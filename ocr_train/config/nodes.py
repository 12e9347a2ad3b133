"""The machines that train together, as `nodes`, `node_rank` and `peers_timeout_s` name them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocr_train.config.parameters import Launch

PORT = 36170
"""Where the first machine listens for the others; Paddle's launcher takes the port after it."""
_NODE = re.compile(r"(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)(:(?P<port>\d{1,5}))?", re.ASCII)
_HIGHEST_PORT = 65_000


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Host names or IPv4 addresses of all machines; the first one leads and listens on `port`. `rank` is this machine's
    place among them, None where its own addresses tell; `timeout_s` is how long they wait for each other."""

    hosts: tuple[str, ...]
    port: int
    rank: int | None
    timeout_s: float


def parse_nodes(launch: Launch, problems: list[str]) -> Nodes | None:
    """The machines of a launch, None for one alone; what is wrong is added to `problems`."""
    words = [word.strip() for word in launch.nodes.split(",") if word.strip()]
    timeout_s = _seconds(launch.peers_timeout_s, problems)
    if not words:
        if launch.node_rank:
            problems.append(
                f"node_rank={launch.node_rank} without `nodes`: name all machines, such as nodes=A,B"
            )
        return None
    found = [_NODE.fullmatch(word) for word in words]
    problems += [
        f"nodes: {word!r} is not a host name or an IPv4 address, such as 10.0.0.1 or host-1:{PORT}"
        for word, match in zip(words, found, strict=True)
        if match is None or not 0 < int(match["port"] or PORT) <= _HIGHEST_PORT
    ]
    hosts = tuple(match["host"] for match in found if match)
    problems += [
        f"nodes: {host!r} is named more than once"
        for host in sorted({h for h in hosts if hosts.count(h) > 1})
    ]
    port = int((found[0] and found[0]["port"]) or PORT)
    return Nodes(
        hosts=hosts, port=port, rank=_rank(launch.node_rank, len(words), problems), timeout_s=timeout_s
    )


def _rank(text: str, count: int, problems: list[str]) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and int(text) < count:
        return int(text)
    problems.append(f"node_rank: {text!r} is not a number from 0 to {count - 1}: there are {count} nodes")
    return None


def _seconds(text: str, problems: list[str]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        problems.append(f"peers_timeout_s: {text!r} is not a number of seconds above 0, such as 600")
        return 1.0
    return value
