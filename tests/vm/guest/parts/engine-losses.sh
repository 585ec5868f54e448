# shellcheck shell=bash
# boots: engine-losses
# short: native
# What is lost by an export and an import, and what hostile archives reach, with podman 4.3.1 on this library and with
# Debian's. The table of both is build/vm/engine-losses/engine-losses/table.
[ -e /vm/podman/podman.dynamic ] || { skip 'podman on the library' "it wasn't built" && return 0; }
. /vm/engines.sh

# hostile FUNCTION: an archive that the function has changed in /tmp/h can't touch /tmp/victim, whether it is restored or not
hostile() {
    exported podman
    mkdir -p /tmp/victim /tmp/h
    echo precious >/tmp/victim/file
    tar -xpf /tmp/e.tar -C /tmp/h
    "$1"
    rm /tmp/e.tar
    (cd /tmp/h && tar -cf /tmp/e.tar -- *)
    restored || true
    same 'the file outside' "$(cat /tmp/victim/file)" precious
}
deletes_through_symlink() {
    mkdir /tmp/h/diff && tar -xpf /tmp/h/rootfs-diff.tar -C /tmp/h/diff
    ln -s /tmp/victim /tmp/h/diff/evil
    tar -cf /tmp/h/rootfs-diff.tar -C /tmp/h/diff . && rm -r /tmp/h/diff
    echo '["/evil/file"]' >/tmp/h/deleted.files
}
deletes_above_root() {
    echo '["/../../../../../../../../../../../tmp/victim/file"]' >/tmp/h/deleted.files
}
log_is_symlink() {
    rm -f /tmp/h/restore.log
    ln -s /tmp/victim/file /tmp/h/restore.log
}

# What is lost between checkpoint and restore: one of each engine is looked at, and stays until all have been.
lose() {
    start c podman
    checkpoint --export /tmp/e.tar c
    rm -rf "/tmp/seen.$engine" "/tmp/got.$engine"
    cp -a "$(merged c)" "/tmp/seen.$engine"
    podman rm --force --time 0 c
    restored
    cp -a "$(podman mount c)" "/tmp/got.$engine"
    differences "/tmp/seen.$engine" "/tmp/got.$engine" | grep -v '^"data/growing"' >"$LOGS/lost-$engine" || true
    wc -l "$LOGS/lost-$engine"
}
agrees() { same "$1" "$(cd "/tmp/got.$engine" && $2 "$1")" "$(cd "/tmp/seen.$engine" && $2 "$1")"; }
mode_of() { stat -c %a "$1"; }
owner_of() { stat -c %u:%g "$1"; }
time_of() { stat -c %y "$1"; }
attributes_of() { getfattr -d -m - "$1" && getfacl --numeric "$1"; }
kept() {
    local plain dynamic
    attempt plain "$@" && plain=$result
    attempt dynamic "$@" && dynamic=$result
    row "$1" "$plain" "$dynamic"
    verdict "$1" "$plain" "$dynamic"
}

engine=plain
check 'an image is made' make_image
both 'hostile: a deletion through a symbolic link' hostile deletes_through_symlink
if [ "$SHORT" != yes ]; then
    both 'hostile: a deletion above the root' hostile deletes_above_root
    both 'hostile: restore.log is a symbolic link' hostile log_is_symlink
fi
for engine in plain dynamic; do
    attempt $engine 'what is lost' lose
    clean
    note "$engine podman: $(wc -l <"$LOGS/lost-$engine") objects differ after export and import"
done
row 'objects that differ after export and import' "$(wc -l <"$LOGS/lost-plain")" "$(wc -l <"$LOGS/lost-dynamic")"
kept 'a modified file' agrees etc/app/main.conf cat
kept 'a directory deleted and made again' agrees opt/again ls
kept 'the mode of a directory' agrees etc/app/conf.d mode_of
kept 'the mode of a file' agrees etc/app/mode mode_of
kept 'the owner of a file' agrees etc/app/owner owner_of
kept 'the time of a file' agrees etc/app/time time_of
kept 'extended attributes and an ACL of a directory' agrees data/shared attributes_of
kept 'an extended attribute of a file' agrees data/old attributes_of
