#![forbid(unsafe_code)]

use super::super::ids::{IdMap, IdMaps, IdRange};
use super::*;

const UNMAPPED: (Kind, i32) = (Kind::Unsupported, libc::EOVERFLOW);
const MALFORMED: (Kind, i32) = (Kind::Malformed, libc::EBADMSG);
const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";
const CAPABILITY: &str = "security.capability";

fn map(container: u32, host: u32, size: u32) -> IdMap {
    IdMap::new(vec![IdRange {
        container,
        host,
        size,
    }])
    .unwrap()
}

/// Users 0 to 999 are 100000 to 100999, groups 0 to 999 are 200000 to 200999.
fn mapped() -> Rules {
    let (uids, gids) = (map(0, 100_000, 1000), map(0, 200_000, 1000));
    Rules {
        ids: IdMaps { uids, gids },
        ..Rules::default()
    }
}

fn ignoring() -> Rules {
    Rules {
        ignore_ownership: true,
        ..Rules::default()
    }
}

/// An ACL: rw for the owner, r for `user`, r for the group, r for `group`, mask r, nothing for others.
fn acl(user: u32, group: u32) -> Vec<u8> {
    let nobody = u32::MAX;
    let entries: [(u16, u16, u32); 6] = [
        (0x01, 6, nobody),
        (0x02, 4, user),
        (0x04, 4, nobody),
        (0x08, 4, group),
        (0x10, 4, nobody),
        (0x20, 0, nobody),
    ];
    let mut bytes = vec![2, 0, 0, 0];
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Capabilities: CAP_NET_RAW (13) is permitted and effective; of version 3 with a root.
fn capability(root: Option<u32>) -> Vec<u8> {
    let version = if root.is_some() { 3 } else { 2 };
    let mut bytes = vec![1, 0, 0, version, 0, 0x20, 0, 0];
    bytes.extend([0; 12]);
    bytes.extend(root.into_iter().flat_map(u32::to_le_bytes));
    bytes
}

/// The xattr's value once the rules have been applied to it.
fn adapted(rules: &Rules, name: &str, value: &[u8]) -> Vec<u8> {
    let entry = file("a", "").with(|member| (member.uid, member.gid) = (0, 0));
    let entry = entry.xattr(name, value);
    let member = rules.adapt(&entry.0).unwrap();
    assert_eq!(member.xattrs.len(), 1);
    member.xattrs[0].value.clone()
}

fn owned(entry: Entry, uid: u32, gid: u32) -> Entry {
    entry.with(|member| (member.uid, member.gid) = (uid, gid))
}

#[test]
fn owners_are_mapped_and_those_of_undescribed_directories_too() {
    if !is_root() {
        return;
    }
    let temp = Temp::new();
    temp.put("old", "");
    let entries = [
        owned(file("new/deep/f", "1"), 0, 999),
        owned(directory("d"), 5, 6),
        owned(symlink("l", "x"), 7, 8),
        owned(hard_link("h", "old"), 9, 10),
    ];
    extract(&temp, mapped(), &entries).unwrap();
    for (path, owner) in [
        ("new", (100_000, 200_000)),
        ("new/deep", (100_000, 200_000)),
        ("new/deep/f", (100_000, 200_999)),
        ("d", (100_005, 200_006)),
        ("l", (100_007, 200_008)),
        ("h", (100_009, 200_010)),
    ] {
        assert_eq!(temp.owner(path), owner, "{path}");
    }
}

#[test]
fn the_root_is_mapped_like_any_directory() {
    if !is_root() {
        return;
    }
    let temp = Temp::new();
    extract(&temp, mapped(), &[owned(directory("/"), 1, 2)]).unwrap();
    assert_eq!(temp.owner(""), (100_001, 200_002));
}

#[test]
fn an_id_without_a_place_is_refused_by_its_number() {
    let temp = Temp::new();
    let normal = |path: &str| owned(file(path, ""), 0, 0);
    for (entry, words) in [
        (owned(normal("new/a"), 1000, 0), "user id 1000 isn't"),
        (
            owned(normal("new/a"), 0, 4_294_967_294),
            "group id 4294967294 isn't",
        ),
        (
            normal("new/a").xattr(ACCESS, &acl(1000, 0)),
            "user id of an ACL 1000 isn't",
        ),
        (
            normal("new/a").xattr(ACCESS, &acl(0, 1001)),
            "group id of an ACL 1001 isn't",
        ),
        (
            normal("new/a").xattr(DEFAULT, &acl(1002, 0)),
            "user id of an ACL 1002 isn't",
        ),
        (
            normal("new/a").xattr(CAPABILITY, &capability(Some(1003))),
            "capabilities 1003 isn't",
        ),
    ] {
        assert_refused(&temp, mapped(), &entry, UNMAPPED, words);
    }
}

#[test]
fn an_undescribed_directory_is_not_made_for_a_root_without_a_place() {
    let temp = Temp::new();
    let ids = IdMaps {
        uids: map(1, geteuid().as_raw(), 1),
        gids: map(1, getegid().as_raw(), 1),
    };
    let rules = Rules {
        ids,
        ..Rules::default()
    };
    let entry = owned(file("new/a", ""), 1, 1);
    assert_refused(&temp, rules.clone(), &entry, UNMAPPED, "user id 0 isn't");
    extract(&temp, rules, &[owned(file("a", "1"), 1, 1)]).unwrap();
    assert_eq!(temp.tree(), tree([("a", "1")]));
}

#[test]
fn named_users_and_groups_in_acls_are_mapped_and_nothing_else_of_them() {
    for name in [ACCESS, DEFAULT] {
        assert_eq!(
            adapted(&mapped(), name, &acl(33, 44)),
            acl(100_033, 200_044)
        );
        for none in [&b""[..], &[2, 0, 0, 0]] {
            assert_eq!(adapted(&mapped(), name, none), none);
        }
    }
    for other in ["user.system.posix_acl_access", "trusted.acl"] {
        assert_eq!(adapted(&mapped(), other, &acl(33, 44)), acl(33, 44));
    }
}

#[test]
fn what_is_no_acl_is_refused_where_ids_are_mapped() {
    let temp = Temp::new();
    let acl = acl(1, 1);
    let wrong_version = [&[1, 0, 0, 0], &acl[4..]].concat();
    for value in [
        &acl[..acl.len() - 1],
        &acl[..3],
        &[&acl[..], &[0; 4]].concat(),
        &wrong_version,
    ] {
        let entry = owned(file("new/a", ""), 0, 0).xattr(ACCESS, value);
        assert_refused(&temp, mapped(), &entry, MALFORMED, "no POSIX ACL");
    }
}

#[test]
fn acls_with_mapped_ids_are_on_the_disk() {
    let temp = Temp::new();
    if !is_root()
        || temp
            .node("")
            .set_xattr(c"system.posix_acl_access", &acl(1, 1))
            .is_err()
    {
        println!("skipped: no POSIX ACLs here");
        return;
    }
    let mode = |entry: Entry| owned(entry, 0, 0).with(|member| member.mode = 0o640);
    let entries = [
        mode(file("f", "")).xattr(ACCESS, &acl(33, 44)),
        mode(directory("d")).xattr(DEFAULT, &acl(33, 44)),
    ];
    extract(&temp, mapped(), &entries).unwrap();
    for (path, name) in [("f", ACCESS), ("d", DEFAULT)] {
        assert_eq!(
            temp.xattr(path, name),
            Some(acl(100_033, 200_044)),
            "{path}"
        );
    }
}

#[test]
fn capabilities_become_valid_below_the_mapped_root() {
    for (before, after) in [
        (Some(5), Some(100_005)),
        (Some(0), Some(100_000)),
        (None, Some(100_000)),
    ] {
        assert_eq!(
            adapted(&mapped(), CAPABILITY, &capability(before)),
            capability(after)
        );
    }
}

#[test]
fn capabilities_stay_as_they_are_where_root_is_root() {
    let same_users = IdMaps {
        uids: IdMap::default(),
        gids: map(0, 5, 1),
    };
    let same_root = IdMaps {
        uids: map(0, 0, 10),
        gids: IdMap::default(),
    };
    for ids in [same_users, same_root] {
        let rules = Rules {
            ids,
            ..Rules::default()
        };
        for root in [None, Some(5)] {
            assert_eq!(
                adapted(&rules, CAPABILITY, &capability(root)),
                capability(root)
            );
        }
    }
}

#[test]
fn capabilities_of_unknown_form_are_refused_where_ids_are_mapped() {
    let temp = Temp::new();
    let (two, three) = (capability(None), capability(Some(0)));
    let four = [&three[..3], &[4], &three[4..]].concat();
    for value in [&two[..19], &three[..23], &three[..20], &four, b""] {
        let entry = owned(file("new/a", ""), 0, 0).xattr(CAPABILITY, value);
        assert_refused(&temp, mapped(), &entry, MALFORMED, "security.capability");
    }
}

#[test]
fn capabilities_below_the_mapped_root_are_on_the_disk() {
    if !is_root() {
        return;
    }
    let temp = Temp::new();
    let entry = |path| owned(file(path, ""), 0, 0);
    let entries = [
        entry("everywhere").xattr(CAPABILITY, &capability(None)),
        entry("below").xattr(CAPABILITY, &capability(Some(5))),
    ];
    extract(&temp, mapped(), &entries).unwrap();
    for (path, root) in [("everywhere", 100_000), ("below", 100_005)] {
        assert_eq!(
            temp.xattr(path, CAPABILITY),
            Some(capability(Some(root))),
            "{path}"
        );
    }
}

#[test]
fn what_is_ignored_belongs_to_the_caller_and_gives_nobody_its_rights() {
    let temp = Temp::new();
    let set_id = |entry: Entry| owned(entry, 12345, 54321).with(|member| member.mode = 0o7755);
    let entries = [
        set_id(file("f", ""))
            .xattr(CAPABILITY, &capability(None))
            .xattr("user.kept", b"1"),
        set_id(directory("d")),
        owned(symlink("l", "x"), 12345, 54321),
        set_id(hard_link("h", "f")),
    ];
    extract(&temp, ignoring(), &entries).unwrap();
    for path in ["f", "d", "l", "h"] {
        assert_eq!(
            temp.owner(path),
            (geteuid().as_raw(), getegid().as_raw()),
            "{path}"
        );
    }
    for path in ["f", "d", "h"] {
        assert_eq!(temp.mode(path), 0o1755, "{path}");
    }
    assert_eq!(temp.xattr("f", CAPABILITY), None);
    assert_eq!(temp.xattr("f", "user.kept"), Some(b"1".to_vec()));
}

#[test]
fn an_undescribed_directory_belongs_to_whom_the_kernel_gives_it_where_ownership_is_ignored() {
    if !is_root() {
        return;
    }
    let temp = Temp::new();
    std::os::unix::fs::chown(temp.path(""), Some(0), Some(4321)).unwrap();
    fs::set_permissions(temp.path(""), fs::Permissions::from_mode(0o2755)).unwrap();
    extract(&temp, ignoring(), &[file("ignored/f", "")]).unwrap();
    extract(&temp, Rules::default(), &[file("default/f", "")]).unwrap();
    let owners = ["ignored", "default"].map(|path| temp.owner(path));
    assert_eq!(owners, [(0, 4321), (0, 0)]);
}

#[test]
fn acls_are_kept_where_ownership_is_ignored() {
    assert_eq!(adapted(&ignoring(), ACCESS, &acl(1, 2)), acl(1, 2));
}

#[test]
fn ids_are_not_mapped_and_ignored_together() {
    let temp = Temp::new();
    let rules = Rules {
        ignore_ownership: true,
        ..mapped()
    };
    let error = extract(&temp, rules, &[file("a", "")]).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (Kind::Argument, libc::EINVAL)
    );
    assert_eq!(temp.tree(), tree([]));
}
