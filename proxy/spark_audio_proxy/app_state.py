"""Which state the application carries, and under which name."""

from concurrent.futures import ThreadPoolExecutor

from aiohttp import ClientSession, web
from spark_engine.spark import Spark

from .availability import Availability
from .config import Settings
from .journal import Journal
from .realtime.limits import Sessions
from .request_history import RequestHistory
from .transcode.decoders import Decoders
from .uploads.admission import BytesInFlight, Gate

SETTINGS = web.AppKey("settings", Settings)
SESSION = web.AppKey("session", ClientSession)
JOURNAL = web.AppKey("journal", Journal)
AVAILABILITY = web.AppKey("availability", Availability)
HISTORY = web.AppKey("history", RequestHistory)
"""The last requests; empty where the settings keep none."""
SPARK = web.AppKey("spark", Spark)
PROXY_ID = web.AppKey("proxy_id", str)
DECODERS = web.AppKey("decoders", Decoders)
ENCODERS = web.AppKey("encoders", ThreadPoolExecutor)
HEARING = web.AppKey("hearing", Gate)
SPEAKING = web.AppKey("speaking", Gate)
LIVE = web.AppKey("live", Gate)
"""Turns that are heard while they are spoken: half of its width is used."""
SESSIONS = web.AppKey("sessions", Sessions)
UPLOADS = web.AppKey("uploads", BytesInFlight)
