"""Which loopback ports the local servers listen on."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ocr_train.errors import SetupError

LOOPBACK = "127.0.0.1"
GRPC_OFFSET = 10_000
"""SeaweedFS opens a gRPC port this far above each of its ports."""

_FREE_PORTS = range(11_000, 22_000)
"""Below the ephemeral range even with GRPC_OFFSET: no outgoing connection takes one before we do."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The TCP ports of one pair of servers; `master`, `volume`, `filer` and `admin` are SeaweedFS's own."""

    s3: int
    mlflow: int
    master: int
    volume: int
    filer: int
    admin: int

    def of_weed(self) -> tuple[int, ...]:
        """The ports that SeaweedFS opens, without the gRPC ones."""
        return (self.s3, self.master, self.volume, self.filer, self.admin)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def choose_ports(s3_port: int, mlflow_port: int, remembered: Mapping[str, int]) -> Ports:
    """The ports of the next start; 0 means the one of the last start if it is free, else any free one.

    Raises SetupError for a port that is taken or out of range.
    """
    taken: set[int] = set()

    def choose(name: str, wanted: int = 0) -> int:
        grpc = name != "mlflow"
        if wanted:
            _require_free(name, wanted, grpc=grpc)
            taken.update((wanted, wanted + GRPC_OFFSET))
            return wanted
        for port in (remembered.get(name, 0), *secrets.SystemRandom().sample(_FREE_PORTS, 200)):
            pair = {port, port + GRPC_OFFSET} if grpc else {port}
            if port and not pair & taken and all(port_is_free(number) for number in pair):
                taken.update(pair)
                return port
        raise SetupError(
            f"No free port on {LOOPBACK} between {_FREE_PORTS.start} and {_FREE_PORTS.stop}.",
            hint="Close some servers, or name the ports with --s3-port and --mlflow-port.",
        )

    chosen = {"s3": choose("s3", s3_port), "mlflow": choose("mlflow", mlflow_port)}
    return Ports(**chosen, **{name: choose(name) for name in ("master", "volume", "filer", "admin")})


def _require_free(name: str, port: int, *, grpc: bool) -> None:
    option = f"--{name}-port"
    limit = 65_535 - (GRPC_OFFSET if grpc else 0)
    if not 1 <= port <= limit:
        raise SetupError(
            f"{option} {port} is outside 1 to {limit}.", hint="Leave it out to use any free port."
        )
    for number in (port, port + GRPC_OFFSET) if grpc else (port,):
        if not port_is_free(number):
            why = "" if number == port else f", which {option} {port} also needs (gRPC)"
            raise SetupError(
                f"Port {number} on {LOOPBACK} is in use or not allowed{why}.",
                hint=f"Stop what listens there, or leave {option} out to use any free port.",
            )
