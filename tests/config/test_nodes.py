"""The machines that train together, as they are named."""

from __future__ import annotations

import pytest

from ocr_train.config.nodes import PORT, parse_nodes
from ocr_train.config.parameters import Launch


def problems_of(**values: str) -> list[str]:
    """What is wrong with a launch's machines."""
    problems: list[str] = []
    parse_nodes(Launch(**values), problems)
    return problems


def test_one_machine_needs_no_name() -> None:
    """Nothing named is this machine alone."""
    assert parse_nodes(Launch(), []) is None


def test_the_first_machine_leads_and_may_name_a_port() -> None:
    """Addresses and names may stand side by side."""
    nodes = parse_nodes(Launch(nodes="10.0.0.1:7000, host-b", node_rank="1", peers_timeout_s="60"), [])
    assert nodes is not None
    assert (nodes.hosts, nodes.port, nodes.rank, nodes.timeout_s) == (("10.0.0.1", "host-b"), 7000, 1, 60.0)


def test_a_port_has_a_default() -> None:
    """All machines must agree on it."""
    nodes = parse_nodes(Launch(nodes="a,b"), [])
    assert nodes is not None
    assert (nodes.port, nodes.rank) == (PORT, None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"nodes": "a,b/c"}, "nodes: 'b/c' is not a host name or an IPv4 address"),
        ({"nodes": "a:99999,b"}, "nodes: 'a:99999' is not a host name"),
        ({"nodes": "a,b,a"}, "nodes: 'a' is named more than once"),
        ({"nodes": "a,b", "node_rank": "2"}, "node_rank: '2' is not a number from 0 to 1"),
        ({"node_rank": "1"}, "node_rank=1 without `nodes`"),
        (
            {"nodes": "a,b", "peers_timeout_s": "soon"},
            "peers_timeout_s: 'soon' is not a number of seconds above 0",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(values: dict[str, str], said: str) -> None:
    """One sentence a problem."""
    [problem] = problems_of(**values)
    assert said in problem
