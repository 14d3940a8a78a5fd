//! The behaviour: one small script for each thing on the page that does something.
//!
//! No word of the prompt is in a script; what they need they read from the page, as text. They ask
//! for nothing from elsewhere and keep nothing.

use super::plan::{Body, Plan};

/// The script, and what it is for.
pub(super) fn write(plan: &Plan) -> (String, Vec<&'static str>) {
    let forms = |body: &Body| matches!(body, Body::Contact | Body::Newsletter);
    let parts: [(bool, &'static str, &'static str); 8] = [
        (true, "the navigation", NAVIGATION),
        (plan.dark_switch, "the dark mode", THEME),
        (plan.any(forms), "the forms", FORMS),
        (plan.any(|body| matches!(body, Body::Gallery(_))), "the gallery", GALLERY),
        (plan.any(|body| matches!(body, Body::Posts(_))), "the search", SEARCH),
        (plan.any(|body| matches!(body, Body::Products(_))), "the cart", CART),
        (plan.any(|body| matches!(body, Body::Todo(_))), "the list", TO_DO_LIST),
        (plan.any(|body| matches!(body, Body::Calculator)), "the calculator", CALCULATOR),
    ];
    let figures = plan.any(|body| matches!(body, Body::Figures(_)));
    let parts: Vec<_> = parts
        .into_iter()
        .chain([(figures, "the figures", FIGURES)])
        .filter(|(wanted, ..)| *wanted)
        .collect();
    let mut script = String::from("'use strict';\n");
    for (_, _, part) in &parts {
        script.push_str("(() => {\n");
        script.push_str(part);
        script.push_str("})();\n");
    }
    (script, parts.iter().map(|(_, name, _)| *name).collect())
}

const NAVIGATION: &str = "\
const links = [...document.querySelectorAll('nav a')];
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const link = links.find((link) => link.hash === '#' + entry.target.id);
    if (link && entry.isIntersecting) link.setAttribute('aria-current', 'true');
    else if (link) link.removeAttribute('aria-current');
  }
});
for (const section of document.querySelectorAll('main > section[id]')) seen.observe(section);
";

const THEME: &str = "\
const button = document.querySelector('[data-theme-switch]');
const root = document.documentElement;
const show = (dark) => {
  root.dataset.theme = dark ? 'dark' : 'light';
  button.setAttribute('aria-pressed', String(dark));
};
show(matchMedia('(prefers-color-scheme: dark)').matches);
button.addEventListener('click', () => show(root.dataset.theme !== 'dark'));
";

const FORMS: &str = "\
const problem = (field) => {
  const value = field.value.trim();
  if (field.required && !value) return 'is missing';
  if (field.type === 'email' && !/^[^@ ]+@[^@ ]+[.][^@ ]+$/.test(value)) return 'is no e-mail address';
  const least = Number(field.dataset.min || 0);
  if (value.length < least) return 'needs ' + least + ' characters or more';
  return '';
};
for (const form of document.querySelectorAll('[data-form]')) {
  const fields = [...form.querySelectorAll('input, textarea')];
  const status = form.querySelector('[data-status]');
  const send = () => {
    let first = null;
    for (const field of fields) {
      const wrong = problem(field);
      field.setAttribute('aria-invalid', String(wrong !== ''));
      if (wrong && !first) first = { field, wrong };
    }
    if (first) {
      const label = form.querySelector('label[for=\"' + first.field.id + '\"]');
      status.textContent = label.textContent + ' ' + first.wrong + '.';
      first.field.focus();
      return;
    }
    status.textContent = 'Thank you. (This is a preview: nothing was sent.)';
    for (const field of fields) field.value = '';
  };
  form.querySelector('[data-send]').addEventListener('click', send);
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.target.tagName === 'INPUT') send();
  });
}
";

const GALLERY: &str = "\
const buttons = [...document.querySelectorAll('[data-filter]')];
const items = [...document.querySelectorAll('[data-category]')];
for (const button of buttons) {
  button.addEventListener('click', () => {
    const wanted = button.dataset.filter;
    for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
    for (const item of items) item.hidden = wanted !== '' && item.dataset.category !== wanted;
  });
}
";

const SEARCH: &str = "\
const posts = [...document.querySelectorAll('[data-post]')];
const found = document.querySelector('[data-found]');
document.querySelector('[data-search]').addEventListener('input', (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  let count = 0;
  for (const post of posts) {
    post.hidden = !post.textContent.toLowerCase().includes(wanted);
    if (!post.hidden) count += 1;
  }
  found.textContent = wanted ? count + ' of ' + posts.length : '';
});
";

const CART: &str = "\
const cart = new Map();
const lines = document.querySelector('[data-lines]');
const total = document.querySelector('[data-total]');
const show = () => {
  lines.replaceChildren();
  let cents = 0;
  for (const [name, line] of cart) {
    cents += line.cents * line.count;
    const item = document.createElement('li');
    item.textContent = line.count + ' × ' + name + ' ';
    const less = document.createElement('button');
    less.type = 'button';
    less.className = 'quiet';
    less.textContent = 'Remove';
    less.addEventListener('click', () => {
      line.count -= 1;
      if (line.count === 0) cart.delete(name);
      show();
    });
    item.append(less);
    lines.append(item);
  }
  total.textContent = (cents / 100).toFixed(2);
};
for (const button of document.querySelectorAll('[data-add]')) {
  button.addEventListener('click', () => {
    const name = button.dataset.add;
    const line = cart.get(name) || { count: 0, cents: Number(button.dataset.cents) };
    line.count += 1;
    cart.set(name, line);
    show();
  });
}
";

const TO_DO_LIST: &str = "\
const box = document.querySelector('[data-todo]');
const list = box.querySelector('ul');
const field = box.querySelector('input[type=text]');
const left = box.querySelector('[data-left]');
const count = () => {
  const boxes = [...list.querySelectorAll('input')];
  for (const each of boxes) each.nextElementSibling.classList.toggle('done', each.checked);
  left.textContent = boxes.filter((each) => !each.checked).length + ' left';
};
const add = () => {
  const text = field.value.trim();
  if (!text) return;
  const item = document.createElement('li');
  const label = document.createElement('label');
  const check = document.createElement('input');
  const words = document.createElement('span');
  check.type = 'checkbox';
  words.textContent = text;
  label.append(check, ' ', words);
  item.append(label);
  list.append(item);
  field.value = '';
  count();
};
box.querySelector('[data-new]').addEventListener('click', add);
field.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') add();
});
list.addEventListener('change', count);
count();
";

const CALCULATOR: &str = "\
const box = document.querySelector('[data-calculator]');
const out = box.querySelector('output');
let text = '';
const evaluate = (source) => {
  let at = 0;
  const expect = (what) => {
    if (source[at] !== what) throw new Error('expected ' + what);
    at += 1;
  };
  const number = () => {
    if (source[at] === '−') {
      at += 1;
      return -number();
    }
    if (source[at] === '(') {
      at += 1;
      const value = sum();
      expect(')');
      return value;
    }
    const start = at;
    while (at < source.length && '0123456789.'.includes(source[at])) at += 1;
    const value = Number(source.slice(start, at));
    if (start === at || Number.isNaN(value)) throw new Error('expected a number');
    return value;
  };
  const product = () => {
    let value = number();
    while (source[at] === '×' || source[at] === '÷') {
      at += 1;
      value = source[at - 1] === '×' ? value * number() : value / number();
    }
    return value;
  };
  const sum = () => {
    let value = product();
    while (source[at] === '+' || source[at] === '−') {
      at += 1;
      value = source[at - 1] === '+' ? value + product() : value - product();
    }
    return value;
  };
  const value = sum();
  if (at !== source.length || !Number.isFinite(value)) throw new Error('not a number');
  return value;
};
box.addEventListener('click', (event) => {
  const key = event.target.dataset.key;
  if (!key) return;
  if (key === 'C') text = '';
  else if (key === '⌫') text = text.slice(0, -1);
  else if (key !== '=') text += key;
  else {
    try {
      text = String(Number(evaluate(text).toPrecision(12))).replace('-', '−');
    } catch {
      out.textContent = 'That is no sum';
      return;
    }
  }
  out.textContent = text || '0';
});
";

const FIGURES: &str = "\
for (const box of document.querySelectorAll('[data-figures]')) {
  const values = [...box.querySelectorAll('[data-value]')].map((cell) => Number(cell.textContent));
  const sum = values.reduce((sum, value) => sum + value, 0);
  box.querySelector('[data-sum]').textContent = String(sum);
  box.querySelector('[data-average]').textContent = (sum / values.length).toFixed(1);
  box.querySelector('[data-highest]').textContent = String(Math.max(...values));
}
";
