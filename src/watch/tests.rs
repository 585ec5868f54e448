//! What a watch tells, and when it ends a work.

#![forbid(unsafe_code)]

use super::*;

type Report = (Phase, u64, Option<u64>, Vec<u8>);

fn recorded(watch: &Watch) -> Arc<Mutex<Vec<Report>>> {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&reports);
    watch.on_progress(move |progress| {
        let member = progress.member.to_vec();
        lock(&record).push((
            progress.phase,
            progress.bytes_done,
            progress.bytes_total,
            member,
        ));
    });
    reports
}

#[test]
fn a_watch_that_nobody_cancels_ends_nothing() {
    let watch = Watch::new();
    watch.deadline_in(Duration::MAX);
    watch.step(1).unwrap();
}

#[test]
fn a_cancellation_ends_the_work_at_its_next_step() {
    let watch = Watch::new();
    watch.step(1).unwrap();
    watch.clone().cancel();
    let error = watch.step(1).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (Kind::Cancelled, 125));
}

#[test]
fn what_is_abandoned_ends_alone() {
    let (watch, abandoned) = (Watch::new(), Cancellation::new());
    let part = watch.until(&abandoned);
    part.check().unwrap();
    abandoned.cancel();
    assert_eq!(part.check().unwrap_err().kind(), Kind::Cancelled);
    watch.check().unwrap();
}

#[test]
fn a_part_of_the_work_is_cancelled_with_it() {
    let watch = Watch::new();
    let part = watch.until(&Cancellation::new());
    watch.cancel();
    assert_eq!(part.check().unwrap_err().kind(), Kind::Cancelled);
}

#[test]
fn a_deadline_that_has_passed_ends_the_work() {
    let watch = Watch::new();
    watch.deadline_in(Duration::ZERO);
    let error = watch.check().unwrap_err();
    assert_eq!((error.kind(), error.errno()), (Kind::Deadline, 110));
}

#[test]
fn a_rate_is_what_was_done_lately_and_tells_the_time_that_is_left() {
    let mut rate = Rate::default();
    assert_eq!(rate.get(), 0);
    rate.take(1000, Duration::from_secs(1));
    assert_eq!(rate.get(), 1000);
    // After a minute at another rate the first second no longer counts.
    for _ in 0..60 {
        rate.take(50, Duration::from_secs(1));
    }
    assert_eq!(rate.get(), 50);
    let progress = Progress {
        phase: Phase::Writing,
        bytes_done: 100,
        bytes_total: Some(600),
        member: b"",
        elapsed: Duration::ZERO,
        bytes_per_second: rate.get(),
    };
    assert_eq!(progress.remaining(), Some(Duration::from_secs(10)));
}

#[test]
fn the_first_step_and_the_end_of_a_phase_are_reported() {
    let watch = Watch::new();
    let reports = recorded(&watch);
    watch.begin(Phase::Writing, Some(10));
    watch.at(b"a");
    watch.step(4).unwrap();
    watch.advance(6);
    watch.end();
    let reports = lock(&reports);
    assert_eq!(
        reports.first(),
        Some(&(Phase::Writing, 4, Some(10), b"a".to_vec()))
    );
    assert_eq!(
        reports.last(),
        Some(&(Phase::Writing, 10, Some(10), Vec::new()))
    );
}

#[test]
fn a_report_may_use_the_watch_that_it_comes_from() {
    let watch = Watch::new();
    let inner = watch.clone();
    watch.on_warning(move |_| inner.warn(WarningKind::Ignored, b"", "again"));
    let inner = watch.clone();
    watch.on_progress(move |_| inner.step(1).unwrap());
    watch.warn(WarningKind::Socket, b"s", "is a socket");
    watch.step(1).unwrap();
}
