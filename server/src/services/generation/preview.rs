//! The pages that can be looked at: in memory, bounded by number and by bytes.
//!
//! The ones that nobody looked at for longest go first, but never that of a generation under way.
//! It knows no sessions' owners: whoever knows the id may look.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::generator::Page;
use super::offline::escape;

/// Pages by session.
pub struct PreviewStore {
    most: usize,
    most_bytes: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    pages: HashMap<String, Kept>,
    bytes: usize,
    /// Sessions whose page must stay.
    held: HashSet<String>,
    clock: u64,
}

struct Kept {
    page: Arc<Page>,
    used: u64,
}

/// There is no room, and nothing that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store of previews is full of generations that are under way; try again later")]
pub struct Full;

impl PreviewStore {
    /// An empty store for so many pages of so many bytes together.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self { most, most_bytes, inner: Mutex::default() }
    }

    /// Keeps the page of this session from being let go of, once there is one.
    pub fn hold(&self, session_id: &str) {
        self.lock().held.insert(session_id.to_owned());
    }

    /// The opposite of [`PreviewStore::hold`].
    pub fn release(&self, session_id: &str) {
        self.lock().held.remove(session_id);
    }

    /// Keeps a page in place of the session's last one, and returns the sessions whose page had
    /// to go.
    pub fn put(&self, session_id: &str, page: Arc<Page>) -> Result<Vec<String>, Full> {
        let mut inner = self.lock();
        let size = page.size();
        let stays = |id: &String| id != session_id && inner.held.contains(id);
        let held = inner.pages.iter().filter(|(id, _)| stays(id));
        let (count, bytes) =
            held.fold((0, 0), |(count, bytes), (_, kept)| (count + 1, bytes + kept.page.size()));
        if count + 1 > self.most || bytes + size > self.most_bytes {
            return Err(Full);
        }
        inner.take(session_id);
        let mut gone = Vec::new();
        while inner.pages.len() + 1 > self.most || inner.bytes + size > self.most_bytes {
            let oldest = inner
                .pages
                .iter()
                .filter(|(id, _)| !inner.held.contains(*id))
                .min_by_key(|(_, kept)| kept.used)
                .map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { return Err(Full) };
            inner.take(&oldest);
            gone.push(oldest);
        }
        inner.bytes += size;
        let used = inner.tick();
        inner.pages.insert(session_id.to_owned(), Kept { page, used });
        Ok(gone)
    }

    /// The page of a session.
    pub fn page(&self, session_id: &str) -> Option<Arc<Page>> {
        let mut inner = self.lock();
        let used = inner.tick();
        let kept = inner.pages.get_mut(session_id)?;
        kept.used = used;
        Some(kept.page.clone())
    }

    /// Forgets the page of a session.
    pub fn remove(&self, session_id: &str) {
        self.lock().take(session_id);
    }

    /// Pages that are kept.
    pub fn len(&self) -> usize {
        self.lock().pages.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, session_id: &str) {
        if let Some(kept) = self.pages.remove(session_id) {
            self.bytes -= kept.page.size();
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

impl Page {
    /// The whole as one document that asks for nothing else.
    pub fn document(&self) -> String {
        let Self { title, html, css, js } = self;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{}</title>\n<style>\n{}\n</style>\n</head>\n<body>\n{html}\n\
             <script>\n{}\n</script>\n</body>\n</html>\n",
            escape(title),
            inline(css),
            inline(js),
        )
    }
}

/// Style and script end where their element's end is written, wherever that is: a backslash takes
/// that meaning from it, and changes nothing in a string of either language.
fn inline(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut safe = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        safe.push(char);
        let rest = &lower[at..];
        if rest.starts_with("</s") || rest.starts_with("<!--") || rest.starts_with("<script") {
            safe.push('\\');
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bytes: usize) -> Arc<Page> {
        Arc::new(Page { html: "x".repeat(bytes), ..Page::default() })
    }

    #[test]
    fn the_least_recently_used_goes_first_and_never_one_under_way() {
        let store = PreviewStore::new(3, 100);
        for id in ["a", "b", "c"] {
            assert_eq!(store.put(id, page(10)), Ok(vec![]));
        }
        assert!(store.page("a").is_some());
        assert_eq!(store.put("d", page(10)), Ok(vec!["b".into()]));
        assert_eq!(store.put("d", page(90)), Ok(vec!["c".into()]), "by bytes");
        store.hold("d");
        assert_eq!(store.put("e", page(20)), Err(Full));
        assert_eq!(store.len(), 2, "what can't succeed lets nothing go");
        assert_eq!(store.put("d", page(95)), Ok(vec!["a".into()]), "its own place counts once");
        store.release("d");
        assert_eq!(store.put("e", page(20)), Ok(vec!["d".into()]));
        assert_eq!(store.put("e", page(101)), Err(Full));
        store.remove("e");
        assert_eq!((store.len(), store.lock().bytes), (0, 0));
    }

    #[test]
    fn nothing_breaks_out_of_the_document() {
        let document = Page {
            title: "</title><script>alert(1)</script>".into(),
            html: "<p>text</p>".into(),
            css: "p::after { content: '</STYLE><script>alert(2)</script>' }".into(),
            js: "let text = '</script><!-- <script>';".into(),
        }
        .document();
        let lower = document.to_ascii_lowercase();
        assert_eq!(lower.matches("<script").count(), 1, "{document}");
        assert_eq!(lower.matches("</script").count(), 1, "{document}");
        assert_eq!(lower.matches("</style").count(), 1, "{document}");
        assert_eq!(lower.matches("</title").count(), 1, "{document}");
        assert!(!lower.contains("<!--") && document.contains(r"<\/script>"), "{document}");
    }
}
