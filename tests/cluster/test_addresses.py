"""Which of the named machines this one is."""

from __future__ import annotations

import pytest

from ocr_train.cluster.addresses import find_addresses, interface_of, own_addresses, own_rank
from ocr_train.config.nodes import Nodes
from ocr_train.errors import ConfigError, SetupError

PAIR = ("10.0.0.1", "10.0.0.2")


def nodes(*hosts: str, rank: int | None = None, timeout_s: float = 5.0) -> Nodes:
    """Machines of these names."""
    return Nodes(hosts=hosts, port=36170, rank=rank, timeout_s=timeout_s)


def test_a_name_becomes_an_address() -> None:
    """A host name would let Paddle's launcher wait for ever."""
    assert find_addresses(nodes("localhost", "127.0.0.2")) == ("127.0.0.1", "127.0.0.2")


def test_a_name_that_nobody_knows_is_asked_for_again_and_then_named() -> None:
    """A machine that has just started may not be known yet."""
    waits: list[float] = []
    with pytest.raises(SetupError, match=r"no address is known of nowhere\.invalid \(asked for 0\.2 s\)"):
        find_addresses(nodes("127.0.0.1", "nowhere.invalid", timeout_s=0.2), wait=waits.append)
    assert waits


def test_a_machine_knows_itself_by_its_address() -> None:
    """So that the same command can be started everywhere."""
    assert own_rank(nodes(*PAIR), PAIR, {"127.0.0.1", "10.0.0.2"}) == 1


def test_a_machine_may_be_told_which_one_it_is() -> None:
    """Where its address is another one inside, as in a container."""
    assert own_rank(nodes(*PAIR, rank=0), PAIR, {"172.17.0.2"}) == 0


@pytest.mark.parametrize(("own", "said"), [({"10.9.9.9"}, "none of them"), (set(PAIR), "2 of them")])
def test_a_machine_that_cannot_tell_is_asked(own: set[str], said: str) -> None:
    """With both lists, so that the fault can be seen."""
    with pytest.raises(ConfigError, match=said) as caught:
        own_rank(nodes(*PAIR), PAIR, own)
    assert "node_rank=0" in caught.value.hint


def test_the_interface_of_an_address_is_found() -> None:
    """Gloo takes its name."""
    assert "127.0.0.1" in own_addresses()
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("203.0.113.9") == ""
