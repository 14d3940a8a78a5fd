//! What a prompt asks for: which kind of site, called what, in which colour, with what in it.

use serde::{Deserialize, Serialize};

use super::hash;

/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 60;

/// What was understood of a prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Brief {
    pub(super) prompt: String,
    pub(super) site: Site,
    pub(super) title: String,
    /// What it is about, in a few words; may be empty.
    pub(super) topic: String,
    pub(super) features: Vec<Feature>,
    /// Sections that are named one by one.
    pub(super) sections: Vec<String>,
    /// The main colour, in degrees.
    pub(super) hue: u16,
    pub(super) seed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Site {
    Shop,
    Blog,
    Portfolio,
    Restaurant,
    Event,
    Dashboard,
    #[default]
    Generic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Feature {
    About,
    Products,
    Posts,
    Gallery,
    Menu,
    Hours,
    Schedule,
    Figures,
    Todo,
    Calculator,
    Pricing,
    Team,
    Quotes,
    Questions,
    Newsletter,
    Contact,
    DarkSwitch,
}

impl Site {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Blog => "blog",
            Self::Portfolio => "portfolio",
            Self::Restaurant => "restaurant",
            Self::Event => "event",
            Self::Dashboard => "dashboard",
            Self::Generic => "website",
        }
    }

    /// What such a site has, whether or not it is asked for.
    fn features(self) -> &'static [Feature] {
        use Feature as F;
        match self {
            Self::Shop => &[F::Products, F::About, F::Contact],
            Self::Blog => &[F::Posts, F::About, F::Newsletter],
            Self::Portfolio => &[F::Gallery, F::About, F::Contact],
            Self::Restaurant => &[F::Menu, F::Hours, F::About, F::Contact],
            Self::Event => &[F::Schedule, F::Team, F::Questions, F::Contact],
            Self::Dashboard => &[F::Figures, F::About],
            Self::Generic => &[F::About, F::Contact],
        }
    }
}

const SITES: [(Site, &[&str]); 6] = [
    (
        Site::Shop,
        &[
            "shop",
            "store",
            "sell",
            "sells",
            "selling",
            "buy",
            "products",
            "ecommerce",
            "cart",
            "boutique",
            "merch",
        ],
    ),
    (Site::Blog, &["blog", "articles", "posts", "journal", "magazine", "diary", "news"]),
    (
        Site::Portfolio,
        &[
            "portfolio",
            "photographer",
            "designer",
            "artist",
            "gallery",
            "showcase",
            "freelancer",
            "illustrator",
            "photography",
        ],
    ),
    (
        Site::Restaurant,
        &[
            "restaurant",
            "cafe",
            "café",
            "bistro",
            "trattoria",
            "pizzeria",
            "bakery",
            "menu",
            "bar",
            "diner",
            "food",
        ],
    ),
    (
        Site::Event,
        &[
            "event",
            "conference",
            "wedding",
            "festival",
            "meetup",
            "concert",
            "party",
            "speakers",
            "schedule",
            "workshop",
        ],
    ),
    (
        Site::Dashboard,
        &[
            "dashboard",
            "analytics",
            "metrics",
            "kpi",
            "kpis",
            "monitoring",
            "statistics",
            "reports",
        ],
    ),
];

const FEATURES: [(Feature, &[&str]); 17] = [
    (Feature::About, &["about", "story", "history"]),
    (Feature::Products, &["products", "product", "cart", "catalogue", "catalog"]),
    (Feature::Posts, &["posts", "articles", "blog"]),
    (Feature::Gallery, &["gallery", "photos", "pictures", "images", "projects"]),
    (Feature::Menu, &["menu", "dishes"]),
    (Feature::Hours, &["hours", "opening"]),
    (Feature::Schedule, &["schedule", "agenda", "timetable", "programme", "program"]),
    (Feature::Figures, &["figures", "charts", "chart", "metrics", "statistics", "stats"]),
    (Feature::Todo, &["todo", "todos", "to-do", "to-dos", "tasks", "checklist"]),
    (Feature::Calculator, &["calculator"]),
    (Feature::Pricing, &["pricing", "prices", "plans", "tickets"]),
    (Feature::Team, &["team", "speakers", "staff", "people"]),
    (Feature::Quotes, &["testimonials", "reviews", "quotes"]),
    (Feature::Questions, &["faq", "faqs", "questions"]),
    (Feature::Newsletter, &["newsletter", "subscribe", "subscription"]),
    (Feature::Contact, &["contact", "reservations", "reservation", "booking", "enquiries", "form"]),
    (Feature::DarkSwitch, &["dark", "theme", "night"]),
];

const COLOURS: [(&str, u16); 14] = [
    ("red", 0),
    ("orange", 28),
    ("brown", 24),
    ("yellow", 48),
    ("gold", 45),
    ("green", 140),
    ("mint", 160),
    ("teal", 178),
    ("turquoise", 175),
    ("blue", 215),
    ("indigo", 245),
    ("purple", 275),
    ("violet", 265),
    ("pink", 330),
];

/// Words that say nothing about the topic.
const PLAIN: [&str; 84] = [
    "a",
    "about",
    "an",
    "and",
    "any",
    "app",
    "are",
    "as",
    "at",
    "beautiful",
    "build",
    "by",
    "called",
    "can",
    "clean",
    "create",
    "cool",
    "design",
    "elegant",
    "for",
    "form",
    "from",
    "generate",
    "give",
    "has",
    "have",
    "homepage",
    "i",
    "in",
    "include",
    "including",
    "into",
    "is",
    "it",
    "its",
    "landing",
    "like",
    "list",
    "made",
    "make",
    "me",
    "mode",
    "modern",
    "my",
    "named",
    "need",
    "new",
    "nice",
    "no",
    "of",
    "on",
    "one",
    "online",
    "or",
    "our",
    "page",
    "pages",
    "please",
    "section",
    "sections",
    "should",
    "simple",
    "single",
    "site",
    "small",
    "some",
    "style",
    "that",
    "the",
    "their",
    "there",
    "this",
    "titled",
    "to",
    "us",
    "want",
    "we",
    "web",
    "website",
    "where",
    "which",
    "who",
    "with",
    "without",
];

/// Words that end a name.
const CONNECTIVES: [&str; 15] = [
    "with",
    "that",
    "which",
    "and",
    "in",
    "where",
    "who",
    "selling",
    "offering",
    "featuring",
    "including",
    "has",
    "to",
    "using",
    "from",
];

impl Brief {
    pub(super) fn read(prompt: &str) -> Self {
        let words = words(prompt);
        let seed = hash(prompt);
        let site = site(&words);
        let named = name(prompt);
        let topic = topic(&words, named.as_deref().unwrap_or_default());
        let asks = |feature: Feature| {
            let names = FEATURES.iter().find(|(known, _)| *known == feature);
            names.is_some_and(|(_, names)| words.iter().any(|word| names.contains(&word.as_str())))
        };
        // Who asks for a tool wants that, and no company around it.
        let tool = site == Site::Generic && (asks(Feature::Todo) || asks(Feature::Calculator));
        let mut features = if tool { Vec::new() } else { site.features().to_vec() };
        for (feature, names) in FEATURES {
            let asked = words.iter().enumerate().find(|(_, word)| names.contains(&word.as_str()));
            let Some((at, _)) = asked else { continue };
            let unwanted = words[at.saturating_sub(2)..at]
                .iter()
                .any(|word| matches!(word.as_str(), "no" | "without" | "not"));
            features.retain(|known| !unwanted || *known != feature);
            if !unwanted && !features.contains(&feature) {
                features.push(feature);
            }
        }
        let hue = COLOURS
            .iter()
            .find(|(name, _)| words.iter().any(|word| word == name))
            .map_or((seed % 360) as u16, |(_, hue)| *hue);
        Self {
            title: title(named, site, &topic, &features),
            sections: sections(prompt),
            prompt: prompt.to_owned(),
            site,
            topic,
            features,
            hue,
            seed,
        }
    }

    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Whether it is something to use rather than to read.
    pub(super) fn is_tool(&self) -> bool {
        self.site == Site::Generic && (self.has(Feature::Todo) || self.has(Feature::Calculator))
    }

    pub(super) fn summary(&self) -> String {
        let about =
            if self.topic.is_empty() { String::new() } else { format!(" about {}", self.topic) };
        format!("a {}{about}, called {:?}", self.site.as_str(), self.title)
    }

    pub(super) fn colour_name(&self) -> &'static str {
        let distance = |hue: u16| {
            let apart = hue.abs_diff(self.hue);
            apart.min(360 - apart)
        };
        COLOURS.iter().min_by_key(|(_, hue)| distance(*hue)).map_or("blue", |(name, _)| name)
    }
}

/// Lower-case words, with `-` and `'` inside them.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '\'' || c == '’'))
        .map(|word| word.trim_matches(['-', '\'', '’']).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

fn site(words: &[String]) -> Site {
    let score = |names: &[&str]| {
        // What comes first is what it is; what follows is what it has.
        words
            .iter()
            .enumerate()
            .filter(|(_, word)| names.contains(&word.as_str()))
            .map(|(at, _)| if at < 4 { 3 } else { 1 })
            .sum::<usize>()
    };
    // The first of equals.
    let best = SITES
        .iter()
        .rev()
        .map(|(site, names)| (score(names), *site))
        .max_by_key(|(score, _)| *score);
    best.filter(|(score, _)| *score > 0).map_or(Site::Generic, |(_, site)| site)
}

fn topic(words: &[String], name: &str) -> String {
    let name = self::words(name);
    let known = |word: &str| {
        PLAIN.contains(&word)
            || COLOURS.iter().any(|(name, _)| *name == word)
            || SITES.iter().any(|(_, names)| names.contains(&word))
            || FEATURES.iter().any(|(_, names)| names.contains(&word))
    };
    let telling: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !name.iter().any(|part| part == word))
        .filter(|word| !known(word) && !word.chars().all(char::is_numeric))
        .take(3)
        .collect();
    shorten(&telling.join(" "), 40)
}

/// What the prompt says that it is called.
fn name(prompt: &str) -> Option<String> {
    quoted(prompt)
        .or_else(|| following(prompt, &["called", "named", "titled"]))
        .or_else(|| following(prompt, &["for"]))
}

fn title(named: Option<String>, site: Site, topic: &str, features: &[Feature]) -> String {
    let has = |feature| site == Site::Generic && features.contains(&feature);
    let mut title = match named {
        Some(named) => shorten(&named, MAX_TITLE_CHARS),
        None if topic.is_empty() => match (has(Feature::Todo), has(Feature::Calculator)) {
            (true, true) => "To-do list and calculator".to_owned(),
            (true, false) => "My to-do list".to_owned(),
            (false, true) => "Calculator".to_owned(),
            (false, false) => format!("My {}", site.as_str()),
        },
        None => topic.to_owned(),
    };
    // Names keep their own way of writing; what is all small gets a capital.
    if title.chars().all(|c| !c.is_uppercase())
        && let Some(first) = title.chars().next()
    {
        title = first.to_uppercase().chain(title.chars().skip(1)).collect();
    }
    title
}

fn quoted(prompt: &str) -> Option<String> {
    [('"', '"'), ('“', '”'), ('«', '»')].into_iter().find_map(|(open, close)| {
        let (_, rest) = prompt.split_once(open)?;
        let (name, _) = rest.split_once(close)?;
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// The words after one of these, up to what ends a name.
fn following(prompt: &str, marks: &[&str]) -> Option<String> {
    let mut words = prompt.split_whitespace();
    words.find(|word| marks.contains(&word.to_lowercase().as_str()))?;
    let mut name = Vec::new();
    for word in words {
        let bare = word.trim_end_matches([',', '.', ';', ':', '!', '?']);
        if CONNECTIVES.contains(&bare.to_lowercase().as_str()) {
            break;
        }
        let article = ["a", "an", "the", "my", "our", "me"].contains(&bare.to_lowercase().as_str());
        if !(bare.is_empty() || (article && name.is_empty())) {
            name.push(bare);
        }
        if bare.len() < word.len() || name.len() == 6 {
            break;
        }
    }
    (!name.is_empty()).then(|| name.join(" "))
}

/// What is listed after `sections:` or `pages:`.
fn sections(prompt: &str) -> Vec<String> {
    let lower = prompt.to_lowercase();
    // Lower case may be longer; where it is, nothing is listed rather than the wrong thing.
    let mark = ["sections:", "pages:"].iter().find_map(|mark| Some(lower.find(mark)? + mark.len()));
    let Some(list) = mark.filter(|_| lower.len() == prompt.len()).and_then(|at| prompt.get(at..))
    else {
        return Vec::new();
    };
    let end = list.find(['.', ';', '\n']).unwrap_or(list.len());
    list[..end]
        .split(',')
        .flat_map(|part| part.split(" and "))
        .map(|name| shorten(name.trim().trim_start_matches("and "), 40))
        .filter(|name| !name.is_empty())
        .collect()
}

pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let short: String = text.chars().take(most - 1).collect();
    format!("{}…", short.trim_end())
}

/// The feature that a section's name stands for.
pub(super) fn feature_of(section: &str) -> Option<Feature> {
    let words = words(section);
    FEATURES
        .iter()
        .find(|(_, names)| words.iter().any(|word| names.contains(&word.as_str())))
        .map(|(feature, _)| *feature)
        .filter(|feature| *feature != Feature::DarkSwitch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_title_colour_and_wishes_are_read() {
        let shop = Brief::read(
            "A shop called Clay & Co, selling handmade ceramics in teal, with dark mode",
        );
        assert_eq!((shop.site, shop.title.as_str(), shop.hue), (Site::Shop, "Clay & Co", 178));
        assert!(shop.has(Feature::DarkSwitch) && shop.has(Feature::Products));
        assert!(shop.topic.contains("ceramics"), "{}", shop.topic);
        let cases = [
            (
                "Restaurant website for Luigi's Trattoria with menu",
                Site::Restaurant,
                "Luigi's Trattoria",
            ),
            ("blog about slow travel", Site::Blog, "Slow travel"),
            (
                "A photographer portfolio titled “Northern Light” with gallery",
                Site::Portfolio,
                "Northern Light",
            ),
            ("Conference page for RustConf 2027 with schedule", Site::Event, "RustConf 2027"),
            ("dashboard of energy use", Site::Dashboard, "Energy use"),
            ("make me a website", Site::Generic, "My website"),
            ("A todo app with a calculator", Site::Generic, "To-do list and calculator"),
        ];
        for (prompt, site, title) in cases {
            let brief = Brief::read(prompt);
            assert_eq!((brief.site, brief.title.as_str()), (site, title), "{prompt}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        assert!(Brief::read("A shop").has(Feature::Contact));
        assert!(!Brief::read("A shop without a contact form").has(Feature::Contact));
        assert!(!Brief::read("A blog with no newsletter").has(Feature::Newsletter));
    }

    #[test]
    fn sections_are_listed_by_name() {
        let brief = Brief::read("A site with sections: Mission, Our team and Donate. In red.");
        assert_eq!(brief.sections, ["Mission", "Our team", "Donate"]);
        assert_eq!(feature_of("Our team"), Some(Feature::Team));
        assert_eq!(feature_of("Mission"), None);
    }
}
