"""What must outlive a restart of Home Assistant: restarts that were sent, and what a Spark was like last time.

Everything lies in Home Assistant's storage, so that it is in its backups.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, override

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
from homeassistant.util.json import load_json_object

from .const import DOMAIN
from .spark_engine.healing.budget import Ledger, LedgerStore
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import ServerName, Service, Voice
from .spark_engine.servers.magpie_dialects import FAMILIES, OPENAI, MagpieServer
from .spark_engine.servers.magpie_readers import Repertoire

VERSION = 1

type Document = dict[str, Any]

_ANOTHER = (AttributeError, KeyError, NotImplementedError, TypeError, ValueError)
"""What reading raises, here and in Home Assistant, where the file holds JSON of another kind."""


class StoredLedger(LedgerStore):
    """The restarts of one server. Those of another server, which was here before, do not count.

    `Store` writes beside, fsyncs, renames and fsyncs the folder (`atomic_writes`), but it swallows errors, and while
    Home Assistant stops it only promises to write later. So what it wrote is read back: when `save` returns, the
    ledger is on the disk.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str, name: ServerName, url: str) -> None:
        """Nothing is read yet."""
        self._hass = hass
        self._url = url
        self._store = Store[Document](hass, VERSION, _key(entry_id, str(name)), private=True, atomic_writes=True)

    @override
    async def load(self) -> Ledger:
        path = Path(self._store.path)
        exists = await self._hass.async_add_executor_job(path.exists)
        try:
            document = await self._store.async_load()
        except HomeAssistantError as err:
            raise OSError(f"{path.name} cannot be read") from err
        except _ANOTHER as err:
            raise ValueError(f"{path.name} is no ledger of restarts") from err
        if document is None and not exists:
            # A first start; that it can be written is found out now and not in the middle of a wedge.
            await self.save(Ledger())
            return Ledger()
        ledger = _ledger(document or {}, self._url)
        if ledger is None:
            raise ValueError(f"{path.name} holds no list of restarts")
        return ledger

    @override
    async def save(self, ledger: Ledger) -> None:
        document: Document = {
            "url": self._url,
            "restarts": list(ledger.restarts),
            "recoveries": list(ledger.recoveries),
        }
        await self._store.async_save(document)
        try:
            written = await self._hass.async_add_executor_job(load_json_object, self._store.path)
        except HomeAssistantError as err:
            raise OSError(f"{self._store.key} cannot be read back") from err
        if written.get("data") != document:
            raise OSError(f"{self._store.key} cannot be written")

    async def remove(self) -> None:
        """Forget it."""
        await self._store.async_remove()


def _ledger(document: Document, url: str) -> Ledger | None:
    """Return the ledger of the server with that URL, None where the document holds none."""
    match document:
        case {"restarts": [*_], "url": str(other)} if other != url:
            return Ledger()
        case {"restarts": [*restarts], "recoveries": [*recoveries]}:
            pass
        case {"restarts": [*restarts]}:
            # Written by an older version.
            recoveries = []
        case _:
            return None
    if not all(type(seconds) in (int, float) for seconds in (*restarts, *recoveries)):
        return None
    return Ledger(tuple(map(float, restarts)), tuple(map(float, recoveries)))


@dataclass(frozen=True, slots=True)
class StoredSpark:
    """What a Spark was like when it answered last. Empty where it never did."""

    servers: tuple[ServerStatus, ...] = ()
    """Name, URL and kind of restart target of each server; their states are not kept."""
    magpie: MagpieServer | None = None


class SparkStore:
    """Keeps what a Spark was like, so that pipelines have their engines while the box is away."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Nothing is read yet."""
        self._store = Store[Document](hass, VERSION, _key(entry_id, "known"))
        self.spark = StoredSpark()

    async def load(self) -> None:
        """Remember. A record that makes no sense is none."""
        try:
            document = await self._store.async_load()
            self.spark = _read(document) if document else StoredSpark()
        except (HomeAssistantError, *_ANOTHER):
            self.spark = StoredSpark()

    async def learn(self, servers: Iterable[ServerStatus] | None = None, magpie: MagpieServer | None = None) -> None:
        """Keep what is new; what is left out stays as it was."""
        spark = StoredSpark(
            self.spark.servers if servers is None else tuple(map(_lasting, servers)),
            magpie or self.spark.magpie,
        )
        if spark != self.spark:
            self.spark = spark
            await self._store.async_save(_written(spark))

    async def remove(self) -> None:
        """Forget it."""
        await self._store.async_remove()


async def remove_records(hass: HomeAssistant, entry_id: str) -> None:
    """Forget all of an entry."""
    await SparkStore(hass, entry_id).remove()
    for service in Service:
        await StoredLedger(hass, entry_id, ServerName(service), "").remove()


def _key(entry_id: str, what: str) -> str:
    return f"{DOMAIN}.{entry_id}.{what}"


def _lasting(server: ServerStatus) -> ServerStatus:
    return ServerStatus(name=server.name, url=server.url, watched=server.watched, restart_target=server.restart_target)


def _written(spark: StoredSpark) -> Document:
    servers: list[Document] = [
        {"name": str(server.name), "url": server.url, "watched": server.watched, "target": server.restart_target}
        for server in spark.servers
    ]
    if spark.magpie is None:
        return {"services": servers}
    return {
        "services": servers,
        "magpie": {
            "dialect": spark.magpie.dialect.name,
            "repertoire": asdict(spark.magpie.repertoire),
            "version": spark.magpie.version,
        },
    }


def _read(document: Mapping[str, Any]) -> StoredSpark:
    """Raises KeyError, TypeError, ValueError where the document is another one."""
    servers = tuple(
        ServerStatus(
            name=ServerName.parse(item["name"]),
            url=item["url"],
            watched=item["watched"],
            restart_target=item["target"],
        )
        for item in document["services"]
    )
    magpie = document.get("magpie")
    return StoredSpark(servers, _magpie(magpie) if magpie else None)


def _magpie(document: Mapping[str, Any]) -> MagpieServer:
    dialect = next((family for family in FAMILIES if family.name == document["dialect"]), OPENAI)
    stored = document["repertoire"]
    repertoire = Repertoire(
        voices=tuple(Voice(**voice) for voice in stored["voices"]),
        languages=tuple(stored["languages"]),
        sample_rates=tuple(stored["sample_rates"]),
        model=stored["model"],
    )
    return MagpieServer(dialect, repertoire, document.get("version"))
