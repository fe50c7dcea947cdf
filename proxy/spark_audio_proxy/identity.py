"""Who this proxy is: an id that lasts, by which Home Assistant knows it again wherever it moves."""

import json
import logging
from pathlib import Path
from uuid import UUID, uuid4

from .state_folder import write_document

LOGGER = logging.getLogger(__name__)

FILE = "proxy.json"


def lasting_id(folder: Path) -> str | None:
    """Return the UUID in the folder, made there at the first start. Blocks.

    None where it can neither be read nor written: one that changes with every start would be another proxy each time.
    """
    path = folder / FILE
    try:
        return _kept(path) or _new(path)
    except OSError as err:
        LOGGER.warning("No id of this proxy can be kept, so it is not announced; %s: %s", path, err.strerror or err)
        return None


def _kept(path: Path) -> str | None:
    try:
        match json.loads(path.read_bytes()):
            case {"id": str(text)}:
                return str(UUID(text))
    except FileNotFoundError:
        return None
    except ValueError:
        pass
    LOGGER.warning("%s is damaged; this proxy gets a new id", path)
    return None


def _new(path: Path) -> str:
    proxy_id = str(uuid4())
    write_document(path, {"id": proxy_id})
    return proxy_id
