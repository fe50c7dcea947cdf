"""A client of Home Assistant's public interfaces: REST and the websocket. Errors name Home Assistant as the fault."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, FormData, WSMessageTypeError, WSMsgType

from .answers import Json, items, pick, text
from .errors import DemoError
from .processes import HOME_ASSISTANT

LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Account:
    """The person the demo signs up in Home Assistant."""

    user: str
    password: str


class Socket:
    """One authenticated websocket connection; commands one after the other."""

    def __init__(self, connection: ClientWebSocketResponse) -> None:
        """`connection` has passed authentication."""
        self._connection = connection
        self._last_id = 0

    async def send(self, command: str, **fields: Json) -> int:
        """Send a command and give its id, which answers and events carry."""
        self._last_id += 1
        await self._connection.send_json({"id": self._last_id, "type": command} | fields)
        return self._last_id

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        await self._connection.send_bytes(data)

    async def messages(self, of: int) -> AsyncIterator[Json]:
        """The messages that belong to the command with the id `of`, its result included, as they come."""
        async for message in self._connection:
            if message.type is not WSMsgType.TEXT:
                continue
            answer: Json = message.json()
            if pick(answer, "id") != of:
                continue
            if pick(answer, "type") == "result" and pick(answer, "success") is not True:
                raise DemoError(
                    f"Home Assistant refused: {text(answer, 'error', 'message')} ({text(answer, 'error', 'code')}).",
                    HOME_ASSISTANT,
                )
            yield answer
        raise DemoError("Home Assistant closed the connection.", HOME_ASSISTANT)

    async def call(self, command: str, **fields: Json) -> Json:
        """Send a command and give its result."""
        async for answer in self.messages(await self.send(command, **fields)):
            if pick(answer, "type") == "result":
                return pick(answer, "result")
        raise DemoError(f"Home Assistant did not answer {command}.", HOME_ASSISTANT)


class HomeAssistant:
    """A running Home Assistant at `url`; everything but `sign_up` and `log_in` needs one of these two before."""

    def __init__(self, session: ClientSession, url: str) -> None:
        """`url` without a slash at its end."""
        self.session = session
        self.url = url
        self._client_id = f"{url}/"
        self._token = ""

    async def is_up(self) -> bool | None:
        """True once it serves its interface, None before."""
        try:
            async with self.session.get(f"{self.url}/manifest.json") as response:
                return response.ok or None
        except TimeoutError, ClientError:
            return None

    async def request(self, method: str, path: str, body: Mapping[str, Json] | FormData | None = None) -> Json:
        """One REST request; a mapping goes out as JSON. DemoError on any status but 2xx, with what it answered."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        form, json = (body, None) if isinstance(body, FormData) else (None, body)
        try:
            async with self.session.request(
                method, f"{self.url}{path}", json=json, data=form, headers=headers
            ) as response:
                if not response.ok:
                    complaint = " ".join((await response.text()).split())
                    raise DemoError(
                        f"Home Assistant answered {response.status} to {path}: {complaint:.500}", HOME_ASSISTANT
                    )
                answer: Json = await response.json()
                return answer
        except TimeoutError:
            raise DemoError(f"Home Assistant did not answer {path} in time.", HOME_ASSISTANT) from None
        except ClientError as error:
            raise DemoError(f"Home Assistant cannot be reached: {error}", HOME_ASSISTANT) from error

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """An authenticated websocket."""
        try:
            async with self.session.ws_connect(f"{self.url}/api/websocket") as connection:
                await connection.receive_json()
                await connection.send_json({"type": "auth", "access_token": self._token})
                verdict: Json = await connection.receive_json()
                if pick(verdict, "type") != "auth_ok":
                    raise DemoError("Home Assistant did not accept the demo's token.", HOME_ASSISTANT)
                yield Socket(connection)
        except (ClientError, WSMessageTypeError) as error:
            raise DemoError(f"The connection to Home Assistant broke: {error}", HOME_ASSISTANT) from error

    async def sign_up(self, account: Account) -> None:
        """Go through onboarding: create the owner, send no analytics, finish."""
        code = await self.request(
            "POST",
            "/api/onboarding/users",
            {
                "name": account.user.capitalize(),
                "username": account.user,
                "password": account.password,
                "client_id": self._client_id,
                "language": LANGUAGE,
            },
        )
        await self._redeem(text(code, "auth_code"))
        await self.request("POST", "/api/onboarding/analytics")
        await self.request(
            "POST", "/api/onboarding/integration", {"client_id": self._client_id, "redirect_uri": self._client_id}
        )

    async def log_in(self, account: Account) -> None:
        """Log in as a user who signed up before."""
        flow = await self.request(
            "POST",
            "/auth/login_flow",
            {"client_id": self._client_id, "handler": ["homeassistant", None], "redirect_uri": self._client_id},
        )
        step = await self.request(
            "POST",
            f"/auth/login_flow/{text(flow, 'flow_id')}",
            {"client_id": self._client_id, "username": account.user, "password": account.password},
        )
        if pick(step, "type") != "create_entry":
            raise DemoError(
                "Home Assistant does not accept the password of the kept demo: start once without --keep.",
                HOME_ASSISTANT,
            )
        await self._redeem(text(step, "result"))

    async def _redeem(self, code: str) -> None:
        form = FormData({"grant_type": "authorization_code", "code": code, "client_id": self._client_id})
        self._token = text(await self.request("POST", "/auth/token", form), "access_token")

    async def state(self, entity_id: str) -> str:
        """The state of an entity."""
        return text(await self.request("GET", f"/api/states/{entity_id}"), "state")

    async def is_running(self) -> bool | None:
        """True once start-up is over, None before."""
        return pick(await self.request("GET", "/api/config"), "state") == "RUNNING" or None

    async def act(self, action: str, entity_id: str) -> None:
        """Perform an action such as `light.turn_off` on an entity."""
        await self.request("POST", f"/api/services/{action.replace('.', '/')}", {"entity_id": entity_id})

    async def entries(self, domain: str) -> list[Json]:
        """The config entries of an integration."""
        return list(items(await self.request("GET", f"/api/config/config_entries/entry?domain={domain}")))
