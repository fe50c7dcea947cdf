"""`spark-audio-proxy`: read the settings, serve until told to stop."""

import asyncio
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace

from aiohttp import web

from .app import create_app
from .config import Settings, SettingsError, read_settings

LOGGER = logging.getLogger("spark_audio_proxy")

BACKLOG = 1024
"""Connections that may wait to be accepted; aiohttp's 128 are too few for a burst."""

SHUTDOWN_GRACE = 30.0
"""Seconds for requests in flight when the proxy is told to stop."""


def main() -> None:
    """Entry point. Exit status 1 for wrong settings or a taken port, each with a sentence."""
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
        asyncio.run(serve(settings))
    except SettingsError as err:
        sys.exit(f"spark-audio-proxy: {err}")
    except OSError as err:
        sys.exit(f"spark-audio-proxy: cannot listen on {settings.host}:{settings.port}: {err.strerror}")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError where the port cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if settings.embedded:
            settings = await _with_embedded_spark(stack, settings)
        # Cancelling the handler when its client goes is what cancels the upstream call.
        runner = web.AppRunner(
            create_app(settings), access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_GRACE
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG).start()
        host, port = runner.addresses[0][:2]
        print(f"Spark Audio proxy listening on http://{host}:{port}", flush=True)  # noqa: T201 - what a caller waits for
        await stop.wait()
        LOGGER.info("Stopping; requests in flight may take %d s to finish", SHUTDOWN_GRACE)


async def _with_embedded_spark(stack: AsyncExitStack, settings: Settings) -> Settings:
    """Start the CPU stand-in for every service that has no URL. Raises SettingsError without the extra."""
    try:
        from embedded_spark import EmbeddedSpark  # noqa: PLC0415 - an optional extra, and slow to import

        spark = await stack.enter_async_context(EmbeddedSpark())
    except ImportError as err:
        raise SettingsError(f"--embedded: {err}") from err
    return replace(
        settings,
        parakeet_url=settings.parakeet_url or spark.parakeet_url,
        magpie_url=settings.magpie_url or spark.magpie_url,
    )


if __name__ == "__main__":
    main()
