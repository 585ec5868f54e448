"""CRIU's images, by the library that `crit` stands on.

    inspect_crit.py encode DIRECTORY <IMAGES    writes images, an object by their names, each with `magic` and `entries`
    inspect_crit.py expect DIRECTORY            writes what an inspection has to tell of the images there, as its JSON
                                                document: DIRECTORY is that of a bundle, or of images alone

What is expected is written from the schema of the document and the meaning of CRIU's fields, and shares nothing with the
library. Keys that CRIU's images don't tell (schema, input, container, sizes) are left out.
"""

import base64
import ipaddress
import json
import os
import quopri
import struct
import sys

sys.path.append("/usr/lib/python3/dist-packages")
import pycriu

NONE = 0xFFFFFFFF
UNLIMITED = 0xFFFFFFFFFFFFFFFF
PAGE = 4096
PARENT, LAZY, PRESENT = 1, 2, 4


class Images:
    """The images of one directory."""

    def __init__(self, directory):
        self.directory, self.decoded = directory, {}

    def path(self, name):
        return os.path.join(self.directory, name)

    def all(self, name):
        if name not in self.decoded:
            entries = []
            if os.path.exists(self.path(name)):
                with open(self.path(name), "rb") as file:
                    entries = pycriu.images.load(file, False)["entries"]
            self.decoded[name] = entries
        return self.decoded[name]

    def one(self, name):
        return next(iter(self.all(name)), {})

    def names(self, prefix, suffix=".img"):
        """The numbers in the names of images, in ascending order."""
        middles = [name[len(prefix):-len(suffix)] for name in os.listdir(self.directory)
                   if name.startswith(prefix) and name.endswith(suffix)]
        radix = 16 if prefix.startswith(("ghost", "tcp")) else 10
        digits = "0123456789abcdef"[:radix]
        return sorted(int(middle, radix) for middle in middles if middle and all(letter in digits for letter in middle))

    def file(self, kind, number):
        return next((one for one in self.all("files.img") if (one["type"], one["id"]) == (kind, number)), None)

    def path_of(self, number):
        file = self.file("REG", number)
        return file["reg"]["name"] if file else None

    def ids(self, pid):
        first = self.all("pstree.img")[0]["pid"]
        return self.one(f"ids-{pid}.img") or (self.one("inventory.img").get("root_ids", {}) if pid == first else {})


def flag(entry):
    """The flags of an entry of a page map, which had one bit of its own once."""
    return entry.get("flags", PARENT if entry.get("in_parent") else PRESENT)


class Memory:
    """The pages of a process, or of shared memory, in a chain of directories."""

    def __init__(self, chain, name):
        self.levels = []
        for images in chain:
            head, *entries = images.all(name) or [{}]
            pages, offset = {}, 0
            for entry in entries:
                for page in range(entry["nr_pages"]):
                    pages[entry["vaddr"] + page * PAGE] = (flag(entry), offset)
                    offset += PAGE if flag(entry) & PRESENT else 0
            self.levels.append((images.path(f"pages-{head.get('pages_id')}.img"), pages, offset))

    def count(self, start=0, end=UNLIMITED):
        """Bytes of the newest level: present, in the parent, lazy."""
        sums = [0, 0, 0]
        for address, (flags, _) in self.levels[0][1].items():
            if start <= address < end:
                sums[0 if flags & PRESENT else 1 if flags & PARENT else 2] += PAGE
        return sums

    def read(self, start, end):
        """The bytes of a range, as far as they are there, and whether that is all."""
        data = b""
        while start < end:
            base, found = start - start % PAGE, None
            for path, pages, _ in self.levels:
                flags, offset = pages.get(base, (0, 0))
                if flags & PRESENT:
                    with open(path, "rb") as file:
                        found = os.pread(file.fileno(), PAGE, offset)
                if not flags & PARENT or flags & PRESENT:
                    break
            if found is None:
                return data, False
            data += found[start - base:end - base]
            start = base + PAGE
        return data, True


def memory_sums(mappings, memory):
    present, parent, lazy = memory.count()
    shared = sum(one["end"] - one["start"] for one in mappings if one["permissions"][3] == "s")
    mapped = sum(one["end"] - one["start"] for one in mappings)
    return {"mapped": mapped, "private": mapped - shared, "shared": shared, "present": present, "parent": parent,
            "lazy": lazy, "stored": memory.levels[0][2], "compressed": 0}


def memfd_name(inode):
    """Shared anonymous memory is a memfd to CRIU, of the kernel's name for it."""
    return inode["name"] if inode["name"] != "/dev/zero" else None


def mapping(images, vma, memory):
    status, names = vma["status"], [
        (1 << 2, "vsyscall"), (1 << 3, "vdso"), (1 << 12, "vvar"), (1 << 5, "heap"), (1 << 1, "stack"), (1 << 14, "memfd"),
        (1 << 10, "sysv"), (1 << 11, "socket"), (1 << 13, "aio"), (1 << 6 | 1 << 7, "file"), (1 << 8, "shared")]
    kind = next((name for bits, name in names if status & bits), "stack" if vma["flags"] & 0x100 else "anonymous")
    present, parent, lazy = memory.count(vma["start"], vma["end"])
    path = images.path_of(vma["shmid"]) if status & (1 << 6 | 1 << 7) else None
    shared = vma["shmid"] if status & (1 << 8 | 1 << 10) else None
    memfd = images.file("MEMFD", vma["shmid"]) if status & 1 << 14 else None
    if memfd:
        inode = next(one for one in images.all("memfd.img") if one["inode_id"] == memfd["memfd"]["inode_id"])
        shared, path = inode["shmid"], memfd_name(inode)
        kind = "memfd" if path else "shared"
    letters = [letter if vma["prot"] & bit else "-" for bit, letter in ((1, "r"), (2, "w"), (4, "x"))]
    return {
        "start": vma["start"], "end": vma["end"], "permissions": "".join(letters) + ("s" if vma["flags"] & 1 else "p"),
        "kind": kind, "path": path, "offset": vma["pgoff"], "shared_memory": shared,
        "present": present, "parent": parent, "lazy": lazy,
    }


def texts(data):
    return [part.decode("utf-8", "replace") for part in data.removesuffix(b"\0").split(b"\0")] if data else None


def mask(halves):
    low, high = (halves + [0, 0])[:2]
    return low | high << 32


def credentials(creds):
    own = {key: creds[key] for key in ("uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid")}
    sets = {"effective": "cap_eff", "permitted": "cap_prm", "inheritable": "cap_inh", "bounding": "cap_bnd", "ambient": "cap_amb"}
    return own | {
        "groups": creds.get("groups", []), "capabilities": {name: mask(creds.get(key, [])) for name, key in sets.items()},
        "secure_bits": creds["secbits"], "no_new_privs": bool(creds["no_new_privs"]) if "no_new_privs" in creds else None,
        "lsm_profile": creds.get("lsm_profile"),
    }


def seccomp(core):
    mode = core.get("thread_core", {}).get("seccomp_mode", core.get("tc", {}).get("old_seccomp_mode", "disabled"))
    return {0: "disabled", 1: "strict", 2: "filter"}.get(mode, mode)


RESOURCES = ["cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending",
             "msgqueue", "nice", "rtprio", "rttime"]


def finite(limit):
    return None if limit == UNLIMITED else limit


def process(chain, entry, opened):
    images, pid = chain[0], entry["pid"]
    core, mm, fs = images.one(f"core-{pid}.img"), images.one(f"mm-{pid}.img"), images.one(f"fs-{pid}.img")
    task, leader, ids = core.get("tc", {}), core.get("thread_core"), images.ids(pid)
    memory = Memory(chain, f"pagemap-{pid}.img")
    mappings = [mapping(images, vma, memory) for vma in mm.get("vmas", [])]
    ended = task.get("task_state") in (2, 6)
    status = task.get("exit_code", 0)
    arguments, whole = memory.read(mm.get("mm_arg_start", 0), mm.get("mm_arg_end", 0))
    environment, all_of_it = memory.read(mm.get("mm_env_start", 0), mm.get("mm_env_end", 0))
    limits = task.get("rlimits", {}).get("rlimits", [])
    threads = [(tid, images.one(f"core-{tid}.img")) for tid in entry.get("threads", [])]
    comms = {tid: thread.get("thread_core", {}).get("comm", task.get("comm") if tid == pid else None) for tid, thread in threads}
    return {
        "pid": pid, "ppid": entry["ppid"], "pgid": entry["pgid"], "sid": entry["sid"],
        "state": {1: "alive", 2: "dead", 3: "stopped", 6: "zombie"}.get(task.get("task_state"), "unknown"),
        "exit_status": status >> 8 & 0xFF if ended and not status & 0x7F else None,
        "exit_signal": status & 0x7F if ended and status & 0x7F else None,
        "comm": task.get("comm", ""), "arguments": texts(arguments), "environment": texts(environment),
        "text_problem": not (whole and all_of_it),
        "executable": images.path_of(mm.get("exe_file_id")), "cwd": images.path_of(fs.get("cwd_id")),
        "root": images.path_of(fs.get("root_id")), "umask": fs.get("umask"),
        "credentials": credentials(leader["creds"]) if leader and "creds" in leader else None,
        "seccomp": seccomp(core) if leader else None, "nice": (leader or {}).get("sched_nice"),
        "oom_score_adj": task.get("oom_score_adj"),
        "login_uid": None if task.get("loginuid") == NONE else task.get("loginuid"),
        "limits": [{"resource": name, "soft": finite(one["cur"]), "hard": finite(one["max"])}
                   for name, one in zip(RESOURCES, limits)],
        "namespaces": {name: ids.get(f"{name}_ns_id") or None
                       for name in ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time")} if ids else None,
        "threads": [{"tid": tid, "comm": comms[tid], "seccomp": seccomp(thread) if thread else None} for tid, thread in threads],
        "descriptors": [descriptor(images, pid, info, opened) for info in images.all(f"fdinfo-{ids.get('files_id')}.img")],
        "memory": memory_sums(mappings, memory), "mappings": mappings,
    }


KINDS = {
    "REG": ("regular", "reg"), "PIPE": ("pipe", "pipe"), "FIFO": ("fifo", "fifo"), "INETSK": ("inet socket", "isk"),
    "UNIXSK": ("unix socket", "usk"), "EVENTFD": ("eventfd", "efd"), "EVENTPOLL": ("epoll", "epfd"), "INOTIFY": ("inotify", "ify"),
    "SIGNALFD": ("signalfd", "sgfd"), "PACKETSK": ("packet socket", "psk"), "TTY": ("tty", "tty"), "FANOTIFY": ("fanotify", "ffy"),
    "NETLINKSK": ("netlink socket", "nlsk"), "NS": ("namespace", "nsf"), "TUNF": ("tun", "tunf"), "EXT": ("external", "ext"),
    "TIMERFD": ("timerfd", "tfd"), "MEMFD": ("memfd", "memfd"), "BPFMAP": ("bpf map", "bpf"),
}


def regular(images, file):
    types = {0o40000: "directory", 0o20000: "character device", 0o60000: "block device"}
    return {
        "kind": types.get(file.get("mode", 0) & 0o170000, "regular"), "path": file["name"], "flags": file["flags"],
        "position": file["pos"], "size": file.get("size"), "mode": file.get("mode"),
        "deleted": any(one["orig_id"] == file["id"] for one in images.all("remap-fpath.img")),
    }


def terminal(images, file):
    info = next((one for one in images.all("tty-info.img") if one["id"] == file["tty_info_id"]), None)
    if info and info["type"] == "PTY":
        return f"pts/{info['pty']['index']}"
    names = {"CONSOLE": "console", "VT": "virtual terminal", "CTTY": "current terminal", "EXT_TTY": "external terminal",
             "SERIAL": "serial line"}
    return names[info["type"]] if info else None


def descriptor(images, pid, info, opened):
    kind, field = KINDS[info["type"]]
    told = {"fd": info["fd"], "file": info["id"], "close_on_exec": bool(info["flags"] & 1), "kind": kind, "path": None,
            "detail": None, "flags": None, "position": None, "size": None, "mode": None, "deleted": False, "pipe": None,
            "socket": None}
    file, holder = images.file(info["type"], info["id"])[field], {"pid": pid, "fd": info["fd"]}
    if kind == "regular":
        return told | regular(images, file)
    if kind in ("pipe", "fifo"):
        named = images.file("REG", file["regf_id"])["reg"] if "regf_id" in file else None
        told |= regular(images, named) | {"kind": kind} if named else {"flags": file.get("flags")}
        opened.end_of(images, file["pipe_id"], told, holder)
        return told | {"pipe": file["pipe_id"]}
    if kind.endswith("socket"):
        return told | {"socket": opened.socket(images, info, file, holder), "flags": file["flags"]}
    if kind == "memfd":
        inode = next(one for one in images.all("memfd.img") if one["inode_id"] == file["inode_id"])
        told |= {"path": inode["name"], "size": inode["size"], "position": file["pos"]}
    if kind == "bpf map":
        told["path"] = file["map_name"]
    if kind == "tun":
        told["path"] = file.get("netdev")
    if kind == "tty" and "regf_id" in file:
        told["path"] = images.path_of(file["regf_id"])
    details = {
        "eventfd": lambda: f"counter {file['counter']}", "epoll": lambda: f"watches {len(file.get('tfd', []))}",
        "signalfd": lambda: f"signals 0x{file['sigmask']:x}", "timerfd": lambda: f"clock {file['clockid']}",
        "inotify": lambda: f"watches {len(file.get('wd', []))}", "tty": lambda: terminal(images, file),
        "memfd": lambda: f"inode {file['inode_id']}", "namespace": lambda: f"namespace {file['ns_id']}"}
    return told | {"flags": file.get("flags"), "detail": details[kind]() if kind in details else None}


TCP = ["unknown", "established", "syn-sent", "syn-received", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close-wait",
       "last-ack", "listen", "closing", "new-syn-received"]
STATES = {1: "connected", 7: "unconnected", 10: "listen"}


def address(family, parts):
    data = struct.pack(f"<{len(parts)}I", *parts)
    return str(ipaddress.IPv6Address(data) if family == 10 else ipaddress.IPv4Address(data[:4]))


class Opened:
    """What processes have open, together."""

    def __init__(self):
        self.pipes, self.sockets, self.places = {}, [], {}

    def end_of(self, images, number, told, holder):
        data = next((one for name in ("pipes-data.img", "fifo-data.img") for one in images.all(name)
                     if one["pipe_id"] == number), {})
        pipe = self.pipes.setdefault(number, {"id": number, "path": told["path"], "unread": data.get("bytes", 0),
                                              "capacity": data.get("size"), "readers": [], "writers": []})
        access = told["flags"] & 3
        pipe["readers"] += [holder] if access != 1 else []
        pipe["writers"] += [holder] if access != 0 else []

    def socket(self, images, info, file, holder):
        key = (info["type"], info["id"])
        if key not in self.places:
            self.places[key] = len(self.sockets)
            queued = sum(one["length"] for one in images.all("sk-queues.img") if one["id_for"] == info["id"])
            told = {"family": "", "protocol": "", "state": "unconnected", "inode": file.get("ino", 0), "source": None,
                    "source_port": None, "destination": None, "destination_port": None, "name": None, "peer": None,
                    "unread": queued, "unsent": 0, "backlog": None, "holders": []}
            of = {"INETSK": self.internet, "UNIXSK": self.local}.get(info["type"], self.other)
            self.sockets.append(told | of(images, info, file, queued))
        self.sockets[self.places[key]]["holders"].append(holder)
        return self.places[key]

    @staticmethod
    def internet(images, _, file, queued):
        is_tcp, connected = file["proto"] == 6, file["dst_port"] != 0
        stream = images.one(f"tcp-stream-{file['ino']:x}.img")
        protocols = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 136: "udplite"}
        return {
            "family": {2: "ipv4", 10: "ipv6"}[file["family"]], "protocol": protocols.get(file["proto"], str(file["proto"])),
            "state": TCP[file["state"]] if is_tcp else STATES.get(file["state"], "unknown"),
            "source": address(file["family"], file["src_addr"]), "source_port": file["src_port"] or None,
            "destination": address(file["family"], file["dst_addr"]) if connected else None,
            "destination_port": file["dst_port"] or None, "unread": queued + stream.get("inq_len", 0),
            "unsent": stream.get("outq_len", 0), "backlog": file["backlog"] if is_tcp and file["state"] == 10 else None,
        }

    @staticmethod
    def local(_, __, file, ___):
        name = quopri.decodestring(file["name"]).removesuffix(b"\0")
        name = b"@" + name[1:] if name.startswith(b"\0") else name
        return {
            "family": "unix", "protocol": {1: "stream", 2: "datagram", 5: "seqpacket"}[file["type"]],
            "state": STATES.get(file["state"], "unknown"), "name": name.decode("utf-8", "replace") or None,
            "peer": file["peer"] or None, "backlog": file["backlog"] if file["state"] == 10 else None,
        }

    @staticmethod
    def other(_, info, file, __):
        family = {"NETLINKSK": "netlink", "PACKETSK": "packet"}[info["type"]]
        return {"family": family, "protocol": str(file["protocol"]), "state": STATES.get(file.get("state", 7), "unknown"),
                "unread": 0}


FILE_SYSTEMS = ["bind", "proc", "sysfs", "devtmpfs", "binfmt_misc", "tmpfs", "devpts", "simfs", "pstore", "securityfs", "fusectl",
                "debugfs", "cgroup", "aufs", "mqueue", "fuse", "auto", "overlay", "autofs", "tracefs", None, None, None, "cgroup2"]


def mount(namespace, entry):
    named = FILE_SYSTEMS[entry["fstype"]] if entry["fstype"] != 16 else entry.get("fsname", "auto")
    external = entry.get("ext_key", entry["mountpoint"] if entry.get("ext_mount") else None)
    return {"id": entry["mnt_id"], "parent": entry["parent_mnt_id"], "namespace": namespace, "mountpoint": entry["mountpoint"],
            "root": entry["root"], "fs_type": named, "source": entry["source"], "options": entry["options"], "external": external,
            "device": f"{entry['root_dev'] >> 20}:{entry['root_dev'] & 0xFFFFF}"}


def ghost(images, number):
    entry = images.one(f"ghost-file-{number:x}.img")
    stored = len(base64.b64decode(entry.get("extra", "")))
    original = next((one["orig_id"] for one in images.all("remap-fpath.img") if one["remap_id"] == number), None)
    return {"id": number, "path": images.path_of(original), "size": entry.get("size", stored), "stored": stored,
            "uid": entry["uid"], "gid": entry["gid"], "mode": entry["mode"]}


def shared_memory(chain, number):
    memory = Memory(chain, f"pagemap-shmem-{number}.img")
    present, parent, _ = memory.count()
    name = next((memfd_name(one) for one in chain[0].all("memfd.img") if one["shmid"] == number), None)
    return {"id": number, "name": name, "present": present, "parent": parent, "stored": memory.levels[0][2]}


def cpu(entry):
    vendor = {"INTEL": "Intel", "AMD": "AMD"}.get(entry["vendor_id"], "other")
    family = f"{vendor} family {entry['cpu_family']} model {entry['model']}"
    return f"{entry['model_id']} ({family})" if entry.get("model_id") else family


def criu(chain, inventory):
    images = chain[0]
    cores = images.names("core-")
    machines = {"X86_64": "x86_64", "ARM": "armv7l", "AARCH64": "aarch64", "PPC64": "ppc64le", "S390": "s390x", "MIPS": "mips64"}
    parent = images.path("parent")
    return {
        "image_version": inventory.get("img_version"),
        "architecture": machines[images.one(f"core-{cores[0]}.img")["mtype"]] if cores else None, "page_size": PAGE,
        "pre_checkpoint": inventory.get("img_version") == 0, "encrypted": False,
        "lsm": {"NO_LSM": "none", "SELINUX": "selinux", "APPARMOR": "apparmor"}.get(inventory.get("lsmtype")), "plugins": [],
        "tcp_close": inventory.get("tcp_close", False), "compression": "none", "compression_region": None,
        "parent": os.readlink(parent) if os.path.islink(parent) else None, "parents_found": len(chain) - 1,
        "cpus": [cpu(entry) for entry in images.one("cpuinfo.img").get("x86_entry", [])],
    }


def devices(images):
    entries = [entry for number in images.names("netdev-") for entry in images.all(f"netdev-{number}.img")]
    return [{"name": entry["name"], "mtu": entry["mtu"],
             "address": base64.b64decode(entry["address"]).hex(":") if "address" in entry else None}
            for entry in entries if entry["type"] != "LOOPBACK"]


def external_namespaces(images):
    keys = [(kind, images.one(f"{kind}ns-{number}.img").get("ext_key"))
            for kind in ("pid", "net") for number in images.names(f"{kind}ns-")]
    return [{"kind": kind, "key": key} for kind, key in keys if key]


def statistics(images, kind, keys):
    entry = images.one(f"stats-{kind}").get(kind)
    return {own: entry.get(theirs, default) for own, theirs, default in keys} if entry else None


DUMP = [(key, key, 0) for key in ("freezing_time", "frozen_time", "memdump_time", "memwrite_time", "pages_scanned",
                                  "pages_skipped_parent", "pages_written", "pages_lazy")]
RESTORE = [("forking_time", "forking_time", 0), ("restore_time", "restore_time", 0), ("pages_compared", "pages_compared", 0),
           ("pages_skipped_cow", "pages_skipped_cow", 0), ("pages_restored", "pages_restored", None)]


def expect(directory):
    chain = [Images(os.path.join(directory, name)) for name in ("checkpoint", "pre-checkpoint")
             if os.path.isdir(os.path.join(directory, name))] or [Images(directory)]
    images, opened, top = chain[0], Opened(), Images(directory)
    inventory = images.one("inventory.img")
    processes = [process(chain, entry, opened) for entry in images.all("pstree.img")]
    own = (processes[0]["namespaces"] or {}).get("uts") if processes else None
    names = images.names("utsns-")
    host = own if own in names else next(iter(names), None)
    descriptors = images.path("descriptors.json")
    return {
        "criu": criu(chain, inventory), "host_name": images.one(f"utsns-{host}.img").get("nodename"), "processes": processes,
        "pipes": list(opened.pipes.values()), "sockets": opened.sockets,
        "ghost_files": [ghost(images, number) for number in images.names("ghost-file-")],
        "shared_memory": [shared_memory(chain, number) for number in images.names("pagemap-shmem-")],
        "mounts": [mount(number, entry) for number in images.names("mountpoints-")
                   for entry in images.all(f"mountpoints-{number}.img")],
        "external_namespaces": external_namespaces(images), "network_devices": devices(images),
        "standard_descriptors": json.load(open(descriptors)) if os.path.exists(descriptors) else [],
        "dump_statistics": statistics(top, "dump", DUMP), "restore_statistics": statistics(top, "restore", RESTORE), "problems": [],
    }


def encode(directory, images):
    for name, image in images.items():
        with open(os.path.join(directory, name), "wb") as file:
            pycriu.images.dump(image, file)


if sys.argv[1] == "encode":
    encode(sys.argv[2], json.load(sys.stdin))
else:
    json.dump(expect(sys.argv[2]), sys.stdout)
