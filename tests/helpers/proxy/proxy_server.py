"""The server that the proxy's tests talk to: connections are those of the product."""

from typing import Any, override

from aiohttp.test_utils import TestServer
from spark_audio_proxy.http_server import Runner


class ProxyServer(TestServer):
    """aiohttp's server for tests, run as `spark_audio_proxy.__main__` runs its own."""

    __test__ = False

    @override
    async def _make_runner(self, **kwargs: Any) -> Runner:
        return Runner(self.app, **kwargs)
