"""`spark-audio-proxy`: read the settings, serve until told to stop; or send one canary."""

import asyncio
import gc
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace

from aiohttp import web

from .announce import announcing, machine_addresses, reachable
from .app import create_app
from .app_state import DECODERS, PROXY_ID
from .canary_command import run_canary
from .config import RestartSettings, ServerSettings, Settings, SettingsError, read_settings
from .http_server import Runner
from .logs import start_logging
from .process_limits import prepare

LOGGER = logging.getLogger("spark_audio_proxy")

BACKLOG = 1024
"""Connections that may wait to be accepted; aiohttp's 128 are too few for a burst."""

READ_AHEAD = 1 << 17
"""Bytes of an upload that are read ahead, give or take as much again: a voice turn, but no recording."""

IDLE = 75.0
"""Seconds for a request's headers, and between two requests: aiohttp would hold a silent connection for an hour."""

SHUTDOWN_GRACE = 30.0
"""Seconds for requests in flight when the proxy is told to stop."""


def main() -> None:
    """Entry point. Exit status 1 for wrong settings or a taken port, each with a sentence."""
    if sys.argv[1:2] == ["canary"]:
        sys.exit(run_canary(sys.argv[2:], os.environ))
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        start_logging(settings.log_format)
        prepare()
        asyncio.run(serve(settings))
    except SettingsError as err:
        sys.exit(f"spark-audio-proxy: {err}")
    except OSError as err:
        sys.exit(f"spark-audio-proxy: cannot start: {err}")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError where the port cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if settings.embedded:
            settings = await _with_embedded_spark(stack, settings)
        # Cancelling the handler when its client goes is what cancels the upstream call.
        app = create_app(settings)
        runner = Runner(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=IDLE,
            shutdown_timeout=SHUTDOWN_GRACE,
            read_bufsize=READ_AHEAD,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        app[DECODERS].start()
        # What is there now stays; looking through it for garbage again and again finds none.
        gc.freeze()
        try:
            await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG).start()
        except OSError as err:
            raise SettingsError(f"cannot listen on {settings.host}:{settings.port}: {err.strerror}") from err
        host, port = runner.addresses[0][:2]
        print(f"Spark Audio proxy listening on http://{host}:{port}", flush=True)  # noqa: T201 - what a caller waits for
        if settings.announced and PROXY_ID in app:
            bound = [address[0] for address in runner.addresses if address[1] == port]
            await stack.enter_async_context(
                announcing(app[PROXY_ID], port, lambda: reachable(bound, machine_addresses()))
            )
        await stop.wait()
        LOGGER.info("Stopping; requests in flight may take %d s to finish", SHUTDOWN_GRACE)


async def _with_embedded_spark(stack: AsyncExitStack, settings: Settings) -> Settings:
    """Start the CPU stand-in for every service that has no URL. Raises SettingsError without the extra."""
    try:
        from embedded_spark import EmbeddedSpark  # noqa: PLC0415 - an optional extra, and slow to import

        spark = await stack.enter_async_context(EmbeddedSpark())
    except ImportError as err:
        raise SettingsError(f"--embedded: {err}") from err
    LOGGER.info("Embedded Parakeet at %s, embedded Magpie at %s", spark.parakeet_url, spark.magpie_url)
    return replace(
        settings,
        parakeet=tuple(
            _served_by(server, spark.parakeet_url, spark.parakeet_restart_url) for server in settings.parakeet
        ),
        magpie=tuple(_served_by(server, spark.magpie_url, spark.magpie_restart_url) for server in settings.magpie),
    )


def _served_by(server: ServerSettings, url: str, restart_url: str) -> ServerSettings:
    """Return the settings with the stand-in where there is no URL; with its restart unless another one is set."""
    if server.url:
        return server
    restart = server.restart
    if not (restart.url or restart.docker or restart.command or restart.ssh):
        restart = RestartSettings(url=restart_url)
    return replace(server, url=url, restart=restart)


if __name__ == "__main__":
    main()
