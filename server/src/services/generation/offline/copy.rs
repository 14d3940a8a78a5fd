//! The words on the page: chosen by what it is about, and always the same for the same prompt.

use super::brief::{Brief, Feature, Site};
use super::hash;
use super::plan::{Body, Card};

/// Picks one, by the prompt and by what it is picked for.
fn pick<'a>(brief: &Brief, what: &str, from: &[&'a str]) -> &'a str {
    let drawn = hash(what) ^ brief.seed;
    from.get((drawn % from.len().max(1) as u64) as usize).copied().unwrap_or("")
}

/// So many different ones, from a place that depends on the prompt.
fn pick_some<'a>(brief: &Brief, count: usize, from: &[&'a str]) -> Vec<&'a str> {
    let first = (brief.seed % from.len().max(1) as u64) as usize;
    from.iter().cycle().skip(first).take(count.min(from.len())).copied().collect()
}

/// What it is about. Where the prompt doesn't say, what such a site is mostly about.
fn subject(brief: &Brief) -> String {
    match brief.site {
        _ if !brief.topic.is_empty() => brief.topic.clone(),
        Site::Shop => "good things".to_owned(),
        Site::Blog => "everyday life".to_owned(),
        Site::Portfolio => "light and form".to_owned(),
        Site::Restaurant => "good food".to_owned(),
        Site::Dashboard => "the numbers".to_owned(),
        Site::Generic => "what we do".to_owned(),
        Site::Event => brief.title.clone(),
    }
}

/// The sentence under the title.
pub(super) fn lead(brief: &Brief) -> String {
    let (title, subject) = (&brief.title, subject(brief));
    let sentences: [String; 2] = match brief.site {
        Site::Shop => [
            format!("{title} brings you {subject}, chosen with care and sent with it."),
            format!("Everything for {subject} in one place. Made to last, easy to send back."),
        ],
        Site::Blog => [
            format!("Notes on {subject}, written slowly and meant to be read the same way."),
            format!("{title} is a place to think aloud about {subject}."),
        ],
        Site::Portfolio => [
            format!("Selected work: {subject}, seen closely."),
            format!("{title}. A body of work about {subject}, and the people in it."),
        ],
        Site::Restaurant => [
            format!("Come hungry. At {title} the kitchen is open and the table is set."),
            format!("{title}: short menu, good bread, time to talk."),
        ],
        Site::Event => [
            format!("Join us for {title}. Talks, company, and a day well spent."),
            format!("{title} brings together everybody who cares about {subject}."),
        ],
        Site::Dashboard => [
            format!("Where {subject} stands, at a glance."),
            format!("The figures behind {subject}, one screen, no scrolling through reports."),
        ],
        Site::Generic if brief.is_tool() => [
            "It works right here on the page, and keeps what you do to itself.".to_owned(),
            "Nothing to install and nothing to sign up for.".to_owned(),
        ],
        Site::Generic => [
            format!("Welcome to {title}. Here is all about {subject}."),
            format!("{title}: {subject}, simply told."),
        ],
    };
    let [one, other] = sentences;
    if brief.seed.is_multiple_of(2) { one } else { other }
}

pub(super) fn action(brief: &Brief) -> &'static str {
    match brief.site {
        Site::Shop => "See the products",
        Site::Blog => "Start reading",
        Site::Portfolio => "See the work",
        Site::Restaurant => "See the menu",
        Site::Event => "See the schedule",
        Site::Dashboard => "See the figures",
        Site::Generic if brief.is_tool() => "Try it",
        Site::Generic => "Read on",
    }
}

/// What stands in a section.
pub(super) fn body(brief: &Brief, feature: Option<Feature>, heading: &str) -> Body {
    let subject = subject(brief);
    match feature {
        Some(Feature::Products) => Body::Products(products(brief, &subject)),
        Some(Feature::Posts) => Body::Posts(posts(brief, &subject)),
        Some(Feature::Gallery) => Body::Gallery(gallery(brief)),
        Some(Feature::Menu) => Body::Rows(menu(brief)),
        Some(Feature::Hours) => Body::Rows(hours(brief)),
        Some(Feature::Schedule) => Body::Rows(schedule(brief, &subject)),
        Some(Feature::Figures) => Body::Figures(figures(brief)),
        Some(Feature::Todo) => Body::Todo(todo(brief, &subject)),
        Some(Feature::Calculator) => Body::Calculator,
        Some(Feature::Pricing) => Body::Cards(plans(brief, &subject)),
        Some(Feature::Team) => Body::Cards(people(brief, &subject)),
        Some(Feature::Quotes) => Body::Quotes(quotes(brief)),
        Some(Feature::Questions) => Body::Questions(questions(brief)),
        Some(Feature::Newsletter) => Body::Newsletter,
        Some(Feature::Contact) => Body::Contact,
        Some(Feature::About | Feature::DarkSwitch) | None => {
            Body::Text(about(brief, heading, &subject))
        }
    }
}

fn about(brief: &Brief, heading: &str, subject: &str) -> Vec<String> {
    let title = &brief.title;
    let first = pick(
        brief,
        heading,
        &[
            "began with a simple wish: to do one thing properly.",
            "is small on purpose. We know what we do, and do it ourselves.",
            "has grown slowly, by word of mouth and by listening.",
        ],
    );
    let opening = match heading {
        "About" => format!("{title} {first}"),
        _ => format!("{heading} matters to us. {title} {first}"),
    };
    let second = pick(
        brief,
        &format!("{heading}2"),
        &[
            "Ask us anything about",
            "There is always something new about",
            "Every day we learn more about",
        ],
    );
    vec![opening, format!("{second} {subject}.")]
}

fn products(brief: &Brief, subject: &str) -> Vec<Card> {
    const NAMES: [&str; 8] =
        ["Starter", "Classic", "Everyday", "Weekend", "Studio", "Heritage", "Pocket", "Limited"];
    const TEXTS: [&str; 4] = [
        "The one to begin with.",
        "What most people come back for.",
        "A little more, for a long time.",
        "For somebody who has the others.",
    ];
    pick_some(brief, 6, &NAMES)
        .iter()
        .enumerate()
        .map(|(at, name)| Card {
            title: format!("{name} {subject}"),
            text: TEXTS[at % TEXTS.len()].to_owned(),
            tag: (900 + (hash(name) ^ brief.seed) % 90 * 100 + 90).to_string(),
        })
        .collect()
}

fn posts(brief: &Brief, subject: &str) -> Vec<Card> {
    let titles = [
        format!("What I wish I had known about {subject}"),
        format!("A year of {subject}"),
        format!("Seven small rules for {subject}"),
        format!("In praise of doing less: {subject}"),
        format!("Letters from readers about {subject}"),
    ];
    let days = ["3 May", "19 April", "2 April", "14 March", "28 February"];
    titles
        .into_iter()
        .zip(days)
        .map(|(title, day)| Card {
            text: pick(
                brief,
                &title,
                &[
                    "It took me longer than it should have, and I would do it again.",
                    "Three mistakes, one of them mine, and what came of them.",
                    "A short one, because the best part needs no words.",
                ],
            )
            .to_owned(),
            title,
            tag: day.to_owned(),
        })
        .collect()
}

fn gallery(brief: &Brief) -> Vec<Card> {
    const CATEGORIES: [&str; 3] = ["Light", "Form", "Place"];
    const NAMES: [&str; 9] =
        ["Early", "Still", "Across", "Below", "Almost", "Quiet", "Return", "Edge", "Open"];
    pick_some(brief, 9, &NAMES)
        .iter()
        .enumerate()
        .map(|(at, name)| Card {
            title: (*name).to_owned(),
            text: format!("{}, no. {}", brief.title, at + 1),
            tag: CATEGORIES[at % CATEGORIES.len()].to_owned(),
        })
        .collect()
}

fn menu(brief: &Brief) -> Vec<(String, String)> {
    const DISHES: [&str; 12] = [
        "Soup of the day",
        "Bread and whipped butter",
        "Roasted beetroot, goat's cheese",
        "Charred leek, hazelnut",
        "Handmade pasta, brown butter",
        "Mushroom risotto",
        "Fish of the day, fennel",
        "Slow lamb, white beans",
        "Grilled greens, lemon",
        "Lemon tart",
        "Chocolate, olive oil, salt",
        "Cheese, quince",
    ];
    pick_some(brief, 8, &DISHES)
        .iter()
        .map(|dish| {
            let price = 6 + (hash(dish) ^ brief.seed) % 19;
            ((*dish).to_owned(), format!("{price}.50"))
        })
        .collect()
}

fn hours(brief: &Brief) -> Vec<(String, String)> {
    let rest = pick(brief, "rest", &["Monday", "Tuesday", "Sunday"]);
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        .iter()
        .map(|day| {
            let hours = match *day {
                day if day == rest => "closed",
                "Friday" | "Saturday" => "12:00 – 23:30",
                _ => "12:00 – 22:00",
            };
            ((*day).to_owned(), hours.to_owned())
        })
        .collect()
}

fn schedule(brief: &Brief, subject: &str) -> Vec<(String, String)> {
    let talks = [
        "Doors open, coffee".to_owned(),
        format!("Opening: {subject}, and why we are here"),
        pick(brief, "second", &["Lessons from the field", "What we got wrong", "A short history"])
            .to_owned(),
        "Lunch".to_owned(),
        format!("Workshop: {subject} in practice"),
        "Open floor".to_owned(),
        "Music, and time to talk".to_owned(),
    ];
    let times = ["09:00", "09:30", "10:45", "12:30", "14:00", "16:00", "18:00"];
    talks.into_iter().zip(times).map(|(talk, time)| (talk, time.to_owned())).collect()
}

fn figures(brief: &Brief) -> Vec<(String, u32)> {
    ["January", "February", "March", "April", "May", "June", "July", "August"]
        .iter()
        .map(|month| ((*month).to_owned(), 20 + ((hash(month) ^ brief.seed) % 80) as u32))
        .collect()
}

fn todo(brief: &Brief, subject: &str) -> Vec<String> {
    let second = pick(
        brief,
        "todo",
        &["Ask a friend for help", "Set a date", "Make a list of what is missing"],
    );
    let first = match brief.topic.is_empty() {
        true => "Write down what comes to mind".to_owned(),
        false => format!("Think about {subject}"),
    };
    vec![first, second.to_owned(), "Take a break".to_owned()]
}

fn plans(brief: &Brief, subject: &str) -> Vec<Card> {
    let base = 5 + brief.seed % 20;
    [
        ("Basic", 1, format!("A first taste of {subject}.")),
        ("Plus", 3, format!("What most choose for {subject}.")),
        ("All", 6, format!("All of {subject}, and time to enjoy it.")),
    ]
    .into_iter()
    .map(|(name, times, text)| Card {
        title: name.to_owned(),
        text,
        tag: format!("{}.00", base * times),
    })
    .collect()
}

fn people(brief: &Brief, subject: &str) -> Vec<Card> {
    const NAMES: [&str; 8] = [
        "Amira Haddad",
        "Jonas Weber",
        "Chidi Okafor",
        "Lucía Romero",
        "Mei Tanaka",
        "Oskar Lind",
        "Priya Nair",
        "Tom Fisher",
    ];
    let roles = [
        ("Founder", format!("Knows more about {subject} than is good for dinner parties.")),
        ("Host", format!("Came to {subject} by accident, and stayed on purpose.")),
        ("Guest", format!("Asks about {subject} what nobody else dares to ask.")),
    ];
    pick_some(brief, roles.len(), &NAMES)
        .into_iter()
        .zip(roles)
        .map(|(name, (role, text))| Card { title: name.to_owned(), text, tag: role.to_owned() })
        .collect()
}

fn quotes(brief: &Brief) -> Vec<(String, String)> {
    let title = &brief.title;
    vec![
        (format!("I came to {title} for an hour and stayed the afternoon."), "Nadia".to_owned()),
        (format!("{title} is the one I send my friends to."), "Piotr".to_owned()),
        ("Friendly, quick, and exactly what was promised.".to_owned(), "Sam".to_owned()),
    ]
}

fn questions(brief: &Brief) -> Vec<(String, String)> {
    let title = &brief.title;
    vec![
        (format!("What is {title}?"), lead(brief)),
        (
            "Can I change my mind?".to_owned(),
            "Yes, within fourteen days, and you need give no reason.".to_owned(),
        ),
        (
            "How do I reach you?".to_owned(),
            "By the form on this page. A person reads it.".to_owned(),
        ),
    ]
}
