//! The committed JSON Schema is the one that the types make, and names what the conventions name.

use std::{env, fs, path::Path};

use serde_json::{Value, json};
use staywire::events::{KnownEvent, schema};

const UPDATE: &str = "STAYWIRE_UPDATE_SCHEMA";

#[test]
fn the_committed_schema_has_not_drifted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/events.json");
    let made = format!("{:#}\n", schema());
    if env::var(UPDATE).is_ok_and(|value| value == "1") {
        fs::write(&path, &made).expect("the schema can be written");
        return;
    }
    // A checkout may have changed the line ends.
    let committed = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let mut lines = committed.lines().zip(made.lines()).enumerate();
    if committed != made {
        let first = lines.find(|(_, (old, new))| old != new).map(|(number, (old, new))| {
            format!("line {}:\n  committed: {old}\n  types:     {new}", number + 1)
        });
        panic!(
            "core/schema/events.json differs from what the types make: run `cargo xtask schema` \
             and commit the file\n{}",
            first.unwrap_or_else(|| "one ends where the other goes on".into())
        );
    }
}

#[test]
fn every_event_leads_to_its_data() {
    let schema = schema();
    let events = schema["events"].as_object().unwrap();
    assert_eq!(events.len(), KnownEvent::TYPES.len());
    for kind in KnownEvent::TYPES {
        let reference = events[*kind]["$ref"].as_str().expect("a reference");
        let data = schema.pointer(&reference[1..]).expect("a definition");
        assert_eq!(data["type"], "object", "{kind}");
        assert_eq!(data["additionalProperties"], true, "{kind} must let unknown fields through");
        assert!(data["description"].as_str().unwrap().contains(kind), "{kind} is documented");
        for (name, field) in data["properties"].as_object().unwrap() {
            let described = field["description"].is_string() || field["$ref"].is_string();
            assert!(described, "{kind}: {name} is documented");
        }
    }
}

#[test]
fn every_field_of_the_conventions_is_there_and_no_other() {
    let schema = schema();
    // A question mark: the field may be absent.
    for (kind, fields) in [
        ("generation:started", "session_id project_id total_steps estimated_time timestamp"),
        (
            "generation:step",
            "session_id step_id step_number total_steps status progress message \
             estimated_remaining timestamp",
        ),
        (
            "generation:completed",
            "session_id status total_time files_generated final_url timestamp",
        ),
        (
            "generation:error",
            "session_id step_id? error_code error_message retry_available timestamp",
        ),
        (
            "preview:updated",
            "session_id step_id preview_url html_content css_content js_content metadata timestamp",
        ),
        ("preview:error", "session_id error_code error_message timestamp"),
        ("connected", "session_id timestamp?"),
        ("heartbeat", "timestamp"),
        ("stats", "total_connections active_sessions memory_usage uptime"),
        ("token", "token index"),
        ("complete", "sql? chartConfig?"),
        ("error", "code message retry_after_ms?"),
        ("chat:message", "id user text timestamp"),
        ("notification", "id title body level timestamp"),
        ("notification:read", "ids timestamp"),
        ("presence", "user state devices timestamp"),
        ("typing", "user typing"),
        (
            "task:updated",
            "task_id kind state progress message attempt max_attempts retry_at? error? result? \
             created_at updated_at",
        ),
        ("task:partial", "task_id index data"),
        ("dashboard:updated", "dashboard_id tiles timestamp"),
    ] {
        let reference = schema["events"][kind]["$ref"].as_str().unwrap();
        let data = schema.pointer(&reference[1..]).unwrap();
        let empty = json!([]);
        let required = data.get("required").unwrap_or(&empty).as_array().unwrap();
        let mut found: Vec<_> = data["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(|name| match required.contains(&json!(name)) {
                true => name.clone(),
                false => format!("{name}?"),
            })
            .collect();
        let mut expected: Vec<_> = fields.split_whitespace().collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn open_values_offer_the_known_ones() {
    let schema = schema();
    for (name, values) in [
        ("StepStatus", json!(["pending", "in_progress", "completed", "failed"])),
        ("CompletedStatus", json!(["completed", "failed"])),
        ("NotificationLevel", json!(["info", "success", "warning", "error"])),
        ("PresenceState", json!(["here", "gone"])),
        ("TaskState", json!(["queued", "running", "done", "failed", "cancelled"])),
    ] {
        let branches = &schema["$defs"][name]["anyOf"];
        assert_eq!(branches[0]["enum"], values);
        assert_eq!(branches[1], json!({"type": "string"}), "{name} takes unknown values too");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(schema: &Value, part: &Value) {
        match part {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                    assert!(schema.pointer(&reference[1..]).is_some(), "{reference} is missing");
                }
                map.values().for_each(|value| check(schema, value));
            }
            Value::Array(list) => list.iter().for_each(|value| check(schema, value)),
            _ => {}
        }
    }
    let schema = schema();
    check(&schema, &schema);
}
