"""A client of Home Assistant's public interfaces: REST and the websocket."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, FormData, WSMessageTypeError, WSMsgType

from .errors import ToolError
from .http import Json, ask, items, pick, text
from .processes import HOME_ASSISTANT

LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Account:
    """The person that signs up in Home Assistant."""

    user: str
    password: str


class Socket:
    """One authenticated websocket connection; commands one after the other."""

    def __init__(self, connection: ClientWebSocketResponse) -> None:
        """`connection` has passed authentication."""
        self._connection = connection
        self._last_id = 0

    async def send(self, command: str, **fields: Json) -> int:
        """Send a command and return its id, which answers and events carry."""
        self._last_id += 1
        await self._connection.send_json({"id": self._last_id, "type": command} | fields)
        return self._last_id

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        await self._connection.send_bytes(data)

    async def messages(self, of: int) -> AsyncGenerator[Json]:
        """Yield the messages that belong to the command with the id `of`, its result included. Raises ToolError."""
        async for message in self._connection:
            if message.type is not WSMsgType.TEXT:
                continue
            answer: Json = message.json()
            if pick(answer, "id") != of:
                continue
            if pick(answer, "type") == "result" and pick(answer, "success") is not True:
                raise ToolError(
                    f"Home Assistant refused: {text(answer, 'error', 'message')} ({text(answer, 'error', 'code')}).",
                    HOME_ASSISTANT,
                )
            yield answer
        raise ToolError("Home Assistant closed the connection.", HOME_ASSISTANT)

    async def call(self, command: str, **fields: Json) -> Json:
        """Send a command and return its result. Raises ToolError."""
        async for answer in self.messages(await self.send(command, **fields)):
            if pick(answer, "type") == "result":
                return pick(answer, "result")
        raise ToolError(f"Home Assistant did not answer {command}.", HOME_ASSISTANT)


class HomeAssistant:
    """A Home Assistant at `url`; everything but `sign_up` and `log_in` needs one of these two before."""

    def __init__(self, session: ClientSession, url: str) -> None:
        """`url` without a slash at its end."""
        self.session = session
        self.url = url
        self._client_id = f"{url}/"
        self._token = ""

    async def is_up(self) -> bool | None:
        """Return True once it serves its interface, None before."""
        try:
            async with self.session.get(f"{self.url}/manifest.json") as response:
                return response.ok or None
        except TimeoutError, ClientError:
            return None

    async def request(self, method: str, path: str, body: Mapping[str, Json] | FormData | None = None) -> Json:
        """Make one REST request and return its JSON. Raises ToolError."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return await ask(self.session, method, f"{self.url}{path}", HOME_ASSISTANT, body, headers)

    @asynccontextmanager
    async def socket(self) -> AsyncGenerator[Socket]:
        """Open an authenticated websocket. Raises ToolError."""
        try:
            async with self.session.ws_connect(f"{self.url}/api/websocket") as connection:
                await connection.receive_json()
                await connection.send_json({"type": "auth", "access_token": self._token})
                verdict: Json = await connection.receive_json()
                if pick(verdict, "type") != "auth_ok":
                    raise ToolError("Home Assistant did not accept the token.", HOME_ASSISTANT)
                yield Socket(connection)
        except (ClientError, WSMessageTypeError) as error:
            raise ToolError(f"The connection to Home Assistant broke: {error}", HOME_ASSISTANT) from error

    async def call(self, command: str, **fields: Json) -> Json:
        """Make one websocket command and return its result. Raises ToolError."""
        async with self.socket() as socket:
            return await socket.call(command, **fields)

    async def sign_up(self, account: Account) -> None:
        """Go through onboarding: create the owner, send no analytics, finish. Raises ToolError."""
        person = {"name": account.user.capitalize(), "username": account.user, "password": account.password}
        client = {"client_id": self._client_id}
        code = await self.request("POST", "/api/onboarding/users", person | client | {"language": LANGUAGE})
        await self._redeem(text(code, "auth_code"))
        await self.request("POST", "/api/onboarding/analytics")
        await self.request("POST", "/api/onboarding/integration", client | {"redirect_uri": self._client_id})

    async def log_in(self, account: Account) -> None:
        """Log in as a user who signed up before. Raises ToolError."""
        client = {"client_id": self._client_id}
        handler: Json = ["homeassistant", None]
        flow = await self.request(
            "POST", "/auth/login_flow", {"handler": handler, "redirect_uri": self._client_id, **client}
        )
        step = await self.request(
            "POST",
            f"/auth/login_flow/{text(flow, 'flow_id')}",
            {"username": account.user, "password": account.password, **client},
        )
        if pick(step, "type") != "create_entry":
            raise ToolError(
                "Home Assistant does not accept the password of the kept demo: start once without --keep.",
                HOME_ASSISTANT,
            )
        await self._redeem(text(step, "result"))

    async def _redeem(self, code: str) -> None:
        form = FormData({"grant_type": "authorization_code", "code": code, "client_id": self._client_id})
        self._token = text(await self.request("POST", "/auth/token", form), "access_token")

    async def state(self, entity_id: str) -> str:
        """Return the state of an entity. Raises ToolError."""
        return text(await self.request("GET", f"/api/states/{entity_id}"), "state")

    async def is_running(self) -> bool | None:
        """Return True once start-up is over, None before. Raises ToolError."""
        return pick(await self.request("GET", "/api/config"), "state") == "RUNNING" or None

    async def version(self) -> str:
        """Return the version of Home Assistant. Raises ToolError."""
        return text(await self.request("GET", "/api/config"), "version")

    async def act(self, action: str, entity_id: str) -> None:
        """Perform an action such as `light.turn_off` on an entity. Raises ToolError."""
        await self.request("POST", f"/api/services/{action.replace('.', '/')}", {"entity_id": entity_id})

    async def entries(self, domain: str) -> list[str]:
        """Return the ids of the config entries of an integration. Raises ToolError."""
        listing = await self.request("GET", f"/api/config/config_entries/entry?domain={domain}")
        return [text(entry, "entry_id") for entry in items(listing)]
