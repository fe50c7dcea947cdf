"""Two kinds of keys: those that use the services, and those that may restart them as well."""

from pathlib import Path

import pytest
from aiohttp import ClientSession
from spark_engine.healing.proxy_client import ProxyClient
from spark_engine.healing.watchdog import RestartRefused
from spark_engine.models import ServerName, Service
from spark_engine.servers.transport import Transport

from tests.fakes import parakeet
from tests.fakes.server import running
from tests.helpers.proxy.healing import RESTART, hook, watched
from tests.helpers.proxy.running_proxy import StartProxy

KEY, OTHER, ADMIN = "the-key-of-the-house", "the-key-of-the-garden", "the-key-of-its-owner"
PATH = "/api/services/parakeet/restart"


def bearer(key: str) -> dict[str, str]:
    """A header."""
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (bearer(KEY), 403, "admin_key_required"),
        (bearer(OTHER), 403, "admin_key_required"),
        ({"api-key": KEY}, 403, "admin_key_required"),
        (bearer("wrong"), 401, "invalid_api_key"),
        ({}, 401, "invalid_api_key"),
        (bearer(ADMIN), 202, None),
        ({"api-key": ADMIN} | bearer(KEY), 202, None),
    ],
)
async def test_only_an_admin_key_restarts(
    start_proxy: StartProxy, tmp_path: Path, headers: dict[str, str], status: int, code: str | None
) -> None:
    """Where there is one."""
    restarts = hook()
    async with running(restarts):
        target = restarts.url + RESTART
        keys = (KEY, OTHER)
        proxy = await watched(
            start_proxy, tmp_path, parakeet.openai(), parakeet_restart_url=target, api_key=keys, admin_key=(ADMIN,)
        )
        for path in (PATH, f"{PATH}/") if code else (PATH,):
            async with proxy.client.post(proxy.url + path, headers=headers) as response:
                assert response.status == status
                assert code is None or (await response.json())["error"]["code"] == code
        assert len(restarts.posts(RESTART)) == (status == 202)


@pytest.mark.parametrize("key", [KEY, ADMIN])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/status"),
        ("POST", "/api/services/parakeet/check"),
        ("POST", "/v1/audio/speech"),
        ("GET", "/v1/models"),
    ],
)
async def test_either_kind_does_all_else(
    start_proxy: StartProxy, tmp_path: Path, key: str, method: str, path: str
) -> None:
    """So that Home Assistant, and a person, need one key and not two."""
    proxy = await watched(start_proxy, tmp_path, api_key=(KEY,), admin_key=(ADMIN,), protect_lists=True)
    body = {"input": "Hello."} if path.endswith("speech") else None
    async with proxy.client.request(method, proxy.url + path, headers=bearer(key), json=body) as response:
        assert response.status == 200


async def test_without_an_admin_key_every_key_restarts(start_proxy: StartProxy, tmp_path: Path) -> None:
    restarts = hook()
    async with running(restarts):
        target = restarts.url + RESTART
        proxy = await watched(start_proxy, tmp_path, parakeet_restart_url=target, api_key=(KEY,))
        async with proxy.client.post(proxy.url + PATH, headers=bearer(KEY)) as response:
            assert response.status == 202


async def test_home_assistant_is_told_and_asks_for_no_other_key(start_proxy: StartProxy, tmp_path: Path) -> None:
    """All else works with the key that it has."""
    proxy = await watched(start_proxy, tmp_path, api_key=(KEY,), admin_key=(ADMIN,))
    async with ClientSession() as session:
        client = ProxyClient(Transport(session, proxy.url, KEY))
        with pytest.raises(RestartRefused, match="an admin key may"):
            await client.restart(ServerName(Service.PARAKEET))
        assert (await client.status()).servers
