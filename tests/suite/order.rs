//! In which order outputs get and lose their names, and what a refused look at capabilities means.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::support::api::{add, delete};
use crate::support::os::c_path;
use crate::support::process::{Test, Within};
use crate::support::stage::Stage;
use crate::support::tarball::char_device;

/// Watches the names in a directory.
struct Names(OwnedFd);

impl Names {
    fn of(directory: &Path) -> Self {
        // SAFETY: the call takes flags.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: the descriptor is new and nobody else's.
        let watch = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let (path, mask) = (
            c_path(directory),
            libc::IN_CREATE | libc::IN_DELETE | libc::IN_MOVED_TO,
        );
        // SAFETY: the path ends in NUL and outlives the call.
        assert!(unsafe { libc::inotify_add_watch(fd, path.as_ptr(), mask) } >= 0);
        watch
    }

    /// What has happened: `+` for a name that appeared, `-` for one that went, temporary ones left out.
    fn events(&self) -> Vec<String> {
        let mut buffer = vec![0u8; 1 << 16];
        // SAFETY: the buffer is as long as is said.
        let read =
            unsafe { libc::read(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        let (mut at, mut events) = (0, Vec::new());
        let header = size_of::<libc::inotify_event>();
        while at < usize::try_from(read).unwrap_or(0) {
            let start = buffer[at..][..header]
                .as_ptr()
                .cast::<libc::inotify_event>();
            // SAFETY: the kernel writes whole events, and the structure is plain integers.
            let event = unsafe { start.read_unaligned() };
            let name = &buffer[at + header..][..event.len as usize];
            let name =
                String::from_utf8(name.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap();
            let sign = if event.mask & libc::IN_DELETE != 0 {
                '-'
            } else {
                '+'
            };
            if !name.starts_with('.') {
                events.push(format!("{sign}{name}"));
            }
            at += header + event.len as usize;
        }
        events
    }
}

/// Has capget(2) refused in this process from now on, as a container engine's filter may.
fn refuse_capget() {
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let number = libc::SYS_capget as u32;
    let code = [
        libc::sock_filter {
            code: 0x20,
            jt: 0,
            jf: 0,
            k: 0,
        },
        libc::sock_filter {
            code: 0x15,
            jt: 0,
            jf: 1,
            k: number,
        },
        libc::sock_filter {
            code: 0x06,
            jt: 0,
            jf: 0,
            k: refuse,
        },
        libc::sock_filter {
            code: 0x06,
            jt: 0,
            jf: 0,
            k: libc::SECCOMP_RET_ALLOW,
        },
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: code.as_ptr().cast_mut(),
    };
    // SAFETY: the call takes integers.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(set, 0);
    let (mode, flags) = (
        libc::SECCOMP_SET_MODE_FILTER,
        libc::SECCOMP_FILTER_FLAG_TSYNC,
    );
    // SAFETY: the program and its code outlive the call, which copies them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    assert_eq!(result, 0);
}

api_tests! {
    a_diff_is_there_only_with_the_list_that_belongs_to_it,
    a_filter_that_refuses_capget_leaves_no_device_out
}

fn a_diff_is_there_only_with_the_list_that_belongs_to_it(test: &Test) {
    let stage = Stage::new(test);
    stage.write("added", "content");
    let changes = [add("/added"), delete("/deleted")];
    let names = Names::of(&stage.base);
    stage.create(&changes).unwrap();
    assert_eq!(names.events(), ["+deleted.files", "+rootfs-diff.tar"]);
    stage.create(&changes).unwrap();
    let expected = [
        "-rootfs-diff.tar",
        "-deleted.files",
        "+deleted.files",
        "+rootfs-diff.tar",
    ];
    assert_eq!(names.events(), expected);
}

fn a_filter_that_refuses_capget_leaves_no_device_out(test: &Test) {
    needs_root!("make devices");
    test.within(Within::Process, || {
        refuse_capget();
        let stage = Stage::new(test);
        stage.apply([char_device("null", 1, 3)]).unwrap();
        assert!(fs::symlink_metadata(stage.at("null")).is_ok());
    });
}
