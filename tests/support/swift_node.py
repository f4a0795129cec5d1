"""A whole one-node OpenStack Swift with S3 in one process: ``python swift_node.py FOLDER PORT ACCESS SECRET``.

Run by the Python of Swift's own environment; imports nothing of this project. Keeps everything in FOLDER, listens on
the loopback address, tells the S3 port once it answers, and goes on until it is killed. Started again on the same
folder it has what was stored.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import eventlet
from swift.common.utils import eventlet_monkey_patch, set_swift_dir

eventlet_monkey_patch()

from eventlet import wsgi  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import SwiftHttpProtocol, loadapp  # noqa: E402

DEVICE = "d1"
SECONDS = 60
"""How long a request inside the node may take on a busy machine; nothing would repeat one that was given up."""

HASH = "[swift-hash]\nswift_hash_path_suffix = primesvt\n[storage-policy:0]\nname = one\ndefault = yes\n"
STORAGE = """[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
conn_timeout = {seconds}
node_timeout = {seconds}
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
container_update_timeout = {seconds}
network_chunk_size = 1048576
disk_chunk_size = 1048576
"""
PROXY = """[DEFAULT]
swift_dir = {folder}
cors_allow_origin = *
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth bulk slo copy proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = {seconds}
node_timeout = {seconds}
recoverable_node_timeout = {seconds}
client_chunk_size = 1048576
object_chunk_size = 1048576
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
max_upload_part_num = 10000
cors_preflight_allow_origin = *
[filter:tempauth]
use = egg:swift#tempauth
user_test_{access} = {secret} .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:copy]
use = egg:swift#copy
"""


def main(folder: Path, port: int, access: str, secret: str) -> None:
    (folder / "devices" / DEVICE).mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(HASH)
    set_swift_dir(str(folder))
    for kind in ("account", "container", "object"):
        listener = eventlet.listen(("127.0.0.1", 0))
        ring(folder, kind, listener.getsockname()[1])
        serve(folder, f"{kind}-server", listener, STORAGE.format(folder=folder, kind=kind, seconds=SECONDS))
    listener = eventlet.listen(("127.0.0.1", port))
    account, _, user = access.partition(":")
    assert account == "test", "the access key is test:USER"
    text = PROXY.format(folder=folder, access=user, secret=secret, seconds=SECONDS)
    server = serve(folder, "proxy-server", listener, text)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server.wait()


def ring(folder: Path, kind: str, port: int) -> None:
    """One device, which has everything."""
    builder = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": DEVICE, "weight": 1})
    builder.rebalance(seed=1)
    builder.get_ring().save(str(folder / f"{kind}.ring.gz"))


def serve(folder: Path, name: str, listener: socket.socket, text: str) -> Any:
    conf = folder / f"{name}.conf"
    conf.write_text(text)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    app = loadapp(str(conf))
    return eventlet.spawn(
        wsgi.server, listener, app, log_output=False, protocol=SwiftHttpProtocol, capitalize_response_headers=False
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3], sys.argv[4])
