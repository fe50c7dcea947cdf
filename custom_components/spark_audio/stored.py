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

from .const import DOMAIN, Service
from .spark_engine.healing.budget import AttemptStore
from .spark_engine.healing.status import ServiceStatus
from .spark_engine.models import Voice
from .spark_engine.servers.magpie_dialects import FAMILIES, OPENAI, MagpieServer
from .spark_engine.servers.magpie_readers import Repertoire

VERSION = 1

type Document = dict[str, Any]

_ANOTHER = (AttributeError, KeyError, NotImplementedError, TypeError, ValueError)
"""What reading raises, here and in Home Assistant, where the file holds JSON of another kind."""


class StoredAttempts(AttemptStore):
    """The record of restarts of one server.

    `Store` writes beside, fsyncs, renames and fsyncs the folder (`atomic_writes`), but it swallows errors, and while
    Home Assistant stops it only promises to write later. So what it wrote is read back: when `save` returns, the
    record is on the disk.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str, name: str) -> None:
        """Nothing is read yet."""
        self._hass = hass
        self._store = Store[Document](hass, VERSION, _key(entry_id, name), private=True, atomic_writes=True)

    @override
    async def load(self) -> tuple[float, ...]:
        path = Path(self._store.path)
        exists = await self._hass.async_add_executor_job(path.exists)
        try:
            document = await self._store.async_load()
        except HomeAssistantError as err:
            raise OSError(f"{path.name} cannot be read") from err
        except _ANOTHER as err:
            raise ValueError(f"{path.name} is no record of restarts") from err
        if document is None and not exists:
            # A first start; that it can be written is found out now and not in the middle of a wedge.
            await self.save(())
            return ()
        match document:
            case {"restarts": [*restarts]} if all(type(at) in (int, float) for at in restarts):
                return tuple(map(float, restarts))
        raise ValueError(f"{path.name} holds no list of restarts")

    @override
    async def save(self, attempts: tuple[float, ...]) -> None:
        document: Document = {"restarts": list(attempts)}
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


@dataclass(frozen=True, slots=True)
class Known:
    """What a Spark was like when it answered last. Empty where it never did."""

    services: tuple[ServiceStatus, ...] = ()
    """Name, URL and kind of restart target of each server; their states are not kept."""
    magpie: MagpieServer | None = None


class Memory:
    """Keeps what is known of a Spark, so that pipelines have their engines while the box is away."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Nothing is read yet."""
        self._store = Store[Document](hass, VERSION, _key(entry_id, "known"))
        self.known = Known()

    async def load(self) -> None:
        """Remember. A record that makes no sense is none."""
        try:
            document = await self._store.async_load()
            self.known = _read(document) if document else Known()
        except (HomeAssistantError, *_ANOTHER):
            self.known = Known()

    async def learn(self, services: Iterable[ServiceStatus] | None = None, magpie: MagpieServer | None = None) -> None:
        """Keep what is new; what is left out stays as it was."""
        known = Known(
            self.known.services if services is None else tuple(_lasting(service) for service in services),
            magpie or self.known.magpie,
        )
        if known != self.known:
            self.known = known
            await self._store.async_save(_written(known))

    async def remove(self) -> None:
        """Forget it."""
        await self._store.async_remove()


async def remove_records(hass: HomeAssistant, entry_id: str) -> None:
    """Forget all of an entry."""
    await Memory(hass, entry_id).remove()
    for service in Service:
        await StoredAttempts(hass, entry_id, service).remove()


def _key(entry_id: str, what: str) -> str:
    return f"{DOMAIN}.{entry_id}.{what}"


def _lasting(service: ServiceStatus) -> ServiceStatus:
    return ServiceStatus(
        name=service.name, url=service.url, watched=service.watched, restart_target=service.restart_target
    )


def _written(known: Known) -> Document:
    services = [
        {"name": service.name, "url": service.url, "watched": service.watched, "target": service.restart_target}
        for service in known.services
    ]
    if known.magpie is None:
        return {"services": services}
    return {
        "services": services,
        "magpie": {
            "dialect": known.magpie.dialect.name,
            "repertoire": asdict(known.magpie.repertoire),
            "version": known.magpie.version,
        },
    }


def _read(document: Mapping[str, Any]) -> Known:
    """Raises KeyError, TypeError, ValueError where the document is another one."""
    services = tuple(
        ServiceStatus(name=item["name"], url=item["url"], watched=item["watched"], restart_target=item["target"])
        for item in document["services"]
    )
    magpie = document.get("magpie")
    return Known(services, _magpie(magpie) if magpie else None)


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
