"""Where the machines of a training are: names to IPv4 addresses, and which of them this machine is."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Sequence

from ocr_train.config.nodes import Nodes
from ocr_train.errors import ConfigError, SetupError

RETRY_S = 1.0


def find_addresses(nodes: Nodes, *, wait: Callable[[float], object] = time.sleep) -> tuple[str, ...]:
    """The IPv4 address of each machine, in order; asks again while a name is not known yet, as that of a machine that
    has just started. Raises `SetupError` after `nodes.timeout_s`, with every name that has none."""
    deadline = time.monotonic() + nodes.timeout_s
    while True:
        found = [_address(host) for host in nodes.hosts]
        missing = [host for host, address in zip(nodes.hosts, found, strict=True) if not address]
        if not missing:
            return tuple(found)
        if time.monotonic() >= deadline:
            raise SetupError(
                f"nodes: no address is known of {', '.join(missing)} (asked for {nodes.timeout_s:g} s).",
                hint="Check the names, or give IP addresses: nodes=10.0.0.1,10.0.0.2.",
            )
        wait(RETRY_S)


def _address(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except OSError:
        return ""


def own_rank(nodes: Nodes, addresses: Sequence[str], own: Collection[str]) -> int:
    """Which of `addresses` this machine is: as `nodes` says, else the one that is among its `own`.

    Raises `ConfigError` where none is, or several are.
    """
    if nodes.rank is not None:
        return nodes.rank
    ranks = [rank for rank, address in enumerate(addresses) if address in own]
    if len(ranks) == 1:
        return ranks[0]
    listed = ", ".join(f"{rank}: {address}" for rank, address in enumerate(addresses))
    which = "none of them" if not ranks else f"{len(ranks)} of them"
    raise ConfigError(
        f"nodes: this machine has the addresses {', '.join(sorted(own)) or 'of none'}, which is {which} ({listed}).",
        hint="Say which one it is: node_rank=0 for the first one, which leads.",
    )


def interface_of(address: str) -> str:
    """The network interface of this machine that has `address`, empty where none has."""
    import psutil

    return next(
        (name for name, each in psutil.net_if_addrs().items() if any(one.address == address for one in each)),
        "",
    )


def own_addresses() -> frozenset[str]:
    """The IPv4 addresses of this machine."""
    import psutil

    return frozenset(
        one.address for each in psutil.net_if_addrs().values() for one in each if one.family == socket.AF_INET
    )
