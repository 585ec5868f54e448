# shellcheck shell=bash
# boots: permissive enforcing plain
# SELinux: the labels of files, with a policy that only warns, with one that is enforced, and without any.

label=system_u:object_r:var_lib_t:s0
of_a_secret=system_u:object_r:shadow_t:s0
# A program that Debian's policy confines: it may keep files of its own in /tmp, and write nowhere else.
confined=/usr/local/bin/cr-confined
# Of a program whose domain may not write to our log, only what comes through a pipe is seen.
confined() { (set -o pipefail && "$confined" "$@" 2>&1 | cat); }

label_of() { getfattr --only-values -h -n security.selinux "$1" | tr -d '\0'; }
new() { mktemp -d "/tmp/$1.XXXX"; }

# What labels are compared with: those that the policy gives a new file by itself.
default_label() { touch "$1/by-the-policy" && label_of "$1/by-the-policy"; }

a_label_is_on_the_file() {
    local d && d=$(new label)
    cr label "$d" restore.log $label
    same 'ls -Z' "$(ls -Z "$d/restore.log")" "$label $d/restore.log"
    same getfattr "$(label_of "$d/restore.log")" $label
    same 'mode and size' "$(stat -c '%a %s' "$d/restore.log")" '600 0'
}

a_file_gets_another_label() {
    local d && d=$(new relabel)
    echo content >"$d/restore.log"
    cr label "$d" restore.log $label
    same label "$(label_of "$d/restore.log")" $label
    same size "$(stat -c %s "$d/restore.log")" 0
}

# The kernel shows every label with a NUL at its end: how it is stored, only the disk tells.
bytes_on_disk() {
    sync -f "$1"
    debugfs -R "ea_get $1 security.selinux" /dev/vda 2>/dev/null
}

a_label_is_stored_as_chcon_stores_it() {
    local d && d=$(new stored)
    cr label "$d" ours $label
    touch "$d/chcon"
    chcon $label "$d/chcon"
    same bytes "$(bytes_on_disk "$d/ours")" "$(bytes_on_disk "$d/chcon")"
    note "a label on disk: $(bytes_on_disk "$d/ours")"
}

an_empty_label_writes_none() {
    local d && d=$(new empty)
    cr label "$d" restore.log ''
    same label "$(label_of "$d/restore.log")" "$(default_label "$d")"
    # The label that was there stays, too.
    cr label "$d" restore.log $label
    cr label "$d" restore.log ''
    same label "$(label_of "$d/restore.log")" $label
}

an_invalid_label_is_einval() {
    local d bad && d=$(new invalid)
    for bad in nonsense system_u:object_r:no_such_t:s0 system_u:object_r:tmp_t "$label:and:more"; do
        # Who may administer the policy, as root may while nothing is enforced, can store labels that it doesn't know.
        refused EINVAL setpriv --bounding-set -mac_admin cr label "$d" restore.log "$bad"
        same label "$(label_of "$d/restore.log")" "$(default_label "$d")"
    done
    if cr label "$d" administrator nonsense; then
        note "an unknown label is taken from root with CAP_MAC_ADMIN: $(label_of "$d/administrator")"
    fi
}

without_labels_is_eopnotsupp() {
    local d && d=$(new without)
    mkdir "$d/context" "$d/vfat"
    mount -t tmpfs -o context=system_u:object_r:tmp_t:s0 tmpfs "$d/context"
    truncate -s 4M "$d/image"
    mkfs.vfat "$d/image"
    mount -o loop "$d/image" "$d/vfat"
    for kind in context vfat; do
        refused EOPNOTSUPP cr label "$d/$kind" restore.log $label
        [ -f "$d/$kind/restore.log" ]
        cr label "$d/$kind" another.log ''
        umount "$d/$kind"
    done
}

# An archive as it comes from a system that stores labels.
labelled_archive() {
    mkdir "$1/in"
    echo secret >"$1/in/file"
    mkdir "$1/in/directory"
    ln -s file "$1/in/link"
    setfattr -h -n security.selinux -v $of_a_secret "$1"/in/*
    tar --xattrs --xattrs-include='*' -cf "$1/rootfs-diff.tar" -C "$1/in" file directory link
    same 'labels in the archive' "$(grep -a -c "SCHILY.xattr.security.selinux=$of_a_secret" "$1/rootfs-diff.tar")" 3
}

extraction_takes_no_label() {
    local d found && d=$(new extract)
    mkdir "$d/root"
    labelled_archive "$d"
    cr apply "$d" "$d/root"
    # Links are none of a checkpoint's own members.
    tar --xattrs --xattrs-include='*' -cf "$d/checkpoint.tar" -C "$d/in" file directory
    cr import "$d/bundle" "$d/checkpoint.tar"
    for found in root/file root/directory root/link bundle/file bundle/directory; do
        if [ "$BOOT" = plain ]; then
            same "$found" "$(label_of "$d/$found")" ''
        else
            same "$found" "$(label_of "$d/$found")" "$(default_label "$d")"
        fi
    done
}

a_diff_takes_no_label() {
    local d && d=$(new diff)
    mkdir "$d/root"
    cp /etc/hostname "$d/root/file"
    setfattr -n security.selinux -v $of_a_secret "$d/root/file"
    setfattr -n user.kept -v yes "$d/root/file"
    echo 'A /file' | cr diff "$d/root" "$d"
    grep -a SCHILY.xattr.user.kept "$d/rootfs-diff.tar"
    fails grep -a security.selinux "$d/rootfs-diff.tar"
}

a_confined_process_is_told() {
    local d && d=$(new confined)
    chcon -t etc_t "$d"
    labelled_archive "$d"
    mkdir "$d/root"
    refused EACCES confined label "$d" restore.log $label
    refused EACCES confined import "$d" "$d/rootfs-diff.tar"
    refused EACCES confined apply "$d" "$d/root"
    refused EACCES confined runtime /etc/shadow
    [ ! -e "$d/restore.log" ] && [ ! -e "$d/root/file" ]
    # It may make this one, but not give it away.
    refused EACCES confined label /tmp of-the-confined $label
    same label "$(label_of /tmp/of-the-confined)" unconfined_u:object_r:spamassassin_tmp_t:s0
}

# Whether SELinux is enabled can't be seen by everybody.
who_cannot_see_selinux_is_told_nothing() {
    local program=/usr/local/bin/cr-blind
    cp /usr/local/bin/cr $program
    chcon -t webalizer_exec_t $program
    $program label /tmp of-the-blind $label
    note "the label of a process that can't see selinuxfs, given without an error: $(label_of /tmp/of-the-blind)"
}

a_confined_process_is_free_while_nothing_is_enforced() {
    local d && d=$(new confined)
    chcon -t etc_t "$d"
    labelled_archive "$d"
    mkdir "$d/root"
    confined label "$d" restore.log $label
    same label "$(label_of "$d/restore.log")" $label
    confined apply "$d" "$d/root"
}

without_selinux_nothing_is_written() {
    local d && d=$(new off)
    for name in $label nonsense; do
        cr label "$d" "$name" "$name"
        same label "$(label_of "$d/$name")" ''
    done
    # The file system would have taken it.
    setfattr -n security.selinux -v $label "$d/$label"
    same label "$(label_of "$d/$label")" $label
}

suite() { cd /tmp && /usr/local/bin/suite label:: --test-threads 1 --show-output; }

if [ "$BOOT" = plain ]; then
    check 'without SELinux a label is not written' without_selinux_nothing_is_written
    check 'extraction takes no label from an archive' extraction_takes_no_label
else
    same 'SELinux is' "$(getenforce)" "${BOOT^}" >/dev/null || exit 1
    cp /usr/local/bin/cr $confined
    chcon -t spamassassin_exec_t $confined
    check 'a label is on the file' a_label_is_on_the_file
    check 'a file that is there gets another label' a_file_gets_another_label
    check 'a label is stored as chcon stores it' a_label_is_stored_as_chcon_stores_it
    check 'an empty label writes none' an_empty_label_writes_none
    check 'an invalid label is EINVAL' an_invalid_label_is_einval
    check 'a file system without labels is EOPNOTSUPP' without_labels_is_eopnotsupp
    check 'extraction takes no label from an archive' extraction_takes_no_label
    check 'a diff holds no label' a_diff_takes_no_label
    if [ "$BOOT" = enforcing ]; then
        check 'a confined process gets EACCES' a_confined_process_is_told
        check 'a process that cannot see whether SELinux is enabled' who_cannot_see_selinux_is_told_nothing
    else
        check 'a confined process passes while nothing is enforced' a_confined_process_is_free_while_nothing_is_enforced
    fi
fi
check "the suite's tests of labels" suite
