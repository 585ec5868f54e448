//! What is mounted: `/proc/self/mountinfo` (proc(5)).

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One line of the table: fields between single spaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mount<'t> {
    /// The number that the kernel knows the mount by.
    pub(crate) id: u64,
    /// The directory of the file system that is seen at the mount point, with the kernel's escapes.
    pub(crate) root: &'t [u8],
    /// Where it is mounted, with the kernel's escapes: see [`point`](Self::point).
    point: &'t [u8],
    /// The type of the file system.
    pub(crate) kind: &'t [u8],
    /// The options of the file system, between commas, with the kernel's escapes.
    pub(crate) options: &'t [u8],
}

impl<'t> Mount<'t> {
    /// All lines of a table that are as they should be.
    pub(crate) fn all(table: &'t [u8]) -> impl Iterator<Item = Self> {
        table.split(|&byte| byte == b'\n').filter_map(Self::line)
    }

    fn line(line: &'t [u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ');
        let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let root = fields.nth(2)?;
        let point = fields.next()?;
        // The mount's own options and the optional fields come between; they are never a lone dash.
        fields.find(|&field| field == b"-")?;
        let kind = fields.next()?;
        let options = fields.nth(1)?;
        Some(Self {
            id,
            root,
            point,
            kind,
            options,
        })
    }

    /// The path of the mount point.
    pub(crate) fn point(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(unescape(self.point)))
    }
}

/// Undoes the kernel's escapes: a backslash and three octal digits.
pub(crate) fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    behind @ ..,
                ],
            ) => Some(((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), behind)),
            _ => None,
        };
        let (byte, behind) = escaped.unwrap_or((first, tail));
        plain.push(byte);
        rest = behind;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mount_of_a_table_is_found() {
        let table = b"22 28 0:21 / /proc rw,nosuid shared:14 - proc proc rw\n\
            27 23 0:24 / /sys/fs/selinux rw,nosuid shared:9 master:2 - selinuxfs selinuxfs rw\n\
            30 28 0:24 /sub /mnt/a\\040b\\134c\\011d\\012e rw - overlay none rw,lowerdir=/a\n";
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).unwrap();
        let told = |mount: Mount<'_>| {
            let [root, kind, options] = [mount.root, mount.kind, mount.options].map(text);
            format!("{} {root} {:?} {kind} {options}", mount.id, mount.point())
        };
        let found: Vec<_> = Mount::all(table).map(told).collect();
        let expected = [
            r#"22 / "/proc" proc rw"#,
            r#"27 / "/sys/fs/selinux" selinuxfs rw"#,
            r#"30 /sub "/mnt/a b\\c\td\ne" overlay rw,lowerdir=/a"#,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_lines_name_no_mount() {
        for line in [
            &b""[..],
            b"\n\n",
            b"27 23 0:24 / /a",
            b"27 23 0:24 / /a rw -",
            b"27 23 0:24 / /a rw - selinuxfs x",
            b"x 23 0:24 / /a rw - selinuxfs x rw",
            b"- selinuxfs x",
            b"1 2 3 4 /a rw selinuxfs",
        ] {
            assert_eq!(Mount::all(line).count(), 0, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn only_three_octal_digits_are_an_escape() {
        assert_eq!(
            unescape(br"\040\377\400\04\\134\8\"),
            b" \xff\\400\\04\\\\\\8\\"
        );
    }
}
