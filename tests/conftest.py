"""What holds for every test: a skipped one counts as missing."""

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test was skipped: something it needs was not there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line("skipped tests count as failed", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
