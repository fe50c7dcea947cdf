"""How long a client waits for a server, in one place, so that a test can hand in shorter ones."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadlines:
    """Seconds."""

    connect: float = 5.0
    """For a connection. A Spark is in the house: one that takes longer is off."""

    page: float = 5.0
    """For one of the pages that tell what a server is: none of them needs the GPU."""

    list_kept: float = 60.0
    """For which a server is not probed again whose list of models may grow, and that works meanwhile."""

    transcription: float = 15.0
    transcription_per_second: float = 0.25
    """A transcription may take 15 s and a quarter of the audio's length: slow and busy boxes pass, a hang fails."""

    speech_idle: float = 10.0
    """Without a byte of speech; a healthy Magpie needs a tenth of one."""

    buffered_speech_idle: float = 30.0
    """The same for servers that send nothing before all is spoken: 2 to 5 s a sentence, one request after the other."""

    streamed_in_all: float = 120.0
    """Spent waiting for one streamed answer, so that a byte every now and then cannot go on for ever."""

    connection_kept: float = 4.0
    """For which servers are sure to keep an idle connection: uvicorn, under most of them, closes it after 5."""

    stale_after: float = 1.0
    """Of idleness, before a kept-alive connection that is cut may have been closed by a server that read nothing."""

    socket_ping: float = 20.0
    """Between pings over a WebSocket: NIM closes one that is silent for 60 s, NeMo-Speech.cpp after 30."""

    canary: float = 10.0
    """For a canary: a healthy service needs a tenth of it, a busy one a few."""

    restart_reply: float = 15.0
    """That a person waits for what a restart target answers."""

    proxy: float = 10.0
    """For an answer of the proxy's API that needs no inference; it may have to find out about its servers first."""
