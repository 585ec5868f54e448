//! The JSON document of an inspection, against its schema and against Python.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::inspect::inspect;
use crate::support::stage::archives;

const ARCHIVES: [&str; 4] = [
    "rich.tar.zst",
    "plain.tar.gz",
    "plain.pre.tar.zst",
    "plain.withprev.tar.zst",
];

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/inspect.schema.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn document(archive: &str) -> Value {
    let inspection = inspect(&archives().join(archive));
    serde_json::from_str(&inspection.to_json().unwrap()).unwrap()
}

/// Checks a value against the part of JSON Schema that the schema uses.
pub fn check(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let definition = &root["$defs"][reference.strip_prefix("#/$defs/").unwrap()];
        assert!(definition.is_object(), "{reference}");
        return check(value, definition, root, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let all: Vec<_> = any.iter().map(|one| check(value, one, root, at)).collect();
        return all
            .iter()
            .find(|one| one.is_ok())
            .unwrap_or(&all[0])
            .clone();
    }
    if let Some(expected) = schema.get("const") {
        return (value == expected)
            .then_some(())
            .ok_or(format!("{at}: not {expected}"));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .contains(value)
            .then_some(())
            .ok_or(format!("{at}: {value}"));
    }
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    let fits = match &schema["type"] {
        Value::Array(types) => types.iter().any(is),
        one => is(one),
    };
    if !fits {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        check(element, &schema["items"], root, &format!("{at}[{index}]"))?;
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        let known = schema["properties"]
            .get(key)
            .ok_or(format!("{at}.{key}: not in the schema"))?;
        check(member, known, root, &format!("{at}.{key}"))?;
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for key in required.filter(|_| value.is_object()) {
        value
            .get(key.as_str().unwrap())
            .ok_or(format!("{at}.{key}: missing"))?;
    }
    Ok(())
}

#[test]
fn the_document_is_as_its_schema_says() {
    let schema = schema();
    for archive in ARCHIVES {
        check(&document(archive), &schema, &schema, archive).unwrap();
    }
}

#[test]
fn the_check_against_the_schema_finds_what_is_wrong() {
    let schema = schema();
    let good = document("rich.tar.zst");
    let broken: [fn(&mut Value); 5] = [
        |value| value["schema"] = 2.into(),
        |value| value["processes"][0]["pid"] = "1".into(),
        |value| value["processes"][1]["new"] = 1.into(),
        |value| drop(value.as_object_mut().unwrap().remove("mounts")),
        |value| value["processes"][0]["state"] = "asleep".into(),
    ];
    for break_it in broken {
        let mut document = good.clone();
        break_it(&mut document);
        check(&document, &schema, &schema, "").unwrap_err();
    }
}

/// Checks that each property of a schema has a description.
pub fn described(schema: &Value) {
    fn walk(value: &Value, at: &str) {
        for (key, property) in value["properties"].as_object().into_iter().flatten() {
            let described = property["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty());
            assert!(described, "{at}.{key} has no description");
        }
    }
    walk(schema, "");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        walk(definition, name);
    }
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema = schema();
    described(&schema);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/inspect.md");
    let page = fs::read_to_string(page).unwrap();
    for key in schema["properties"].as_object().unwrap().keys() {
        assert!(
            page.contains(&format!("`{key}`")),
            "docs/inspect.md lacks {key}"
        );
    }
}

#[test]
fn the_document_tells_what_the_images_say() {
    let document = document("rich.tar.zst");
    assert_eq!(document["schema"], 1);
    assert_eq!(document["input"], "compressed");
    assert_eq!(document["container"]["engine"], "podman");
    assert_eq!(document["container"]["runtime"], "runc");
    assert_eq!(document["host_name"], "601fef5fe841");
    assert_eq!(document["criu"]["architecture"], "x86_64");
    let sleep = &document["processes"][1];
    assert_eq!(sleep["arguments"], serde_json::json!(["sleep", "1"]));
    assert_eq!(sleep["memory"]["present"], 65536);
    assert_eq!(sleep["state"], "alive");
    assert_eq!(sleep["exit_status"], Value::Null);
    assert_eq!(document["pipes"][0]["id"], 14105);
    let sizes = document["sizes"].as_array().unwrap();
    let pages = sizes
        .iter()
        .find(|size| size["class"] == "memory pages")
        .unwrap();
    assert_eq!(
        (&pages["members"], &pages["bytes"]),
        (&2.into(), &147_456.into())
    );
}
