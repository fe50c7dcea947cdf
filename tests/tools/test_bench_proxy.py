"""The proxy beside its peers: what becomes of samples, how a peer is started, and health under load."""

import sys
from pathlib import Path

import pytest

from bench import environments, proxy_peers
from bench.environments import NotInstalled, Package, install_environment, unpack_debian
from bench.errors import BenchError
from bench.figures import Spread
from bench.load import Block, Exchange, Request
from bench.machine import MIB, this_machine
from bench.plot import as_svg
from bench.processes import Child, started
from bench.proxy_health import Health, probe_under_load, read_counts
from bench.proxy_peers import NGINX, ORIGINAL, OURS
from bench.proxy_report import DIRECT, Case, Memory, aims, charts, tables
from bench.requests import Pair
from bench.upstream import Counts

REQUEST = Request("/v1/audio/transcriptions", {"Content-Type": "text/plain"}, b"0123456789")

NGINX_STAND_IN = """#!{python}
import re, signal, socket, sys
if {is_broken}:
    sys.exit("nginx: [emerg] no")
if "-v" in sys.argv:
    print("nginx version: nginx/9.8.7")
else:
    config = open(sys.argv[sys.argv.index("-c") + 1]).read()
    assert "server 127.0.0.1:1234; keepalive" in config
    port = int(re.search(r"listen 127.0.0.1:([0-9]+)", config)[1])
    with socket.create_server(("127.0.0.1", port)):
        signal.pause()
"""


def block(*milliseconds: float, seconds: float = 1.0) -> Block:
    """One request for each time, whose first audio came after half of it."""
    return Block(tuple(Exchange(200, each / 2000, each / 1000, 10) for each in milliseconds), seconds)


def case(name: str, callers: int) -> Case:
    """Two rounds of four ways."""
    measured = Case(name, Pair(REQUEST, REQUEST), callers, 2)
    for way, added, cpu in ((DIRECT, 0.0, 0.0), (NGINX, 0.5, 0.001), (ORIGINAL, 6.0, 0.012), (OURS, 1.5, 0.002)):
        for slower in (0.0, 4.0):
            measured.add(way, block(20 + added + slower, 22 + added + slower, seconds=1 + added / 10), cpu)
    return measured


MEMORY = [
    Memory(ORIGINAL, "", 32, 20_000_000, 0, 50 * MIB, 900 * MIB),
    Memory(OURS, "as shipped", 32, 20_000_000, 6, 60 * MIB, 100 * MIB),
    Memory(OURS, "1 GiB", 32, 20_000_000, 0, 60 * MIB, 200 * MIB),
]
HEALTH = [Health(ORIGINAL, 3, (), 100), Health(OURS, 3, (0.001, 0.003), 1000)]


def test_what_is_added_is_told_round_by_round() -> None:
    """Against the way without anything in between; a machine that grew slower adds nothing."""
    measured = case("transcription", 1)
    assert measured.added(OURS, lambda each: 1000 * each.whole) == Spread(*[pytest.approx(1.5)] * 3)
    assert measured.cpu_each(OURS) == Spread(*[pytest.approx(1.0)] * 3)
    assert measured.times(OURS, NGINX) == Spread(*[pytest.approx(1.05 / 1.15)] * 3)


def test_tables_name_every_way() -> None:
    """What was not asked of the direct way is empty, and so is a latency that nobody has."""
    packages = [Package(NGINX, "9.8.7")]
    heard, lines, spoken = [case("t", 1)], [case("20 Mbit/s", 1)], [case("one sentence", 1)]
    _, heard, slow, spoken, memory, health = tables(packages, heard, lines, spoken, MEMORY, HEALTH)
    assert [row[1] for row in heard.rows] == [DIRECT, NGINX, ORIGINAL, OURS]
    assert heard.rows[0][5:] == (None, None, None)
    assert [row[:2] for row in slow.rows] == [("20 Mbit/s", way) for way in (DIRECT, NGINX, ORIGINAL, OURS)]
    assert [row[-1] for row in slow.rows][0::3] == [None, Spread(*[pytest.approx(1.5)] * 3)]
    assert spoken.rows[0][-1] is None
    assert [row[2:4] for row in memory.rows] == [(32, 0), (26, 6), (32, 0)]
    assert [row[3:] for row in health.rows] == [(0, None, None), (2, 1.0, 3.0)]


def test_aims_are_ours_and_of_what_was_measured() -> None:
    """Memory by its highest peak; throughput only where nginx ran and many called."""
    found = aims([case("t", 1), case("t", 32)], [case("one sentence", 1), case("one sentence", 32)], MEMORY, HEALTH)
    assert [(aim.claim.split(":")[-1].strip(), aim.held) for aim in found] == [
        ("added at the median, ms", True),
        ("CPU of a request, ms", True),
        ("CPU of a request, ms", True),
        ("requests/s, times nginx's", True),
        ("first audio after the upstream's, ms", True),
        ("memory, 32 uploads at once, at its peak, MB", True),
        ("probes of /healthz answered under load", False),
    ]
    alone = case("t", 32)
    del alone.blocks[NGINX]
    assert not [aim for aim in aims([alone], [], MEMORY, []) if "nginx" in aim.claim]


def test_charts_can_be_drawn_whatever_was_measured() -> None:
    """A way that adds less than nothing has a bar, too; the memory is that of all uploads."""
    faster = case("t", 1)
    faster.blocks[NGINX] = [block(19), block(23)]
    drawn = charts([faster, case("t", 32)], [case("20 Mbit/s", 1)], [case("one sentence", 1)], MEMORY, this_machine())
    assert [chart.name for chart in drawn] == ["bench-proxy-added", "bench-proxy-throughput", "bench-proxy-memory"]
    for chart in drawn:
        assert as_svg(chart)
    assert [(bar.label, bar.figure) for bar in drawn[2].bars] == [(ORIGINAL, 900 * MIB / 1e6), (OURS, 200 * MIB / 1e6)]


async def test_nginx_is_started_on_a_port_and_named_by_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that does not start says why."""
    program = tmp_path / "nginx"
    monkeypatch.setenv("PATH", str(tmp_path))
    program.write_text(NGINX_STAND_IN.format(python=sys.executable, is_broken=False))
    program.chmod(0o755)
    peer = await proxy_peers.nginx()
    assert peer.packages == (Package(NGINX, "9.8.7"),)
    upstream = Child(0, "http://127.0.0.1:1234")
    async with peer.start(upstream) as child:
        assert child.url.startswith("http://127.0.0.1:")
    program.write_text(NGINX_STAND_IN.format(python=sys.executable, is_broken=True))
    with pytest.raises(BenchError, match=r"nginx did not start: nginx: \[emerg\] no"):
        async with peer.start(upstream):
            pass
    with pytest.raises(NotInstalled, match="emerg"):
        await proxy_peers.nginx()


async def test_what_cannot_be_fetched_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the words of the program that should have fetched it; and what is there is not fetched again."""
    monkeypatch.setattr(environments, "TOOLS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="apt-get cannot be started"):
        await unpack_debian("nginx", "usr/sbin/nginx")
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho E: no such package\nexit 100\n")
    apt.chmod(0o755)
    with pytest.raises(NotInstalled, match=r"^E: no such package$"):
        await unpack_debian("nginx", "usr/sbin/nginx")
    there = tmp_path / "bin/nginx"
    there.parent.mkdir()
    there.touch(0o755)
    assert await unpack_debian("nginx", "usr/sbin/nginx") == there
    with pytest.raises(NotInstalled, match="uv cannot be started"):
        await install_environment(tmp_path / "none", Path(sys.executable), (Package("fastapi", "1.0"),))


async def test_health_is_asked_while_requests_are_held() -> None:
    """All of them at once, and the upstream counted them."""
    async with started("bench.upstream", "--recognition", "60") as upstream:
        nobody = await read_counts(upstream)
        # The upstream has no /healthz: a probe that gets a 404 is none that was answered.
        health = await probe_under_load("upstream", upstream, upstream, REQUEST, callers=5, probes=3)
    assert nobody == Counts()
    assert (health.probes, health.latencies, health.held) == (3, (), 5)


async def test_a_load_that_breaks_gives_no_health() -> None:
    """Nobody was under load."""
    async with started("bench.upstream") as upstream:
        missing = Child(0, "http://127.0.0.1:9")
        with pytest.raises(BenchError, match="No connection"):
            await probe_under_load("nobody", missing, upstream, REQUEST, callers=2, probes=3)
