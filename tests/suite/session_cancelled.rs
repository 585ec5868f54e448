//! An import that is ended early, at every step, and what is told of one on its way.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::thread;

use crate::session::{Places, Stream, checkpoint};
use crate::support::compressor::Compression;
use crate::support::door::Door;
use crate::support::door::{Place, Watched};
use crate::support::os;
use crate::support::process::Test;
use crate::support::session::{CANCELLED, DEADLINE, Options};
use crate::support::tarball::{archive, file, symlink, unended};
use crate::support::tree::Snapshot;

/// How many bytes are in a pipe.
fn held(pipe: &impl AsRawFd) -> libc::c_int {
    let mut bytes = 0;
    // SAFETY: the descriptor is open, and `bytes` is the integer that the call writes.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    assert_eq!(result, 0);
    bytes
}

fn thread_id() -> libc::pid_t {
    // SAFETY: gettid touches no memory.
    unsafe { libc::gettid() }
}

/// Returns once this thread of this process waits in poll.
fn wait_for_poll(id: libc::pid_t) {
    loop {
        let call = fs::read_to_string(format!("/proc/self/task/{id}/syscall")).unwrap();
        let number = call
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        #[cfg(target_arch = "x86_64")]
        let polls = [libc::SYS_poll, libc::SYS_ppoll];
        #[cfg(not(target_arch = "x86_64"))]
        let polls = [libc::SYS_ppoll];
        if number.is_some_and(|number| polls.contains(&number)) {
            return;
        }
        thread::yield_now();
    }
}

/// Writes the first `count` bytes into the pipe that the calling thread's session reads, and cancels once the session has
/// done all that it can with them.
fn cancel_after<T>(
    bytes: &[u8],
    watch: &dyn Watched,
    reader: &(impl AsRawFd + Sync),
    writer: impl Write + Send,
    work: impl FnOnce() -> T,
) -> T {
    let id = thread_id();
    let mut writer = writer;
    thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            writer.write_all(bytes).unwrap();
            while held(reader) > 0 {
                thread::yield_now();
            }
            wait_for_poll(id);
            watch.cancel();
            // The stream hasn't ended yet when the work is cancelled.
            writer
        });
        let result = work();
        drop(feeder.join().unwrap());
        result
    })
}

/// How many members are done with what is within the first `count` bytes: one that isn't extracted with its header.
fn members_within(count: usize) -> usize {
    let mut start = 0;
    let done = checkpoint().into_iter().filter(|entry| {
        let skipped = entry.is_named("config.dump") || entry.is_named("spec.dump");
        let len = unended([entry.clone()]).len();
        let needed = start + if skipped { 512 } else { len };
        start += len;
        needed <= count
    });
    done.count()
}

door_tests! {
    an_import_ends_at_every_step_where_it_is_cancelled,
    a_look_ends_at_every_step_where_it_is_cancelled,
    a_deadline_may_be_set_anew_and_a_cancellation_comes_before_it,
    a_cancelled_session_or_a_deadline_that_has_passed_makes_nothing,
    a_fifo_is_waited_for_under_the_watch,
    progress_goes_forward_phase_by_phase,
    what_is_passed_over_is_told
}

fn an_import_ends_at_every_step_where_it_is_cancelled(_: &Test, door: &'static dyn Door) {
    let all = archive(checkpoint());
    assert!(all.len() < 64 << 10, "it fits into a pipe");
    for count in (0..=all.len()).step_by(512) {
        // Only one of the two, since each takes a moment.
        let there = count % 1024 == 0;
        let places = Places::new();
        if there {
            fs::create_dir_all(&places.bundle).unwrap();
        }
        let watch = door.watch(None);
        let (reader, writer) = Stream::Pipe.pair();
        let mut session = door
            .open(
                Place::Descriptor(reader.as_fd()),
                &Options::none(),
                Some(&*watch),
            )
            .unwrap();
        places.ask(&mut *session);
        let outcome = cancel_after(&all[..count], &*watch, &reader, writer, || {
            session.extract()
        });
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::ECANCELED, CANCELLED),
            "{count}: {failure:?}"
        );
        let done = members_within(count);
        if count >= 512 {
            assert!(
                failure
                    .message
                    .contains(&format!("{done} members are done")),
                "{count}: {failure:?}"
            );
        }
        assert_eq!(
            places.bundle.exists(),
            there,
            "{count}: a bundle that was made is removed"
        );
        assert_eq!(places.bundle.parent().unwrap().exists(), there, "{count}");
        // What is done is whole, and what comes behind the next one isn't there. They are, counted from one: config,
        // spec, checkpoint, pages, diff, deletions, volume, shm, log.
        let mut files = vec![
            (5, "root/etc/new", "new"),
            (5, "root/etc/old", "changed"),
            (7, "volume/in-volume", "v"),
            (8, "shm/in-shm", "s"),
        ];
        let pages = "p".repeat(5000);
        if there {
            files.extend([
                (4, "made/bundle/checkpoint/pages-1.img", pages.as_str()),
                (9, "made/bundle/ctr.log", "log"),
            ]);
        }
        for (member, path, content) in files {
            if done >= member {
                assert_eq!(places.read(path), content, "{count}");
            } else if done + 1 < member {
                assert_eq!(
                    places.sandbox.path().join(path).exists(),
                    path == "root/etc/old",
                    "{count}: {path}"
                );
            }
        }
        assert_eq!(
            places.read("root/etc/gone"),
            "gone",
            "{count}: nothing is deleted"
        );
    }
}

fn a_look_ends_at_every_step_where_it_is_cancelled(_: &Test, door: &'static dyn Door) {
    let all = archive(checkpoint());
    for count in (0..=all.len()).step_by(2048) {
        let watch = door.watch(None);
        let (reader, writer) = Stream::Pipe.pair();
        let mut session = door
            .open(
                Place::Descriptor(reader.as_fd()),
                &Options::none(),
                Some(&*watch),
            )
            .unwrap();
        let outcome = cancel_after(&all[..count], &*watch, &reader, writer, || {
            session.members()
        });
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::ECANCELED, CANCELLED),
            "{count}: {failure:?}"
        );
    }
}

fn a_deadline_may_be_set_anew_and_a_cancellation_comes_before_it(
    _: &Test,
    door: &'static dyn Door,
) {
    let places = Places::of(checkpoint());
    let watch = door.watch(Some(0));
    let mut session = door
        .open((&places.input).into(), &Options::none(), Some(&*watch))
        .unwrap();
    places.ask(&mut *session);
    assert_eq!(session.extract().unwrap_err().kind, DEADLINE);
    assert!(!places.bundle.exists());
    watch.deadline(u64::MAX);
    session.extract().unwrap();
    assert!(places.bundle.join("ctr.log").exists());
    watch.deadline(0);
    watch.cancel();
    assert_eq!(session.extract().unwrap_err().kind, CANCELLED);
}

fn a_cancelled_session_or_a_deadline_that_has_passed_makes_nothing(
    _: &Test,
    door: &'static dyn Door,
) {
    for compression in [Compression::None, Compression::Gzip] {
        for deadline in [None, Some(0)] {
            let places = Places::with(&compression.pack(&archive(checkpoint())));
            let before = places.all().paths();
            let watch = door.watch(deadline);
            if deadline.is_none() {
                watch.cancel();
            }
            let mut session = door
                .open(Place::Path(&places.input), &Options::none(), Some(&*watch))
                .unwrap();
            places.ask(&mut *session);
            let failures = [
                session.metadata().map(drop),
                session.members().map(drop),
                session.extract().map(drop),
            ];
            let expected = match deadline {
                None => (libc::ECANCELED, CANCELLED),
                Some(_) => (libc::ETIMEDOUT, DEADLINE),
            };
            for failure in failures.map(Result::unwrap_err) {
                assert_eq!((failure.errno, failure.kind), expected, "{failure:?}");
            }
            assert_eq!(places.all().paths(), before);
        }
    }
}

fn a_fifo_is_waited_for_under_the_watch(_: &Test, door: &'static dyn Door) {
    let places = Places::of(checkpoint());
    let fifo = places.input.with_extension("fifo");
    os::mknod(&fifo, libc::S_IFIFO | 0o600, 0, 0).unwrap();
    let watch = door.watch(Some(1));
    let mut session = door
        .open(Place::Path(&fifo), &Options::none(), Some(&*watch))
        .unwrap();
    let failure = session.metadata().unwrap_err();
    assert_eq!(
        (failure.errno, failure.kind),
        (libc::ETIMEDOUT, DEADLINE),
        "no writer came: {failure:?}"
    );
    drop(session);

    let id = thread_id();
    let mut session = door
        .open(Place::Path(&fifo), &Options::none(), None)
        .unwrap();
    places.ask(&mut *session);
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_for_poll(id);
            fs::write(&fifo, archive(checkpoint())).unwrap();
        });
        session.extract().unwrap();
    });
    let direct = Places::of(checkpoint());
    let mut session = door
        .open(Place::Path(&direct.input), &Options::none(), None)
        .unwrap();
    direct.ask(&mut *session);
    session.extract().unwrap();
    fs::remove_file(&fifo).unwrap();
    assert_eq!(places.all().paths(), direct.all().paths());
}

fn progress_goes_forward_phase_by_phase(_: &Test, door: &'static dyn Door) {
    let large = |name: &str| file(name, vec![7; 3 << 20]);
    let entries = [
        checkpoint(),
        vec![
            large("checkpoint/pages-2.img"),
            large("checkpoint/pages-3.img"),
        ],
    ]
    .concat();
    for compression in [Compression::None, Compression::Zstd] {
        let bytes = compression.pack(&archive(entries.clone()));
        let sum = String::from_utf8(crate::support::compressor::filter(&["sha256sum"], &bytes))
            .unwrap()[..64]
            .to_owned();
        let places = Places::with(&bytes);
        let watch = door.watch(None);
        let options = Options {
            expected: Some(sum),
            ..Options::none()
        };
        let mut session = door
            .open(Place::Path(&places.input), &options, Some(&*watch))
            .unwrap();
        session.metadata().unwrap();
        places.ask(&mut *session);
        session.extract().unwrap();
        let reports = watch.log().reports();
        let mut phases: Vec<_> = reports.iter().map(|report| report.phase).collect();
        phases.dedup();
        assert_eq!(
            phases,
            [1, 2, 3, 4],
            "{compression:?}: reading, verifying, extracting, deleting"
        );
        for phase in 1..=3 {
            let of_phase: Vec<_> = reports
                .iter()
                .filter(|report| report.phase == phase)
                .collect();
            assert!(
                of_phase.is_sorted_by_key(|report| report.done),
                "{compression:?}: {of_phase:?}"
            );
            assert!(
                of_phase
                    .iter()
                    .all(|report| report.total == Some(bytes.len() as u64)),
                "{of_phase:?}"
            );
            assert!(
                of_phase
                    .iter()
                    .all(|report| report.done <= bytes.len() as u64),
                "{of_phase:?}"
            );
        }
        let verified = reports.iter().rfind(|report| report.phase == 2).unwrap();
        assert_eq!(
            verified.done,
            bytes.len() as u64,
            "{compression:?}: all of it was verified"
        );
    }
    // A stream's length isn't known.
    let (reader, _, writer) = Stream::Socket.feed(&archive(checkpoint()));
    let watch = door.watch(None);
    let mut session = door
        .open(
            Place::Descriptor(reader.as_fd()),
            &Options::none(),
            Some(&*watch),
        )
        .unwrap();
    session.members().unwrap();
    assert!(
        watch
            .log()
            .reports()
            .iter()
            .all(|report| report.total.is_none())
    );
    assert!(!watch.log().reports().is_empty());
    writer.join().unwrap();
}

fn what_is_passed_over_is_told(_: &Test, door: &'static dyn Door) {
    let odd = [
        checkpoint(),
        vec![
            symlink("network.status", "/etc/passwd"),
            symlink("bind.mounts", "x"),
        ],
    ]
    .concat();
    let places = Places::of(odd);
    let watch = door.watch(None);
    let mut session = door
        .open(Place::Path(&places.input), &Options::none(), Some(&*watch))
        .unwrap();
    assert_eq!(session.members().unwrap().len(), checkpoint().len() + 2);
    let told: Vec<_> = watch
        .log()
        .warnings()
        .into_iter()
        .map(|(kind, member, _)| (kind, String::from_utf8(member).unwrap()))
        .collect();
    assert_eq!(
        told,
        [(4, "network.status".into()), (4, "bind.mounts".into())]
    );
    let documents = session.metadata().unwrap().documents;
    assert_eq!((documents[3].clone(), documents[4].clone()), (None, None));
    assert_eq!(Snapshot::of(Path::new(&places.volume)).paths(), [""; 0]);
}
