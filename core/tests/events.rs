//! The events as the conventions write them, read and written again, and what happens to those
//! that nobody foresaw.

use serde_json::{Map, Value, json, value::RawValue};
use staywire::events::{
    self, AiComplete, AiToken, CompletedStatus, Connected, DecodeError, GenerationError,
    GenerationStep, KnownEvent, Notification, NotificationLevel, Stats, StepStatus,
};

const TIME: &str = "2026-11-22T09:30:00.123456";

/// Each event of the three conventions, with every field it has.
fn examples() -> Vec<Value> {
    vec![
        json!({"type": "generation:started", "data": {
            "session_id": "s1", "project_id": "p1", "total_steps": 5, "estimated_time": 300,
            "timestamp": TIME}}),
        json!({"type": "generation:step", "data": {
            "session_id": "s1", "step_id": "st2", "step_number": 2, "total_steps": 3,
            "status": "in_progress", "progress": 66.5, "message": "Executing Layout...",
            "estimated_remaining": 60, "timestamp": TIME}}),
        json!({"type": "generation:completed", "data": {
            "session_id": "s1", "status": "completed", "total_time": 300, "files_generated": 15,
            "final_url": "/preview/s1", "timestamp": TIME}}),
        json!({"type": "generation:error", "data": {
            "session_id": "s1", "step_id": "st2", "error_code": "GENERATION_FAILED",
            "error_message": "no disk", "retry_available": true, "timestamp": TIME}}),
        json!({"type": "preview:updated", "data": {
            "session_id": "s1", "step_id": "st2", "preview_url": "/preview/s1",
            "html_content": "<h1>Hi</h1>", "css_content": "h1 { color: red }",
            "js_content": "alert(\"hi\")", "metadata": {"step": "st2", "depth": [1, {"a": null}]},
            "timestamp": TIME}}),
        json!({"type": "preview:error", "data": {
            "session_id": "s1", "error_code": "PREVIEW_FAILED", "error_message": "bad CSS",
            "timestamp": TIME}}),
        json!({"type": "connected", "data": {"session_id": "s1", "timestamp": TIME}}),
        json!({"type": "heartbeat", "data": {"timestamp": TIME}}),
        json!({"type": "stats", "data": {
            "total_connections": 12, "active_sessions": 7, "memory_usage": 73_400_320,
            "uptime": 86_400.5}}),
        json!({"type": "token", "data": {"token": " $2.4M", "index": 2}}),
        json!({"type": "complete", "data": {
            "sql": "SELECT ...", "chartConfig": {"kind": "bar", "series": [{"y": 2.5}]}}}),
        json!({"type": "error", "data": {"code": "QUERY_FAILED", "message": "..."}}),
        json!({"type": "chat:message", "data": {
            "id": "m1", "user": "ada", "text": "Hello 👋", "timestamp": TIME}}),
        json!({"type": "notification", "data": {
            "id": "n1", "title": "Done", "body": "Your site is ready.", "level": "success",
            "timestamp": TIME}}),
        json!({"type": "notification:read", "data": {"ids": ["n1", "n2"], "timestamp": TIME}}),
        json!({"type": "presence", "data": {
            "user": "ada", "state": "here", "devices": 2, "timestamp": TIME}}),
        json!({"type": "typing", "data": {"user": "ada", "typing": true}}),
        json!({"type": "task:updated", "data": {
            "task_id": "t1", "kind": "answer", "state": "queued", "progress": 40,
            "message": "Trying again", "attempt": 2, "max_attempts": 3, "retry_at": TIME,
            "error": {"code": "OVERLOADED", "message": "busy", "retry_available": true},
            "result": {"text": "half"}, "created_at": TIME, "updated_at": TIME}}),
        json!({"type": "task:partial", "data": {
            "task_id": "t1", "index": 3, "data": {"token": " so"}}}),
        json!({"type": "dashboard:snapshot", "data": {
            "dashboard_id": "server", "title": "The server",
            "tiles": [{"tile_id": "links", "title": "Links", "kind": "series", "unit": "",
                "value": 12, "points": [[1_765_432_100_000_u64, 12.0]], "fault": "old"}]}}),
        json!({"type": "dashboard:updated", "data": {
            "dashboard_id": "server",
            "tiles": [{"tile_id": "links", "value": 12, "points": [[1_765_432_100_000_u64, 12.0]],
                "fault": "old"}],
            "timestamp": TIME}}),
    ]
}

fn read(frame: &Value) -> KnownEvent {
    let kind = frame["type"].as_str().expect("a type");
    KnownEvent::decode(kind, &frame["data"].to_string()).expect("an event")
}

fn write(event: &KnownEvent) -> Value {
    let data = event.encode().expect("JSON");
    json!({"type": event.kind(), "data": serde_json::from_str::<Value>(data.get()).expect("JSON")})
}

#[test]
fn every_event_comes_out_as_it_went_in() {
    for frame in examples() {
        let event = read(&frame);
        assert!(!matches!(event, KnownEvent::Unknown { .. }), "{frame} is part of the schema");
        assert_eq!(write(&event), frame);
        assert_eq!(event, read(&write(&event)));
    }
}

#[test]
fn every_event_of_the_schema_has_an_example() {
    let examples = examples();
    let kinds: Vec<_> = examples.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, KnownEvent::TYPES);
}

#[test]
fn every_field_is_typed() {
    // A field that the struct lacks would fall into `extra` and come out again unnoticed.
    for frame in examples() {
        let shown = format!("{:?}", read(&frame));
        assert!(shown.contains("extra: {}"), "{shown} should have nothing left over");
    }
}

#[test]
fn unknown_fields_are_kept_and_handed_on() {
    for mut frame in examples() {
        frame["data"]["added_later"] = json!({"by": ["a", "newer", "server"], "at": 1.5});
        assert_eq!(write(&read(&frame)), frame);
    }
}

#[test]
fn unknown_events_are_kept_to_the_letter() {
    // Neither the order, nor the spaces, nor a number beyond any machine's would survive a parser.
    let data = r#"{"z": 1.10, "a": 123456789012345678901234567890}"#;
    let event = KnownEvent::decode("poll:opened", data).unwrap();
    assert_eq!(event.kind(), "poll:opened");
    assert_eq!(event.encode().unwrap().get(), data);
    assert_eq!(event, KnownEvent::decode("poll:opened", data).unwrap());
    assert_ne!(event, KnownEvent::decode("poll:closed", data).unwrap());
    assert_ne!(event, KnownEvent::decode("poll:opened", "{}").unwrap());

    for data in ["null", "[1, 2]", "\"text\"", "7"] {
        assert_eq!(KnownEvent::decode("of:mine", data).unwrap().encode().unwrap().get(), data);
    }
}

#[test]
fn unknown_values_are_kept_and_handed_on() {
    for (kind, field) in [
        ("generation:step", "status"),
        ("generation:completed", "status"),
        ("notification", "level"),
    ] {
        let mut frame = examples().into_iter().find(|frame| frame["type"] == kind).unwrap();
        frame["data"][field] = json!("on_hold");
        assert_eq!(write(&read(&frame)), frame);
    }
    assert_eq!(StepStatus::from("on_hold"), StepStatus::Other("on_hold".into()));
}

#[test]
fn values_are_spelt_as_the_conventions_spell_them() {
    use StepStatus::{Completed, Failed, InProgress, Pending};
    for (status, text) in [
        (Pending, "pending"),
        (InProgress, "in_progress"),
        (Completed, "completed"),
        (Failed, "failed"),
    ] {
        assert_eq!(StepStatus::from(text), status);
        assert_eq!(json!(status), json!(text));
    }
    assert_eq!(CompletedStatus::from("failed"), CompletedStatus::Failed);
    assert_eq!(NotificationLevel::from("warning").to_string(), "warning");
}

#[test]
fn what_the_conventions_let_be_absent_may_be_absent() {
    let error = r#"{"session_id": "s1", "error_code": "E", "error_message": "m",
        "retry_available": false, "timestamp": "t"}"#;
    let error: GenerationError = events::decode(error).unwrap();
    assert_eq!(error.step_id, None);
    assert!(!events::encode(&error).unwrap().get().contains("step_id"));

    // What OpenV0's own server sends.
    let connected = r#"{"session_id":"s1"}"#;
    let event: Connected = events::decode(connected).unwrap();
    assert_eq!(event.timestamp, None);
    assert_eq!(events::encode(&event).unwrap().get(), connected);

    let refused = r#"{"code":"RATE_LIMITED","message":"slow down","retry_after_ms":1500}"#;
    let KnownEvent::AiError(refused) = KnownEvent::decode("error", refused).unwrap() else {
        panic!("not an error");
    };
    assert_eq!(refused.retry_after_ms, Some(1500));
}

#[test]
fn an_answer_without_a_query_still_names_both_fields() {
    for data in ["{}", r#"{"sql": null, "chartConfig": null}"#] {
        let complete: AiComplete = events::decode(data).unwrap();
        assert_eq!(complete, AiComplete::default());
        assert_eq!(events::encode(&complete).unwrap().get(), r#"{"sql":null,"chartConfig":null}"#);
    }
}

#[test]
fn whole_numbers_are_written_whole() {
    // Python divides 1 by 5 and sends 20.0; others send 20; strict readers want what they sent.
    let mut frame = examples().swap_remove(1);
    frame["data"]["progress"] = json!(20.0);
    assert_eq!(write(&read(&frame))["data"]["progress"], json!(20));
    frame["data"]["progress"] = json!(100.0 / 3.0);
    assert_eq!(write(&read(&frame))["data"]["progress"], json!(100.0 / 3.0));

    let stats = Stats { uptime: 1e300, ..Stats::default() };
    let written = events::encode(&stats).unwrap();
    assert_eq!(events::decode::<Stats>(written.get()).unwrap(), stats);
}

#[test]
fn a_number_that_json_lacks_is_refused_before_it_is_sent() {
    let step = GenerationStep { progress: f64::NAN, ..GenerationStep::default() };
    let error = events::encode(&step).unwrap_err();
    assert_eq!(error.event(), "generation:step");
    assert_eq!(
        error.to_string(),
        "event `generation:step` can't be written as JSON (NaN has no form in JSON); \
         correct its data before sending it"
    );
    assert_eq!(KnownEvent::from(step).encode().unwrap_err(), error);
}

#[test]
fn a_missing_field_is_named() {
    let error = KnownEvent::decode("token", r#"{"token": "Revenue"}"#).unwrap_err();
    assert_eq!(error, DecodeError::MissingField { event: "token".into(), field: "index".into() });
    assert_eq!(
        error.to_string(),
        "event `token`: field `index` is missing; the sender must include it, or the type must \
         make it optional"
    );
}

#[test]
fn every_required_field_is_missed_by_name() {
    let optional = ["step_id", "sql", "chartConfig", "retry_at", "error", "result"];
    for frame in examples() {
        let (kind, fields) = (frame["type"].as_str().unwrap(), frame["data"].as_object().unwrap());
        for name in fields.keys() {
            let mut rest: Map<String, Value> = fields.clone();
            rest.remove(name);
            let result = KnownEvent::decode(kind, &Value::from(rest).to_string());
            // The two `step_id` fields of OpenV0 that are not optional.
            let required = ["generation:step", "preview:updated"].contains(&kind);
            if kind == "connected" && name == "timestamp"
                || optional.contains(&name.as_str()) && !required
            {
                assert!(result.is_ok(), "{kind} without {name}: {result:?}");
            } else {
                assert_eq!(result.unwrap_err().field(), Some(name.as_str()), "{kind}");
            }
        }
    }
}

#[test]
fn a_wrong_field_is_named_with_its_place() {
    let error =
        KnownEvent::decode("token", "{\"token\": \"a\",\n \"index\": \"two\"}").unwrap_err();
    assert_eq!((error.event(), error.field()), ("token", Some("index")));
    assert_eq!(
        error.to_string(),
        "event `token`: field `index` is wrong (invalid type: string \"two\", expected u64, \
         at line 2 column 15); the sender must send the kind that is expected, or the type must \
         allow for this one"
    );

    let mut frame = examples().swap_remove(1);
    frame["data"]["status"] = json!(3);
    let error = KnownEvent::decode("generation:step", &frame["data"].to_string()).unwrap_err();
    assert_eq!(error.field(), Some("status"));
    assert!(error.to_string().contains("integer `3`, expected a string"), "{error}");

    for index in ["-1", "0.5", "null"] {
        let data = format!(r#"{{"token": "a", "index": {index}}}"#);
        assert_eq!(events::decode::<AiToken>(&data).unwrap_err().field(), Some("index"));
    }
}

#[test]
fn data_that_is_wrong_as_a_whole_says_so() {
    for (data, found) in [("null", "null"), ("[]", "sequence"), ("\"a\"", "string")] {
        let error = KnownEvent::decode("heartbeat", data).unwrap_err();
        assert!(matches!(error, DecodeError::WrongData { .. }), "{error:?}");
        assert_eq!((error.event(), error.field()), ("heartbeat", None));
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains("one JSON object"), "{error}");
    }
    let twice = KnownEvent::decode("heartbeat", r#"{"timestamp": "a", "timestamp": "b"}"#);
    assert!(twice.unwrap_err().to_string().contains("duplicate field `timestamp`"));
}

#[test]
fn data_that_is_not_json_is_an_error_for_every_event() {
    for kind in ["heartbeat", "of:mine"] {
        for data in ["", "{\"timestamp\": ", "{timestamp: 1}", r#"{"timestamp": "t"} {}"#] {
            let error = KnownEvent::decode(kind, data).unwrap_err();
            assert!(matches!(error, DecodeError::NotJson { .. }), "{kind} {data}: {error:?}");
            assert_eq!(error.event(), kind);
            assert!(error.to_string().contains("at line 1 column"), "{error}");
        }
    }
}

#[test]
fn a_long_value_is_not_quoted_in_full() {
    let secret = "é".repeat(100_000);
    let data = json!({"token": "a", "index": secret}).to_string();
    let text = KnownEvent::decode("token", &data).unwrap_err().to_string();
    assert!(text.len() < 1000, "{} bytes", text.len());
    assert!(text.contains("invalid type: string \"é"), "{text}");
    assert!(text.contains(", expected u64, at line 1 column"), "{text}");
}

#[test]
fn events_can_be_made_and_wrapped() {
    let notice = Notification { title: "Hi".into(), ..Notification::default() };
    assert_eq!(notice.level, NotificationLevel::Info);
    let event = KnownEvent::from(notice.clone());
    assert_eq!(event.kind(), "notification");
    let data: Box<RawValue> = event.encode().unwrap();
    assert_eq!(events::decode::<Notification>(data.get()).unwrap(), notice);
}
