"""A client of the proxy's health API (docs/api.md): a Spark that the proxy watches."""

from dataclasses import dataclass
from typing import override

from ..errors import Rejected, ServerFault, Unauthorized
from ..models import ServerName
from ..servers.bodies import Body
from ..servers.transport import Transport
from .status import SparkStatus, from_json
from .watchdog import NoRestartTarget, RestartRefused, RestartUnderWay

REFUSED = 424
"""Failed Dependency: the restart target refused. The message is its answer."""

UNDER_WAY_OR_NO_TARGET = 409

NOT_WITH_THIS_KEY = 403
"""The proxy has an admin key, and this is another one."""

_NOTHING = Body("application/octet-stream", (b"",))


@dataclass(frozen=True, slots=True)
class ProxyClient:
    """The health API behind one URL. The transport carries the key."""

    transport: Transport

    @override
    def __repr__(self) -> str:
        return f"ProxyClient({self.transport.base_url})"

    async def status(self) -> SparkStatus:
        """Return the proxy's status. Raises SparkError; ServerFault where what answers is no such proxy."""
        reply = await self.transport.get("/api/status", deadline=self.transport.deadlines.proxy)
        try:
            return from_json(reply.json())
        except (KeyError, TypeError, ValueError, OverflowError) as err:
            raise ServerFault(
                "The server's answer is no status; is this a Spark Audio proxy?", status=reply.status
            ) from err

    async def restart(self, name: ServerName) -> None:
        """Restart a server. Raises RestartUnderWay, NoRestartTarget, RestartRefused, SparkError."""
        deadlines = self.transport.deadlines
        path, deadline = f"/api/services/{name}/restart", deadlines.restart_reply + deadlines.proxy
        try:
            await self.transport.post(path, _NOTHING, deadline=deadline)
        except Unauthorized as err:
            if err.status != NOT_WITH_THIS_KEY:
                raise
            # No reason to ask for another key: everything else works with this one.
            raise RestartRefused(err.message) from err
        except Rejected as err:
            if err.status not in (REFUSED, UNDER_WAY_OR_NO_TARGET):
                raise
            server = next((server for server in (await self.status()).servers if server.name == name), None)
            if err.status == REFUSED:
                # The target's own sentence, without ours about the proxy's status.
                raise RestartRefused((server and server.restart_problem) or err.message) from err
            if server is not None and server.restart_target is None:
                raise NoRestartTarget from err
            raise RestartUnderWay from err

    async def check(self, name: ServerName) -> None:
        """Have a canary sent now; the next status tells what it showed. Raises SparkError."""
        deadlines = self.transport.deadlines
        await self.transport.post(f"/api/services/{name}/check", _NOTHING, deadline=deadlines.canary + deadlines.proxy)
