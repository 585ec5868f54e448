//! How JSON is read, shown on the fields of config.dump.

#![forbid(unsafe_code)]

use crate::checkpoint::ContainerConfig;
use crate::error::Kind;

fn parse(json: &str) -> ContainerConfig {
    ContainerConfig::parse(json.as_bytes()).unwrap()
}

/// The message of the refusal.
fn refused(json: &[u8]) -> String {
    let error = ContainerConfig::parse(json).expect_err(&String::from_utf8_lossy(json));
    assert_eq!(
        (error.kind(), error.errno()),
        (Kind::Malformed, libc::EBADMSG)
    );
    error.to_string()
}

#[test]
fn all_fields_are_read() {
    let config = parse(
        r#"{
  "id": "d0c2b1f0",
  "name": "web",
  "rootfsImage": "sha256:1234",
  "rootfsImageRef": "1234",
  "rootfsImageName": "registry.example/web:1",
  "runtime": "crun",
  "createdTime": "2026-05-11T09:08:07.5+02:00",
  "checkpointedTime": "2026-05-11T10:00:00Z",
  "restoredTime": "0001-01-01T00:00:00Z",
  "restored": true
}"#,
    );
    let texts = [
        &config.id,
        &config.name,
        &config.rootfs_image,
        &config.rootfs_image_ref,
        &config.rootfs_image_name,
        &config.runtime,
        &config.created_time,
        &config.checkpointed_time,
        &config.restored_time,
    ];
    let expected = [
        "d0c2b1f0",
        "web",
        "sha256:1234",
        "1234",
        "registry.example/web:1",
        "crun",
        "2026-05-11T09:08:07.5+02:00",
        "2026-05-11T10:00:00Z",
        "0001-01-01T00:00:00Z",
    ];
    assert_eq!(texts, expected);
    assert!(config.restored && config.has_runtime());
}

#[test]
fn what_is_absent_or_null_keeps_its_zero_value() {
    assert_eq!(ContainerConfig::default(), parse("null"));
    for json in [
        "{}",
        " \t\r\n{ } \n",
        "null",
        r#"{"runtime":null,"createdTime":null,"restored":null}"#,
    ] {
        let config = parse(json);
        assert_eq!(config.runtime, "", "{json}");
        assert_eq!(config.created_time, "0001-01-01T00:00:00Z", "{json}");
        assert!(!config.restored && !config.has_runtime(), "{json}");
    }
}

#[test]
fn null_leaves_what_an_earlier_key_set() {
    let config = parse(r#"{"runtime":"runc","restored":true,"runtime":null,"restored":null}"#);
    assert_eq!((config.runtime.as_str(), config.restored), ("runc", true));
}

#[test]
fn keys_match_without_regard_to_case_and_the_last_wins() {
    assert_eq!(parse(r#"{"runtime":"a","RUNTIME":"b"}"#).runtime, "b");
    assert_eq!(parse(r#"{"RunTime":"b","runtime":"a"}"#).runtime, "a");
    assert!(parse("{\"re\u{17f}tored\":true}").restored);
    assert_eq!(parse(r#"{"\u0072untime":"a"}"#).runtime, "a");
    let time = "2026-05-11T09:08:07Z";
    assert_eq!(
        parse(&format!("{{\"chec\u{212a}pointedTime\":\"{time}\"}}")).checkpointed_time,
        time
    );
    assert_eq!(
        parse("{\"rünTime\":\"a\",\"runtimes\":\"a\",\"runtim\":\"a\",\"\":\"a\"}").runtime,
        ""
    );
}

#[test]
fn unknown_keys_are_passed_over() {
    let json = r#"{"spec":{"a":[1,-2.5e+300,1e999,true,null,"x\ud800"]},"runtime":"crun","lockID":7,"x":[]}"#;
    assert_eq!(parse(json).runtime, "crun");
}

#[test]
fn ten_thousand_levels_are_read_and_more_are_refused() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!("{{\"x\":{open}{close},\"y\":\"[[\\\"[{{\",\"runtime\":\"crun\"}}")
    };
    assert_eq!(parse(&nested(9_999)).runtime, "crun");
    for levels in [10_000, 1_000_000] {
        assert!(refused(nested(levels).as_bytes()).contains("nested deeper than 10000"));
    }
    assert!(refused("[{\"a\":".repeat(500_000).as_bytes()).contains("nested deeper"));
}

#[test]
fn what_is_not_unicode_becomes_replacement_characters() {
    let cases: [(&[u8], &str); 13] = [
        (b"a\xffb", "a\u{fffd}b"),
        (b"\xf0\x9f\x98", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (br"\ud800", "\u{fffd}"),
        (br"\udc00x", "\u{fffd}x"),
        (br"\uD83D\uDE00", "\u{1f600}"),
        (br"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (br"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (br"\ud83d\n", "\u{fffd}\n"),
        (br"\ud83d\\ude00", "\u{fffd}\\ude00"),
        (br"\\ud800", "\\ud800"),
        ("é\\ud800é".as_bytes(), "é\u{fffd}é"),
        (br"\u0041\u00e9\ufffd", "Aé\u{fffd}"),
    ];
    for (value, expected) in cases {
        let json = [b"{\"runtime\":\"", value, b"\"}"].concat();
        assert_eq!(
            ContainerConfig::parse(&json).unwrap().runtime,
            expected,
            "{}",
            value.escape_ascii()
        );
        let json = [b"{\"x", value, b"\":\"", value, b"\",\"runtime\":\"crun\"}"].concat();
        assert_eq!(
            ContainerConfig::parse(&json).unwrap().runtime,
            "crun",
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn a_nul_stays_in_the_value() {
    assert_eq!(parse(r#"{"runtime":"a\u0000b"}"#).runtime, "a\0b");
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let texts: [&[u8]; 25] = [
        b"",
        b" \n",
        b"{",
        b"{\"runtime\":\"crun\"",
        b"{\"runtime\":\"crun",
        b"{}x",
        b"{}{}",
        b"{},",
        b"null null",
        b"nul",
        b"\xef\xbb\xbf{}",
        b"[]",
        b"\"crun\"",
        b"1",
        b"true",
        b"{\"a\":1,}",
        b"{'a':1}",
        b"{\"a\":01}",
        b"{\"a\":\"\x01\"}",
        b"{\"a\":\"\n\"}",
        b"{\"runtime\":\"a\tb\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\\ud8\"}",
        b"{\"a\":\"\\ud800\\u12\"}",
        b"{\\ud800}",
    ];
    for text in texts {
        refused(text);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_refused_and_named() {
    for (field, value) in [
        ("id", "1"),
        ("name", "[]"),
        ("rootfsImage", "{}"),
        ("rootfsImageRef", "true"),
        ("rootfsImageName", "1.5"),
        ("runtime", "false"),
        ("createdTime", "5"),
        ("checkpointedTime", "\"\""),
        ("restoredTime", "\"2026-05-11 09:08:07Z\""),
        ("restored", "\"true\""),
    ] {
        let message = refused(format!("{{\"x\":1,\"{field}\":{value}}}").as_bytes());
        assert!(
            message.starts_with(&format!(
                "{field}: a value of the wrong type or form (line 1, column "
            )),
            "{message}"
        );
    }
}

#[test]
fn a_message_tells_the_place_and_nothing_of_the_content() {
    assert_eq!(
        refused(b"{\n  \"id\": \"secret\",\n  \"x\": secret\n}"),
        "not JSON (line 3, column 8)"
    );
    assert_eq!(
        refused(b"\"secret\""),
        "not a JSON object (line 1, column 1)"
    );
    assert_eq!(
        refused(b"{\r\n  \"id\": \"\xff\",\n \"name\" : [\"secret\"]}"),
        "name: a value of the wrong type or form (line 3, column 11)"
    );
    assert_eq!(
        refused(b"{\"id\":\"secret"),
        "the JSON text ends early (line 1, column 13)"
    );
    assert!(!refused(b"{\"restored\":\"secret\"}").contains("secret"));
    assert!(!refused(b"{\"createdTime\":\"secret\"}").contains("secret"));
}

#[test]
fn what_the_type_does_not_know_and_all_bytes_are_kept() {
    let json = b"{ \"x\\u0041\" : [1, {\"a\":\"}\"}] ,\"RUNTIME\":\"crun\",\"lockID\":7,\"x\":\"]\\\"\", \"x\":null}\n";
    let config = ContainerConfig::parse(json).unwrap();
    assert_eq!(config.original(), json);
    let unknown: Vec<_> = config.unknown().collect();
    let expected = [
        ("xA", "[1, {\"a\":\"}\"}]"),
        ("lockID", "7"),
        ("x", "\"]\\\"\""),
        ("x", "null"),
    ];
    assert_eq!(unknown, expected.map(|(key, value)| (key.into(), value)));
}

#[test]
fn bytes_that_are_repaired_are_kept_as_they_came() {
    for json in [
        &b"{\"a\":\"\xff\",\"runtime\":\"\xc3\xa9\\n\"}"[..],
        b"{\"a\":\"\\ud800\",\"runtime\":\"\xc3\xa9\\n\"}",
        b"{\"a\":\"\\ud800\xff\",\"runtime\":\"\xc3\xa9\\n\"}",
    ] {
        let config = ContainerConfig::parse(json).unwrap();
        assert_eq!(config.original(), json);
        assert_eq!(config.runtime, "é\n");
        let (key, value) = config.unknown().next().unwrap();
        assert_eq!(key, "a");
        let value: String = serde_json::from_str(value).unwrap();
        assert!(value.starts_with('\u{fffd}'), "{value}");
    }
}

#[test]
fn an_empty_runtime_and_none_are_told_apart() {
    for (json, has) in [
        ("{}", false),
        (r#"{"runtime":null}"#, false),
        (r#"{"runtime":""}"#, true),
        (r#"{"RUNTIME":"crun","runtime":null}"#, true),
    ] {
        assert_eq!(parse(json).has_runtime(), has, "{json}");
    }
}

#[test]
fn sixteen_mebibytes_are_read_and_more_are_refused() {
    let padded = |len: usize| [b"{}", &vec![b' '; len - 2][..]].concat();
    assert!(ContainerConfig::parse(&padded(16 << 20)).is_ok());
    let error = ContainerConfig::parse(&padded((16 << 20) + 1)).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (Kind::Limit, libc::E2BIG));
    assert_eq!(error.to_string(), "larger than 16777216 bytes");
}
