//! Where a session's files go is said once, and what is said holds.

use std::fs;
use std::path::Path;

use crate::session::{Places, checkpoint};
use crate::support::api::{ARGUMENT, LIMIT};
use crate::support::door::Place;
use crate::support::door::{DELETING, Door};
use crate::support::os;
use crate::support::process::Test;
use crate::support::sandbox::run;
use crate::support::session::{CANCELLED, CONFIGURATION, ID, NAME, Options};
use crate::support::stage::Stage;
use crate::support::tarball::{archive, file};
use crate::support::tree::Snapshot;

door_tests! {
    a_second_destination_of_a_kind_is_refused_and_the_first_one_stays,
    a_choice_of_names_is_not_replaced_by_the_whole_bundle,
    the_whole_bundle_comes_with_its_configuration_if_asked_for,
    a_cancellation_ends_deletions,
    a_text_with_a_nul_fails_nothing_but_itself,
    a_directory_that_is_missing_is_made_below_a_descriptor_too
}

fn a_second_destination_of_a_kind_is_refused_and_the_first_one_stays(
    _: &Test,
    door: &'static dyn Door,
) {
    let places = Places::of(checkpoint());
    let other = places.sandbox.dir("other");
    let mut session = door.file(&places.input, &Options::none());
    places.ask(&mut *session);
    let place = || other.as_path().into();
    let refusals = [
        ("bundle", session.to_bundle(place())),
        ("bundle", session.to_bundle_only(place(), &["config.dump"])),
        ("root", session.to_root(place())),
        ("volume", session.to_volume("v", place())),
        ("directory", session.to_shm(place())),
    ];
    for (argument, outcome) in refusals {
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.errno, failure.kind),
            (libc::EINVAL, ARGUMENT),
            "{failure:?}"
        );
        assert_eq!(failure.message, format!("{argument}: was set before"));
    }
    session.extract().unwrap();
    assert_eq!(Snapshot::of(&other).paths(), [""; 0]);
    assert!(places.bundle.join("ctr.log").exists());
}

fn a_choice_of_names_is_not_replaced_by_the_whole_bundle(_: &Test, door: &'static dyn Door) {
    let places = Places::of(checkpoint());
    let mut session = door.file(&places.input, &Options::none());
    let bundle = || places.bundle.as_path().into();
    session
        .to_bundle_only(bundle(), &["config.dump", "spec.dump"])
        .unwrap();
    session.to_bundle(bundle()).unwrap_err();
    session.extract().unwrap();
    assert_eq!(
        Snapshot::of(&places.bundle).paths(),
        ["config.dump", "spec.dump"]
    );
}

fn the_whole_bundle_comes_with_its_configuration_if_asked_for(_: &Test, door: &'static dyn Door) {
    for (options, with) in [(Options::none(), false), (Options::on(CONFIGURATION), true)] {
        let places = Places::of(checkpoint());
        let mut session = door.file(&places.input, &options);
        session.to_bundle(places.bundle.as_path().into()).unwrap();
        session.extract().unwrap();
        for name in ["config.dump", "spec.dump"] {
            assert_eq!(places.bundle.join(name).exists(), with, "{name}");
        }
        assert!(places.bundle.join("ctr.log").exists());
    }
}

fn a_cancellation_ends_deletions(_: &Test, door: &'static dyn Door) {
    let places = Places::new();
    let gone: Vec<_> = (0..5).map(|number| format!("gone-{number}")).collect();
    for name in &gone {
        fs::create_dir(places.root.join(name)).unwrap();
        fs::write(places.root.join(name).join("f"), "x").unwrap();
    }
    let list = format!(
        "[{}]",
        gone.iter()
            .map(|name| format!("\"/{name}\""))
            .collect::<Vec<_>>()
            .join(",")
    );
    fs::write(
        &places.input,
        archive([
            file("config.dump", "{}"),
            file("spec.dump", "{}"),
            file("deleted.files", list),
        ]),
    )
    .unwrap();
    let watch = door.watch(None);
    watch.cancel_in(DELETING);
    let mut session = door
        .open(Place::Path(&places.input), &Options::none(), Some(&*watch))
        .unwrap();
    session.to_root(places.root.as_path().into()).unwrap();
    let failure = session.extract().unwrap_err();
    assert_eq!(
        (failure.errno, failure.kind),
        (libc::ECANCELED, CANCELLED),
        "{failure:?}"
    );
    assert!(
        places.root.join("gone-4/f").exists(),
        "it ended before the last deletion"
    );
}

fn a_text_with_a_nul_fails_nothing_but_itself(_: &Test, door: &'static dyn Door) {
    let places = Places::of(vec![
        file("config.dump", r#"{"id":"a\u0000b","name":"n"}"#),
        file("spec.dump", "{}"),
    ]);
    let told = door
        .file(&places.input, &Options::none())
        .metadata()
        .unwrap();
    assert_eq!(told.texts[NAME].as_deref(), Some("n"));
    // A C string can't hold it, and a part of it would be another text.
    assert!(
        matches!(told.texts[ID].as_deref(), None | Some("a\0b")),
        "{told:?}"
    );
}

fn a_directory_that_is_missing_is_made_below_a_descriptor_too(_: &Test, door: &'static dyn Door) {
    let places = Places::of(checkpoint());
    let above = places.sandbox.dir("above");
    let held = fs::File::open(&above).unwrap();
    let mut session = door.file(&places.input, &Options::none());
    session
        .to_bundle(crate::support::door::Place::Below(
            &held,
            Path::new("made/bundle"),
        ))
        .unwrap();
    session.extract().unwrap();
    assert!(above.join("made/bundle/ctr.log").exists());
}

api_tests! {
    a_tree_that_is_too_deep_to_be_removed_exceeds_a_limit_that_the_message_names
}

fn a_tree_that_is_too_deep_to_be_removed_exceeds_a_limit_that_the_message_names(t: &Test) {
    let stage = Stage::new(t);
    os::make_deep(&stage.at("deep"), 100_002).unwrap();
    let removed = stage.remove(r#"["/deep"]"#);
    // The standard library removes a tree by recursion, which this one is too deep for.
    run(&format!("rm -rf {}", stage.at("deep").display())).unwrap();
    let failure = removed.unwrap_err();
    assert_eq!(
        (failure.errno, failure.kind),
        (libc::E2BIG, LIMIT),
        "{failure:?}"
    );
    assert!(
        failure.message.contains("more than 100000 levels"),
        "{failure:?}"
    );
}
