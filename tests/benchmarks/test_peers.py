"""What comparisons with peers are made of: turns, ratios within a round, and a peer that is not there is named."""

import re
import sys
from pathlib import Path

from benchmarks.peers.turns import missing, optional, ratio, rows_of, table, take_turns

PEERS = Path(__file__).parent / "peers"


def test_tasks_take_turns() -> None:
    seen: list[str] = []
    now = iter(range(1000))
    tasks = {name: lambda name=name: seen.append(name) for name in ("a", "b")}
    times = take_turns(tasks, 3, clock=lambda: float(next(now)))
    assert seen == ["a", "a", "b", "b", *("a", "b") * 3]  # each warms up and is tried first
    assert times == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_short_work_is_repeated() -> None:
    count = 0

    def work() -> None:
        nonlocal count
        count += 1

    now = iter(range(1000))
    take_turns({"work": work}, 1, clock=lambda: 1e-9 * next(now), tries=100)
    assert count == 102


def test_ratios_are_taken_within_rounds() -> None:
    """A machine that is twice as slow for a round changes no ratio."""
    assert ratio({"a": [2.0, 4.0, 2.0], "b": [1.0, 2.0, 1.0]}, "a", "b") == 2.0


def test_a_peer_that_is_not_there_is_named() -> None:
    assert optional("no_such_package") is None
    rows = rows_of({"floor": [1.0], "ours": [3.0]}, "floor", {"ours": "1e-16"}, {"ours": "met"})
    lines = table("error", [*rows, missing("delve")]).splitlines()
    assert lines[3] == "| ours | 3 s | 3 | 1e-16 | met |"
    assert lines[4] == "| delve |  |  |  | missing: not installed, or does not import |"


def test_a_broken_peer_is_missing(tmp_path: Path) -> None:
    (tmp_path / "broken_peer.py").write_text("1 / 0\n")
    sys.path.insert(0, str(tmp_path))
    try:
        assert optional("broken_peer") is None
    finally:
        sys.path.remove(str(tmp_path))


def test_every_workload_is_in_the_report() -> None:
    listed = re.search(r"_WORKLOADS = \(([^)]*)\)", (PEERS / "report.py").read_text(encoding="utf-8"))
    assert listed is not None
    workloads = set(re.findall(r'"(\w+)"', listed[1]))
    assert workloads == {path.stem for path in PEERS.glob("*.py")} - {"report", "turns", "neural_tangents_worker"}
