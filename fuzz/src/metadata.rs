//! Any documents in an archive: what is told of them is what is in them, and it is told alike by every function.

use crutils::checkpoint::{DocumentKind, Import, ImportOptions, Text, runtime_from_archive};
use crutils::watch::Watch;

use super::stage::Stage;
use super::{pieces, stage};

/// Holds the library to it. Pieces are members.
pub fn check(data: &[u8]) {
    let stage = Stage::new();
    let mut members = Vec::new();
    for (name, content) in pieces::of(data) {
        // A name of several members is a refusal of its own, with which nothing else would be found.
        if members.iter().all(|(other, _)| *other != name) {
            members.push((name, content));
        }
    }
    let mut tar = Vec::new();
    for (name, content) in &members {
        tar.extend(stage::member(&[], name, b'0', &[], content));
    }
    stage.write("archive", &tar);
    let archive = stage.base.join("archive");
    let mut import = Import::open(&archive, &ImportOptions::new(), &Watch::new()).unwrap();
    if import.members().is_ok() {
        let metadata = import.metadata().unwrap();
        for kind in DocumentKind::ALL {
            let told = metadata.document(kind);
            let member = members.iter().find(|(_, content)| Some(*content) == told);
            assert!(told.is_none() || member.is_some(), "{kind:?} is made up");
        }
        let texts = Text::ALL.map(|which| metadata.text(which).map(str::to_owned));
        let again = import.metadata().unwrap();
        assert_eq!(
            texts,
            Text::ALL.map(|which| again.text(which).map(str::to_owned))
        );
        let _ = (again.network_status(), again.bind_mounts());
        let _ = (again.pod_options(), again.status());
        let _ = again.to_json();
        if let Ok(runtime) = runtime_from_archive(&archive) {
            assert_eq!(again.text(Text::Runtime).unwrap_or_default(), runtime);
        }
        if let Ok(name) = again.validated_runtime_name() {
            assert!(!name.contains(['/', '\0']), "{name:?} may lead anywhere");
        }
        plain_config(&members, again.name());
    }
    stage.check();
}

/// A configuration without anything about which readers of JSON differ says what serde_json reads in it.
fn plain_config(members: &[(String, &[u8])], name: Option<&str>) {
    let config = members.iter().find(|(name, _)| name == "config.dump");
    let Some((_, config)) = config else {
        return;
    };
    let Ok(serde_json::Value::Object(parsed)) = serde_json::from_slice(config) else {
        return;
    };
    let text = String::from_utf8_lossy(config).to_lowercase();
    let Some(serde_json::Value::String(expected)) = parsed.get("name") else {
        return;
    };
    // Once, and in no other case: Go takes the last of them, in any.
    if text.matches("name\"").count() == 1 && !text.contains('\\') && !expected.is_empty() {
        assert_eq!(name, Some(expected.as_str()));
    }
}
