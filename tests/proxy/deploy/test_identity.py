"""The id of a proxy: made once, kept, and none where it cannot be kept."""

import logging
from pathlib import Path
from uuid import UUID

import pytest
from spark_audio_proxy.identity import lasting_id

from tests.helpers.proxy.running_proxy import Proxy, StartProxy


def test_it_lasts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Made at the first start, in a folder that need not exist yet; another folder is another proxy."""
    folder = tmp_path / "state/spark-audio"
    first = lasting_id(folder)
    assert first is not None
    assert str(UUID(first)) == first == lasting_id(folder)
    assert lasting_id(tmp_path / "other") not in (first, None)
    assert caplog.records == []


@pytest.mark.parametrize("document", [b"", b"\xff", b"[]", b'{"id": 1}', b'{"id": "../../etc"}'])
def test_a_damaged_one_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture, document: bytes) -> None:
    (tmp_path / "proxy.json").write_bytes(document)
    first = lasting_id(tmp_path)
    assert first is not None
    assert UUID(first)
    assert "is damaged" in caplog.text
    caplog.clear()
    assert lasting_id(tmp_path) == first
    assert caplog.records == []


def test_no_place_to_keep_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """None, rather than another one with every start; the log says what follows from it."""
    (tmp_path / "file").write_text("in the way")
    assert lasting_id(tmp_path / "file") is None
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "it is not announced" in line
    assert "Not a directory" in line


async def status_id(proxy: Proxy) -> object:
    """The id in the status."""
    async with proxy.client.get(f"{proxy.url}/api/status") as response:
        return (await response.json())["id"]


async def test_the_status_tells_it(start_proxy: StartProxy, tmp_path: Path) -> None:
    """The same after a restart; null where there is none."""
    kept = str(tmp_path / "kept")
    first = await start_proxy(state_dir=kept)
    before = await status_id(first)
    await first.stop()
    assert before == await status_id(await start_proxy(state_dir=kept)) == lasting_id(tmp_path / "kept")
    (tmp_path / "file").write_text("in the way")
    assert await status_id(await start_proxy(state_dir=str(tmp_path / "file"))) is None
