"""A Ceph cluster of one: monitor, one OSD in memory, and the RADOS Gateway; with cephx, on loopback.

It needs Debian's radosgw, ceph-mon and ceph-osd. Everything lies in a temporary folder.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid

from servers import CannotStart, Server, free_port

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "ceph", "radosgw", "radosgw-admin")
# To Ceph, classes are names of pools; ONEZONE_IA is left out, to see what a missing one does.
CLASSES = ("STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
MEMORY_BYTES = 2 << 30

CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{mon}/0
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 1
mon_data_avail_crit = 0
osd_objectstore = memstore
memstore_device_bytes = {memory}
run_dir = {folder}
admin_socket =
pid_file =
log_file = {folder}/$name.log
mon_data = {folder}/mon
osd_data = {folder}/osd
keyring = {folder}/keyring
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_data = {folder}/rgw
rgw_enable_apis = s3, sts, iam, notifications
"""


class Ceph(Server):
    """The RADOS Gateway of Debian's Ceph: a distributed object store in use, older than the newer checksums."""

    name = "ceph"
    without = ("glacier", "identities")
    access_key, secret = "AKIDCONFORMANCE", "ceph-conformance-secret"

    def start(self) -> None:
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        if missing:
            raise CannotStart(f"ceph: {', '.join(missing)} missing; install radosgw, ceph-mon and ceph-osd")
        for part in ("mon", "osd", "rgw"):
            (self.folder / part).mkdir()
        self.monitor_port = free_port()
        self.fsid = str(uuid.uuid4())
        values = {"fsid": self.fsid, "mon": self.monitor_port, "port": self.port}
        text = CONFIGURATION.format(folder=self.folder, memory=MEMORY_BYTES, **values)
        (self.folder / "ceph.conf").write_text(text)
        self._keys()
        self._monitor()
        self._store()
        self._gateway()

    def call(self, program: str, *arguments: str) -> None:
        """Runs one of Ceph's tools to its end."""
        command = [program, "-c", "ceph.conf", *arguments]
        if program in ("ceph-authtool", "monmaptool"):
            command = [program, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise CannotStart(f"ceph: {' '.join(command)}: {done.stderr.strip()[-600:]}\n{self.log_end()}")

    def _keys(self) -> None:
        self.call("ceph-authtool", "--create-keyring", "keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        rights = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
        for name in ("client.admin", "osd.0", "client.rgw"):
            self.call("ceph-authtool", "keyring", "--gen-key", "-n", name, *rights)

    def _monitor(self) -> None:
        at = f"[v2:127.0.0.1:{self.monitor_port}]"
        self.call("monmaptool", "--create", "--addv", "a", at, "--fsid", self.fsid, "monmap")
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        self.spawn("ceph-mon", "-c", "ceph.conf", "-i", "a", "-f")

    def _store(self) -> None:
        osd = str(uuid.uuid4())
        self.call("ceph", "--connect-timeout", "60", "osd", "new", osd)
        self.call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.spawn("ceph-osd", "-c", "ceph.conf", "-i", "0", "-f")

    def _gateway(self) -> None:
        """The user first, because that makes the zone; and classes before the gateway, which reads them once."""
        user = ("--uid=tester", "--display-name=tester")
        key = (f"--access-key={self.access_key}", f"--secret-key={self.secret}")
        self.call("radosgw-admin", "user", "create", *user, *key)
        for name in CLASSES:
            place = ("--placement-id", "default-placement", "--storage-class", name)
            self.call("radosgw-admin", "zonegroup", "placement", "add", "--rgw-zonegroup", "default", *place)
            pool = ("--data-pool", "default.rgw.cold")
            self.call("radosgw-admin", "zone", "placement", "add", "--rgw-zone", "default", *place, *pool)
        self.spawn("radosgw", "-c", "ceph.conf", "-n", "client.rgw", "-f")
        self.wait_for(self.answers, "the gateway")
