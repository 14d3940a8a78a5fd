//! A file of comma-separated values that is watched, by its length and the time of its last change.
//!
//! Somebody may be writing it just now. So a change is believed once the file was left alone for a
//! while, or if whole lines were appended; a file that was cut, is torn in the middle of a line or
//! has lines of other lengths is a fault, and the last good value stays.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::time::{Duration, Instant, SystemTime};

use super::csv_table::Table;
use super::source::{Fault, Look, Source};
use crate::config::dashboards::{CsvConfig, TileKind};

/// How long a file may change without a pause before that is a fault.
const RESTLESS: Duration = Duration::from_secs(5);

/// A last line without its end is believed after this many times the pause.
const TORN: u32 = 10;

/// File systems tell times of change in steps; a change within one after a look shows in nothing
/// that is watched.
const COARSE: Duration = Duration::from_secs(2);

pub(super) struct CsvFile {
    config: CsvConfig,
    table: Table,
    /// What was last believed.
    believed: Option<Believed>,
    /// What was last seen, and since when.
    seen: Option<(Stamp, Instant)>,
    /// Since when it has not been left alone.
    restless: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    changed: Option<SystemTime>,
}

struct Believed {
    stamp: Stamp,
    length: usize,
    hash: u64,
    /// Whether a change since then would show.
    surely: bool,
}

impl CsvFile {
    pub(super) fn new(config: CsvConfig, kind: TileKind, rows: usize) -> Self {
        let table = Table::new(&config, kind, rows);
        Self { config, table, believed: None, seen: None, restless: None }
    }

    fn settle(&self) -> Duration {
        Duration::from_millis(self.config.settle_ms)
    }

    fn stamp(&self) -> Result<Stamp, Fault> {
        let metadata = std::fs::metadata(&self.config.file)
            .map_err(|error| Fault::new("its file can't be read", error))?;
        if !metadata.is_file() {
            return Err(Fault::new("its file can't be read", "it is no regular file"));
        }
        if metadata.len() > self.config.max_bytes {
            let limit = self.config.max_bytes;
            return Err(Fault::new("its file is too large", format!("it is over {limit} bytes")));
        }
        Ok(Stamp { length: metadata.len(), changed: metadata.modified().ok() })
    }

    /// How long the file has been as it is.
    fn quiet(&mut self, stamp: Stamp) -> Duration {
        let now = Instant::now();
        let since = match self.seen {
            Some((seen, since)) if seen == stamp => since,
            _ => now,
        };
        self.seen = Some((stamp, since));
        let age = stamp.changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default();
        age.max(since.elapsed())
    }

    /// The file, to the length that it was seen with.
    fn read(&self, stamp: Stamp) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        File::open(&self.config.file)
            .and_then(|file| file.take(stamp.length).read_to_end(&mut bytes))
            .map_err(|error| Fault::new("its file can't be read", error))?;
        Ok(bytes)
    }

    /// Whether nothing but whole lines was appended to what was believed.
    fn grew(&self, bytes: &[u8]) -> bool {
        self.believed.as_ref().is_some_and(|believed| {
            bytes.ends_with(b"\n")
                && bytes
                    .get(..believed.length)
                    .is_some_and(|old| old.ends_with(b"\n") && hash(old) == believed.hash)
        })
    }

    fn changing(&mut self) -> Result<Look, Fault> {
        let since = *self.restless.get_or_insert_with(Instant::now);
        match since.elapsed() < RESTLESS && self.believed.is_some() {
            true => Ok(Look::Same),
            false => Err(Fault::new("its file is being written", "it is not left alone")),
        }
    }
}

impl Source for CsvFile {
    fn look(&mut self, _: u64) -> Result<Look, Fault> {
        let stamp = self.stamp()?;
        if self.believed.as_ref().is_some_and(|old| old.stamp == stamp && old.surely) {
            self.restless = None;
            return Ok(Look::Same);
        }
        let bytes = self.read(stamp)?;
        if !self.grew(&bytes) {
            // A short wait now, or the change would show a whole look later.
            std::thread::sleep(self.settle().saturating_sub(self.quiet(stamp)));
            let now = self.stamp()?;
            if now != stamp || bytes.len() as u64 != stamp.length {
                self.quiet(now);
                return self.changing();
            }
        }
        let quiet = self.quiet(stamp);
        if !bytes.ends_with(b"\n") && !bytes.is_empty() && quiet < self.settle() * TORN {
            return match &self.believed {
                Some(believed) if believed.hash == hash(&bytes) => Ok(Look::Same),
                _ => Err(Fault::new("its last line has no end yet", "it may be half written")),
            };
        }
        let reading = self.table.read(&bytes)?;
        let surely = stamp
            .changed
            .and_then(|changed| changed.elapsed().ok())
            .is_some_and(|age| age >= COARSE);
        let (length, hash) = (bytes.len(), hash(&bytes));
        let same = self.believed.as_ref().is_some_and(|old| old.hash == hash);
        self.believed = Some(Believed { stamp, length, hash, surely });
        self.restless = None;
        Ok(if same { Look::Same } else { Look::New(reading) })
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::{Value, json};

    use super::*;

    struct Sheet {
        path: PathBuf,
        source: CsvFile,
    }

    impl Sheet {
        /// A file that is quiet for a test's purposes after 20 ms.
        fn new(name: &str, text: &str) -> Self {
            let file = format!("staywire-{name}-{}.csv", std::process::id());
            let path = std::env::temp_dir().join(file);
            std::fs::write(&path, text).unwrap();
            let toml = format!("file = {path:?}\ncolumn = 'n'\ntake = 'sum'\nsettle_ms = 20");
            let config: CsvConfig = toml::from_str(&toml).unwrap();
            Self { path, source: CsvFile::new(config, TileKind::Number, 5) }
        }

        fn write(&self, text: &str) {
            std::fs::write(&self.path, text).unwrap();
        }

        fn look(&mut self) -> Result<Option<Value>, String> {
            match self.source.look(0) {
                Ok(Look::New(reading)) => Ok(Some(reading.value)),
                Ok(Look::Same) => Ok(None),
                Err(fault) => Err(fault.told),
            }
        }
    }

    impl Drop for Sheet {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    #[test]
    fn changes_are_seen_and_nothing_else_is() {
        let mut sheet = Sheet::new("changes", "n\n1\n2\n");
        assert_eq!(sheet.look(), Ok(Some(json!(3))));
        assert_eq!(sheet.look(), Ok(None));
        // As long as before, and soon after: neither length nor time need tell it from the last.
        sheet.write("n\n1\n5\n");
        assert_eq!(sheet.look(), Ok(Some(json!(6))));
        sheet.write("n\n1\n5\n4\n");
        assert_eq!(sheet.look(), Ok(Some(json!(10))));
    }

    #[test]
    fn a_file_that_is_half_written_gives_no_nonsense() {
        let mut sheet = Sheet::new("torn", "day,n\nmon,10\ntue,20\n");
        assert_eq!(sheet.look(), Ok(Some(json!(30))));
        for (torn, fault) in [
            ("", "its file has no first line with the columns' names"),
            ("day,n\nmon,10\ntue,2", "its last line has no end yet"),
            ("day,n\nmon,10\ntue\n", "its line 3 is not like the first"),
            ("day,n\nmon,10\ntue,2o\n", "its line 3 has no number in `n`"),
            ("day\nmon\n", "its file has no column `n`"),
        ] {
            sheet.write(torn);
            assert_eq!(sheet.look(), Err(fault.to_owned()), "{torn:?}");
        }
        sheet.write("day,n\nmon,10\ntue,25\n");
        assert_eq!(sheet.look(), Ok(Some(json!(35))));
    }

    #[test]
    fn a_last_line_without_its_end_is_believed_in_time() {
        let mut sheet = Sheet::new("unended", "n\n1\n2");
        let fault = Err("its last line has no end yet".to_owned());
        assert_eq!(sheet.look(), fault);
        let begun = Instant::now();
        while sheet.look() == fault {
            assert!(begun.elapsed() < Duration::from_secs(10), "it is never believed");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(sheet.source.believed.is_some());
    }

    #[test]
    fn lines_that_are_appended_are_believed_at_once() {
        let mut sheet = Sheet::new("appended", "n\n1\n");
        assert_eq!(sheet.look(), Ok(Some(json!(1))));
        sheet.source.config.settle_ms = 3_600_000;
        sheet.write("n\n1\n2\n");
        assert_eq!(sheet.look(), Ok(Some(json!(3))));
    }

    #[test]
    fn a_file_that_is_gone_or_too_large_says_so() {
        let mut sheet = Sheet::new("gone", "n\n1\n");
        sheet.source.config.max_bytes = 3;
        assert_eq!(sheet.look(), Err("its file is too large".into()));
        std::fs::remove_file(&sheet.path).unwrap();
        assert_eq!(sheet.look(), Err("its file can't be read".into()));
    }
}
