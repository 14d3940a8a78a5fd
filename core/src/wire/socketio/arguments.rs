//! What an event or an answer carries on its way out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The arguments of an event or an answer: JSON, with bytes in it where they are wanted.
///
/// ```
/// # fn main() -> Result<(), serde_json::Error> {
/// use staywire::socketio::Arguments;
///
/// let mut arguments = Arguments::of(&"a title")?;
/// let image = arguments.attach(vec![1, 2, 3]);
/// arguments.push(&serde_json::json!({"name": "a.png", "image": image}))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The values, with commas between them.
    text: String,
    count: usize,
    attachments: Vec<Bytes>,
}

/// Where in JSON bytes belong: what stands there is written and read as an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    #[serde(rename = "_placeholder")]
    marked: bool,
    num: usize,
}

impl Placeholder {
    /// Which attachment it stands for.
    pub fn index(self) -> usize {
        self.num
    }
}

impl Arguments {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// One.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        let mut arguments = Self::new();
        arguments.push(value)?;
        Ok(arguments)
    }

    /// One more.
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(value)?;
        self.push_text(&text);
        Ok(())
    }

    /// One more, which is bytes.
    pub fn push_bytes(&mut self, bytes: impl Into<Bytes>) {
        let Placeholder { num, .. } = self.attach(bytes);
        self.push_text(&format!(r#"{{"_placeholder":true,"num":{num}}}"#));
    }

    /// Takes bytes along, and returns what to put into a value in their place.
    pub fn attach(&mut self, bytes: impl Into<Bytes>) -> Placeholder {
        let place = Placeholder { marked: true, num: self.attachments.len() };
        self.attachments.push(bytes.into());
        place
    }

    /// The bytes inside the values.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// One value that is JSON already; none where there is none.
    pub(crate) fn of_raw(value: Option<&RawValue>) -> Self {
        let mut arguments = Self::new();
        if let Some(value) = value {
            arguments.push_text(value.get());
        }
        arguments
    }

    /// The only value; an array of all where there are several; nothing where there is none.
    pub(crate) fn as_one(&self) -> Option<Box<RawValue>> {
        match self.count {
            0 => None,
            1 => RawValue::from_string(self.text.clone()).ok(),
            _ => RawValue::from_string(format!("[{}]", self.text)).ok(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Bytes of it all.
    pub(crate) fn size(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    fn push_text(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(text);
        self.count += 1;
    }
}
