"""Two guests that answer differently: what becomes of the client under each on_divergence."""

from __future__ import annotations

from pathlib import Path

from tests.support.namespaces import need
from tests.support.pair import Pair, Wiring

PRIMARYS = "of the primary".ljust(16)  # what GET /state answers

# As an operator's script would: what the service in the primary's guest knows goes to the secondary's, whose kernel
# forgets its connections, as the primary's are none of its own from here on.
MAKE_EQUAL = """\
#!/bin/sh
set -e
cp {folder}/primary.state {folder}/secondary.state
ip netns exec {replica} ss -K > /dev/null
echo made checkpoint $COLO_CHECKPOINT
"""


def wiring(*compare: str, **more: object) -> Wiring:
    return Wiring(compare=compare, **more)  # type: ignore[arg-type]


def check_protected_again(pair: Pair) -> None:
    """New connections are compared, and nothing of them differs."""
    before = pair.compared()
    found = pair.visit("in_a_row", 20, 100_000, 10)
    assert found["wrong"] == []
    after = pair.compared()
    assert after["compared"] > before.get("compared", 0)
    for counter in ("divergences", "unprotected"):
        assert after.get(counter, 0) == before.get(counter, 0)


def test_with_release_the_client_gets_the_primarys_answer_and_other_connections_stay_protected(tmp_path: Path) -> None:
    need("ip")
    with Pair(tmp_path, wiring("on_divergence=release")) as pair:
        assert pair.visit("get", "/name", 2)["said"] == ["primary", "primary"]
        assert "divergence (payload) of TCP 10.0.0.2:80 to 10.0.0.1:" in pair.primary.output
        counters = pair.compared()
        assert counters["divergences"] == counters["released_flows"] == 1
        assert counters["unprotected"] > 0
        check_protected_again(pair)


def test_without_a_checkpointer_it_is_held_for_compare_timeout_and_let_go(tmp_path: Path) -> None:
    need("ip")
    with Pair(tmp_path, wiring("compare_timeout=500")) as pair:
        found = pair.visit("get", "/name", 2)
        assert found["said"] == ["primary", "primary"]
        assert found["slowest"] > 0.4
        counters = pair.compared()
        assert counters["divergences"] == counters["released_flows"] == 1
        check_protected_again(pair)


def test_a_checkpoint_makes_the_guests_equal_and_the_client_goes_on(tmp_path: Path) -> None:
    need("ip", "ss")
    script = tmp_path / "make-equal"
    command = ("-object", f"checkpoint-command,id=cc0,command={script}")
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with Pair(tmp_path, wiring("checkpoint=cc0", more_primary=command)) as pair:
        script.write_text(MAKE_EQUAL.format(folder=tmp_path, replica=pair.replica.name))
        assert pair.visit("get", "/state")["said"] == [PRIMARYS]
        counters = pair.compared()
        assert counters["divergences"] == counters["checkpoints"] == counters["checkpoints_done"] == 1
        assert "made checkpoint" in pair.primary.output
        assert pair.visit("get", "/state")["said"] == [PRIMARYS]
        check_protected_again(pair)
        assert pair.compared()["divergences"] == 1


def test_with_isolate_the_secondary_learns_that_it_is_invalid_and_the_primary_runs_alone(tmp_path: Path) -> None:
    need("ip")
    with Pair(tmp_path, wiring("on_divergence=isolate")) as pair:
        assert pair.visit("get", "/name", 2)["said"] == ["primary", "primary"]
        counters = pair.compared()
        assert counters["divergences"] == counters["isolations"] == 1
        pair.secondary.wait_for_output("the guest is invalid: ")
        found = pair.visit("in_a_row", 20, 100_000, 10)
        assert found["wrong"] == []
        assert pair.compared()["compared"] == counters["compared"]
