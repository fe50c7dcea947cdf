"""What holds for every test: a skipped one counts as missing, and `--rows` takes a few of each table."""

from collections import Counter

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which `scripts/test fast` leaves out most of what only repeats a test with other values."""
    parser.addoption("--rows", type=int, help="run only the first ROWS rows of each parametrized test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the rows of parametrized tests behind the first `--rows`."""
    most = config.getoption("rows")
    if most is None:
        return
    rows = Counter[str]()
    kept, left_out = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        test = item.nodeid.partition("[")[0]
        rows[test] += 1
        (kept if rows[test] <= most else left_out).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test was skipped: something it needs was not there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line("skipped tests count as failed", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
