//! What has to hold for all exports at once.

use std::collections::BTreeSet;

/// The files that exports are in.
const SOURCES: [&str; 21] = [
    include_str!("changes.rs"),
    include_str!("error.rs"),
    include_str!("export.rs"),
    include_str!("export_members.rs"),
    include_str!("export_options.rs"),
    include_str!("image.rs"),
    include_str!("image_list.rs"),
    include_str!("image_options.rs"),
    include_str!("import.rs"),
    include_str!("import_chain.rs"),
    include_str!("import_options.rs"),
    include_str!("inspect_options.rs"),
    include_str!("inspection.rs"),
    include_str!("library.rs"),
    include_str!("members.rs"),
    include_str!("metadata.rs"),
    include_str!("nine.rs"),
    include_str!("nine_at.rs"),
    include_str!("restorable.rs"),
    include_str!("string.rs"),
    include_str!("watch.rs"),
];

/// The name and the body of each export.
fn exports() -> Vec<(&'static str, &'static str)> {
    let functions = SOURCES
        .iter()
        .flat_map(|source| source.split("extern \"C\" fn ").skip(1));
    functions
        .map(|text| {
            let (name, rest) = text.split_once('(').unwrap();
            let (_, body) = rest.split_once(" {\n").unwrap();
            (name, body.split_once("\n}\n").unwrap().0)
        })
        .collect()
}

#[test]
fn the_exports_are_those_of_the_committed_list_and_of_the_header() {
    let exports: BTreeSet<_> = exports().into_iter().map(|(name, _)| name).collect();
    let listed: BTreeSet<_> = include_str!("../../include/crutils.symbols")
        .lines()
        .collect();
    assert_eq!(exports, listed);
    let header = include_str!("../../include/crutils.h");
    let code = header
        .lines()
        .filter(|line| !line.starts_with(['#', '/', ' ', 't']));
    let declared = code.filter_map(|line| {
        let name = line.split_once('(')?.0.rsplit([' ', '*']).next()?;
        name.starts_with("CR").then_some(name)
    });
    assert_eq!(exports, declared.collect());
}

#[test]
fn every_export_is_behind_the_guard_short_and_without_decisions() {
    for (name, body) in exports() {
        assert!(
            body.contains("guard::") || body.contains("named("),
            "{name} is not guarded"
        );
        assert!(body.lines().count() <= 15, "{name} is longer than 15 lines");
        for word in ["if ", "match ", "while ", "for ", "unwrap", "expect("] {
            let code = body
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            assert!(
                code.into_iter().all(|line| !line.contains(word)),
                "{name} has a decision: {word}"
            );
        }
    }
}
