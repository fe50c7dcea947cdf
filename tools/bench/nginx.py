"""nginx, the floor: a plain reverse proxy with one worker, which is the process itself, and nothing buffered.

It is fetched on demand into `.tools`; where it cannot be had it gets no figure.
"""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from yarl import URL

from tools.stack.fetched import said, unpack_debian
from tools.stack.folders import free_port
from tools.stack.processes import Server, temporary_processes

NAME = "nginx"

_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream spark {{ server {upstream}; keepalive 1000; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    keepalive_requests 1000000;
    location / {{
      proxy_pass http://spark;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


async def find_nginx() -> tuple[Path, str]:
    """Return the program, of this machine or else Debian's, and its version. Raises NotInstalled."""
    there = shutil.which(NAME) or shutil.which(NAME, path="/usr/sbin:/usr/local/sbin")
    program = Path(there) if there else await unpack_debian(NAME, "usr/sbin/nginx")
    # It says `nginx version: nginx/1.22.1`.
    return program, (await said(str(program), "-v")).rpartition("/")[2]


@asynccontextmanager
async def start_nginx(program: Path, upstream: Server) -> AsyncGenerator[Server]:
    """Run a fresh one in front of an upstream. Raises ToolError."""
    async with temporary_processes() as processes:
        folder, port = processes.logs, free_port()
        config = folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=folder, port=port, upstream=URL(upstream.url).authority))
        child = await processes.start(NAME, program, "-p", folder, "-e", "stderr", "-c", config)
        await child.reached(port)
        yield Server(child.process.pid, f"http://127.0.0.1:{port}")
