"""What /proc says of a container's processes, and what `crutils inspect --json` says of their checkpoint.

    proc.py tell PID >BEFORE          PID is the first process of the container, as the host numbers it
    proc.py compare BEFORE DOCUMENT   tells what differs, a line each, and exits with 1 if anything does

The numbers of processes, groups and sessions are those of the container. A process of the container's namespace that isn't
a descendant of the first one, such as a health check, would be told, too.
"""

import json
import os
import re
import sys
from pathlib import Path

CLOEXEC = 0o2000000
# O_WRONLY and O_APPEND
GROWS = 0o2001


def text(data):
    """As the document has it: bytes that are no UTF-8 become U+FFFD."""
    return data.decode("utf-8", "replace")


def parts(data):
    return [text(part) for part in data.split(b"\0")[:-1]]


def status(process):
    pairs = (line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return {key: value.split() for key, value in pairs}


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return None


def descriptor(process, fd):
    """The target of a descriptor, and what fdinfo says of it."""
    info = dict(re.findall(r"^([\w-]+):\s*(.*)$", (process / "fdinfo" / fd).read_text(), re.MULTILINE))
    flags = int(info["flags"], 8)
    return {
        "target": link(process / "fd" / fd), "close_on_exec": bool(flags & CLOEXEC), "flags": flags & ~CLOEXEC,
        "position": int(info["pos"]), "mode": os.stat(process / "fd" / fd).st_mode,
        "size": os.stat(process / "fd" / fd).st_size,
        "counter": int(info["eventfd-count"], 16) if "eventfd-count" in info else None,
        "watches": sum(1 for line in (process / "fdinfo" / fd).read_text().splitlines() if re.match(r"tfd:|inotify ", line)),
    }


def maps(process):
    found = []
    for line in (process / "maps").read_text().splitlines():
        area, permissions, offset, _, inode, *name = line.split(None, 5)
        start, end = (int(number, 16) for number in area.split("-"))
        # Newer kernels have two where CRIU has one.
        if name == ["[vvar_vclock]"] and found[-1]["name"] == "[vvar]" and found[-1]["end"] == start:
            found[-1]["end"] = end
            continue
        found.append({"start": start, "end": end, "permissions": permissions, "offset": int(offset, 16), "inode": int(inode),
                      "name": name[0] if name else ""})
    return found


LIMITS = {
    "cpu time": "cpu", "file size": "fsize", "data size": "data", "stack size": "stack", "core file size": "core",
    "resident set": "rss", "processes": "nproc", "open files": "nofile", "locked memory": "memlock", "address space": "as",
    "file locks": "locks", "pending signals": "sigpending", "msgqueue size": "msgqueue", "nice priority": "nice",
    "realtime priority": "rtprio", "realtime timeout": "rttime",
}


def limits(process):
    found = {}
    for line in (process / "limits").read_text().splitlines()[1:]:
        name, soft, hard = re.match(r"Max ([a-z ]+?)\s{2,}(\w+)\s+(\w+)", line).groups()
        found[LIMITS[name]] = [None if number == "unlimited" else int(number) for number in (soft, hard)]
    return found


def thread(task):
    own = status(task)
    return {"tid": int(own["NSpid"][-1]), "comm": (task / "comm").read_text()[:-1]}


def tell_process(process):
    own = status(process)
    ids = [[int(number) for number in own[key]] for key in ("Uid", "Gid")]
    alive = own["State"][0] != "Z"
    told = {
        "pid": int(own["NSpid"][-1]), "pgid": int(own["NSpgid"][-1]), "sid": int(own["NSsid"][-1]), "state": own["State"][0],
        "comm": (process / "comm").read_text()[:-1],
    }
    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
    if not alive:
        return told | {"exit_status": int(fields[49]) >> 8}
    return told | {
        "arguments": parts((process / "cmdline").read_bytes()), "environment": parts((process / "environ").read_bytes()),
        "executable": link(process / "exe"), "cwd": link(process / "cwd"), "root": link(process / "root"),
        "umask": int(own["Umask"][0], 8), "uid": ids[0], "gid": ids[1], "groups": [int(group) for group in own["Groups"]],
        "capabilities": {name: int(own[key][0], 16) for key, name in (
            ("CapInh", "inheritable"), ("CapPrm", "permitted"), ("CapEff", "effective"), ("CapBnd", "bounding"),
            ("CapAmb", "ambient"))},
        "no_new_privs": own["NoNewPrivs"] == ["1"], "seccomp": ["disabled", "strict", "filter"][int(own["Seccomp"][0])],
        "nice": int(fields[16]), "oom_score_adj": int((process / "oom_score_adj").read_text()),
        "limits": limits(process),
        "threads": sorted((thread(task) for task in (process / "task").iterdir()), key=lambda one: one["tid"]),
        "descriptors": {int(fd): descriptor(process, fd) for fd in os.listdir(process / "fd")},
        "maps": maps(process),
    }


def tell(first):
    """All processes of the first one's namespace, by their numbers there."""
    namespace = link(f"/proc/{first}/ns/pid")
    found, parents = {}, {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or link(process / "ns/pid") not in (namespace, None):
            continue
        own = status(process)
        # What has ended has no namespace to be read, but its number in the container still.
        if len(own["NSpid"]) > 1:
            parents[int(own["PPid"][0])] = parents.get(int(own["PPid"][0]), []) + [int(own["NSpid"][-1])]
            found[int(process.name)] = tell_process(process)
    for outside, process in found.items():
        process["parent"] = next((found[parent]["pid"] for parent, children in parents.items()
                                  if parent in found and process["pid"] in children), 0)
    return {process["pid"]: process for process in found.values()}


class Comparison:
    def __init__(self, document):
        self.document, self.differing, self.compared = document, 0, 0

    def same(self, what, told, before):
        self.compared += 1
        if told != before:
            self.differing += 1
            print(f"{what}: the document has {told!r}, /proc had {before!r}")

    def process(self, own, before):
        what = f"process {own['pid']}"
        for key in ("pgid", "sid", "comm"):
            self.same(f"{what}: {key}", own[key], before[key])
        self.same(f"{what}: ppid", own["ppid"], before["parent"])
        # CRIU calls a zombie that it finds dead.
        states = {"S": "alive", "R": "alive", "T": "stopped", "Z": "dead"}
        self.same(f"{what}: state", own["state"], states[before["state"]])
        if before["state"] == "Z":
            self.same(f"{what}: exit status", own["exit_status"], before["exit_status"])
            return
        for key in ("arguments", "environment", "executable", "cwd", "root", "umask", "seccomp", "nice", "oom_score_adj"):
            self.same(f"{what}: {key}", own[key], before[key])
        who = own["credentials"]
        for key in ("uid", "gid"):
            ids = [who[prefix + key] for prefix in ("", "e", "s", "fs")]
            self.same(f"{what}: {key}s", ids, before[key])
        self.same(f"{what}: groups", sorted(who["groups"]), sorted(before["groups"]))
        self.same(f"{what}: capabilities", who["capabilities"], before["capabilities"])
        self.same(f"{what}: no_new_privs", bool(who["no_new_privs"]), before["no_new_privs"])
        self.same(f"{what}: limits", {one["resource"]: [one["soft"], one["hard"]] for one in own["limits"]}, before["limits"])
        threads = [{"tid": one["tid"], "comm": one["comm"]} for one in own["threads"]]
        self.same(f"{what}: threads", sorted(threads, key=lambda one: one["tid"]), before["threads"])
        self.descriptors(what, own["descriptors"], {int(fd): one for fd, one in before["descriptors"].items()})
        self.maps(what, own["mappings"], before["maps"])

    def descriptors(self, what, own, before):
        self.same(f"{what}: descriptors", [one["fd"] for one in own], sorted(before))
        for one in own:
            there = before.get(one["fd"])
            if there is None:
                continue
            at = f"{what}: descriptor {one['fd']}"
            self.same(f"{at}: target", self.target(one), self.expected(one, there["target"]))
            self.same(f"{at}: close_on_exec", one["close_on_exec"], there["close_on_exec"])
            if one["flags"] is not None:
                self.same(f"{at}: flags", one["flags"] & ~CLOEXEC, there["flags"])
            if one["position"] is not None:
                self.same(f"{at}: position", one["position"], there["position"])
            if one["kind"] in ("regular", "memfd"):
                # CRIU writes no size of what grows by being written to.
                grows = there["flags"] & GROWS == GROWS
                self.same(f"{at}: size", one["size"], None if grows else there["size"])
                self.same(f"{at}: deleted", one["deleted"], one["kind"] == "regular" and there["target"].endswith(" (deleted)"))
            if one["mode"] is not None:
                self.same(f"{at}: mode", one["mode"], there["mode"])
            counts = re.fullmatch(r"(counter|watches) (\d+)", one["detail"] or "")
            if counts:
                self.same(f"{at}: {counts[1]}", int(counts[2]), there[counts[1]])

    def target(self, one):
        """A descriptor of the document as /proc writes it."""
        if one["kind"] == "pipe":
            return f"pipe:[{one['pipe']}]"
        if one["socket"] is not None:
            return f"socket:[{self.document['sockets'][one['socket']]['inode']}]"
        if one["kind"] == "memfd":
            return f"/memfd:{one['path']} (deleted)"
        if one["kind"] == "tty":
            return "/dev/tty" if one["detail"] == "current terminal" else f"/dev/{one['detail']}"
        return one["path"] + (" (deleted)" if one["deleted"] else "") if one["path"] else one["kind"]

    def expected(self, one, target):
        anonymous = {"[eventfd]": "eventfd", "[eventpoll]": "epoll", "[signalfd]": "signalfd", "[timerfd]": "timerfd",
                     "inotify": "inotify"}
        return anonymous.get(target.removeprefix("anon_inode:"), target)

    def maps(self, what, own, before):
        area = lambda one: (one["start"], one["end"], one["permissions"])
        self.same(f"{what}: mappings", [area(one) for one in own], [area(one) for one in before])
        there = {one["start"]: one for one in before}
        for one in own:
            if one["start"] not in there:
                continue
            before = there[one["start"]]
            at = f"{what}: mapping {one['start']:x}"
            name = before["name"].removesuffix(" (deleted)")
            named = {"[heap]": "heap", "[stack]": "stack", "[vdso]": "vdso", "[vvar]": "vvar", "[vsyscall]": "vsyscall",
                     "/dev/zero": "shared"}
            kind = named.get(name) or ("sysv" if name.startswith("/SYSV") else "memfd" if name.startswith("/memfd:") else
                                       "file" if name.startswith("/") else "anonymous")
            self.same(f"{at}: kind", one["kind"], kind)
            if kind == "file":
                self.same(f"{at}: path", one["path"], name)
            if kind == "memfd":
                self.same(f"{at}: name", one["path"], name.removeprefix("/memfd:"))
            if kind in ("file", "memfd"):
                self.same(f"{at}: offset", one["offset"], before["offset"])


def compare(before, document):
    comparison = Comparison(document)
    own = {process["pid"]: process for process in document["processes"]}
    comparison.same("processes", sorted(own), sorted(int(pid) for pid in before))
    for pid, process in sorted(own.items()):
        if str(pid) in before:
            comparison.process(process, before[str(pid)])
    comparison.same("problems", document["problems"], [])
    print(f"{comparison.compared} facts compared, {comparison.differing} differ")
    return 1 if comparison.differing else 0


if sys.argv[1] == "tell":
    json.dump(tell(int(sys.argv[2])), sys.stdout, indent=1)
else:
    with open(sys.argv[2]) as first, open(sys.argv[3]) as second:
        sys.exit(compare(json.load(first), json.load(second)))
