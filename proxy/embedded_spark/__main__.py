"""Run the embedded Spark until SIGTERM or SIGINT: `python -m embedded_spark`."""

import argparse
import asyncio
import logging
import signal
import sys
from math import inf

from .engines import MissingEngine
from .server import EmbeddedSpark
from .wedge import START_DELAY

PARAKEET_PORT = 8701
MAGPIE_PORT = 8702


def main() -> None:
    """Entry point. Exit status 1 where it cannot start, 2 for wrong arguments."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(arguments.host, arguments.parakeet_port, arguments.magpie_port, arguments.start_delay))
    except MissingEngine as err:
        sys.exit(f"embedded_spark: {err}")
    except OSError as err:
        sys.exit(f"embedded_spark: cannot listen on {arguments.host}: {err.strerror or err}")


async def serve(host: str, parakeet_port: int, magpie_port: int, start_delay: float) -> None:
    """Serve until told to stop. Raises OSError where a port cannot be had, MissingEngine without the extra."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with EmbeddedSpark(host, parakeet_port, magpie_port, start_delay=start_delay) as spark:
        print(f"Parakeet listening on {spark.parakeet_url}", flush=True)  # noqa: T201 - what a caller waits for
        print(f"Magpie listening on {spark.magpie_url}", flush=True)  # noqa: T201
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="embedded_spark", description="A CPU stand-in for a DGX Spark: a Parakeet server and a Magpie server."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    for service, port in (("parakeet", PARAKEET_PORT), ("magpie", MAGPIE_PORT)):
        parser.add_argument(
            f"--{service}-port",
            type=_port,
            default=port,
            metavar="PORT",
            help="0 takes a free one (default: %(default)s)",
        )
    parser.add_argument(
        "--start-delay",
        type=_seconds,
        default=START_DELAY,
        metavar="SECONDS",
        help="how long a restart takes (default: %(default)s)",
    )
    return parser


def _port(value: str) -> int:
    port = int(value)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is not between 0 and 65535")
    return port


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds < inf:
        raise argparse.ArgumentTypeError(f"{value} is not a number of seconds")
    return seconds


if __name__ == "__main__":
    main()
