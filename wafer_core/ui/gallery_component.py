"""The gallery's clickable cards: a component of a few lines, without anything from outside.

Each card is a link, so it is reached by keyboard, opens in a new tab, and says its name to a
screen reader; a plain click opens the wafer in place.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypedDict, cast

import streamlit as st

from wafer_core.charts import DARK, LIGHT


class Card(TypedDict):
    """One wafer as the gallery shows it; the pictures are `data:` addresses for both themes.

    `teacher` and `student` are a verdict as text, or None while there is none; `marks` holds `differ`
    and `unsure` where they make a wafer worth a look.
    """

    id: str
    href: str
    light: str
    dark: str
    title: str
    figure: str
    teacher: str | None
    student: str | None
    marks: list[str]


HTML = """
<div class="gallery" role="group" aria-label="Wafers"></div>
"""

CSS = """
:host { display: block; }
.gallery {
  display: grid; gap: 0.55rem; grid-template-columns: repeat(auto-fill, minmax(7.4rem, 1fr));
  font-family: var(--st-font); color: var(--st-text-color);
}
.card {
  position: relative; display: flex; flex-direction: column; gap: 0.3rem; padding: 0.45rem;
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  background: var(--st-background-color); color: inherit; text-decoration: none; min-width: 0;
  transition: border-color 80ms linear, background 80ms linear;
}
.card:hover { border-color: var(--st-primary-color); background: var(--st-secondary-background-color); }
.card:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.map { width: 100%; aspect-ratio: 1; display: block; }
.long .head { flex-direction: column; gap: 0; }
.long .head b { max-width: 100%; }
.head { display: flex; justify-content: space-between; align-items: baseline; gap: 0.3rem; font-size: 0.82rem; }
.head b { font-weight: 650; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.head span { font-variant-numeric: tabular-nums; opacity: 0.72; white-space: nowrap; font-size: 0.78rem; }
.says { display: flex; gap: 0.35rem; align-items: flex-start; font-size: 0.76rem; line-height: 1.25; min-width: 0; }
.says i {
  flex: none; font-style: normal; font-weight: 700; font-size: 0.62rem; line-height: 0.95rem; width: 0.95rem;
  text-align: center; border-radius: 3px; color: var(--st-background-color); margin-top: 0.02rem;
}
.says em { font-style: normal; overflow-wrap: anywhere; }
.says.normal em, .says.waiting em { opacity: 0.62; }
.says.teacher i { background: var(--teacher); }
.says.student i { background: var(--student); }
.marks span {
  position: absolute; top: 0.25rem; width: 1.15rem; height: 1.15rem; border-radius: 50%; box-sizing: border-box;
  font-size: 0.8rem; font-weight: 700; line-height: 1.02rem; text-align: center;
  background: var(--st-background-color); border: 1px solid currentColor;
}
.marks span.differ { right: 0.25rem; color: var(--st-red-text-color); }
.marks span.unsure { left: 0.25rem; color: var(--st-orange-text-color); }
.waiting em { animation: breathe 1.6s ease-in-out infinite; }
@keyframes breathe { 50% { opacity: 0.25; } }
@media (prefers-reduced-motion: reduce) { .waiting em { animation: none; } .card { transition: none; } }
"""

JS = """
const SIGNS = { differ: "\\u2260", unsure: "?" };
const MEANINGS = { differ: "the models name different patterns", unsure: "a model is unsure" };

const make = (tag, name) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  return element;
};

const says = (role, letter) => {
  const line = make("div", "says " + role);
  const badge = make("i");
  badge.textContent = letter;
  badge.title = role === "teacher" ? "teacher" : "student";
  line.append(badge, make("em"));
  return line;
};

const blank = (id) => {
  const card = make("a", "card");
  card.dataset.id = id;
  const head = make("div", "head");
  head.append(make("b"), make("span"));
  const map = make("img", "map");
  map.alt = "";
  card.append(map, head, says("teacher", "T"), says("student", "S"), make("div", "marks"));
  return card;
};

const say = (card, role, verdict) => {
  const line = card.querySelector(".says." + role);
  line.className = "says " + role + (verdict === null ? " waiting" : verdict === "Normal" ? " normal" : "");
  line.lastChild.textContent = verdict === null ? "\\u2026" : verdict.split("+").join(" + ");
};

const fill = (card, wafer, theme) => {
  card.href = wafer.href;
  const map = card.querySelector(".map");
  if (map.src !== wafer[theme]) map.src = wafer[theme];
  card.classList.toggle("long", wafer.title.length > 9);
  const [name, figure] = card.querySelector(".head").children;
  name.textContent = name.title = wafer.title;
  figure.textContent = wafer.figure;
  say(card, "teacher", wafer.teacher);
  say(card, "student", wafer.student);
  const marks = card.querySelector(".marks");
  marks.replaceChildren(...wafer.marks.map((mark) => {
    const tag = make("span", mark);
    tag.textContent = SIGNS[mark];
    tag.title = MEANINGS[mark];
    return tag;
  }));
  const verdict = (said) => said === null ? "not scored yet" : said;
  card.setAttribute("aria-label", "Wafer " + wafer.title + ", yield " + wafer.figure + ", teacher: " +
    verdict(wafer.teacher) + ", student: " + verdict(wafer.student) + (wafer.marks.length ? ", " : "") +
    wafer.marks.join(", "));
};

const isDark = (element) => {
  const probe = make("span");
  probe.style.color = "var(--st-background-color)";
  element.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
};

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const gallery = parentElement.querySelector(".gallery");
  if (!gallery || !data) return;
  // While this module loads, the browser may call it for later data first.
  if (data.drawn < Number(gallery.dataset.drawn || 0)) return;
  gallery.dataset.drawn = data.drawn;
  const theme = isDark(gallery) ? "dark" : "light";
  gallery.style.setProperty("--teacher", data.colours[theme].teacher);
  gallery.style.setProperty("--student", data.colours[theme].student);

  const drawn = Array.from(gallery.children).map((card) => card.dataset.id);
  const wanted = data.cards.map((wafer) => wafer.id);
  if (drawn.join("\\n") !== wanted.join("\\n")) {
    gallery.replaceChildren(...wanted.map(blank));
  }
  data.cards.forEach((wafer, i) => fill(gallery.children[i], wafer, theme));

  gallery.onclick = (event) => {
    const card = event.target.closest(".card");
    if (!card || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    setTriggerValue("opened", card.dataset.id);
  };
  gallery.onkeydown = (event) => {
    const cards = Array.from(gallery.children);
    const at = cards.indexOf(event.target);
    if (at < 0) return;
    const columns = getComputedStyle(gallery).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (!step || !cards[at + step]) return;
    event.preventDefault();
    cards[at + step].focus();
  };
}
"""

_gallery = st.components.v2.component("wafer_gallery", html=HTML, css=CSS, js=JS)


def cards(wafers: Sequence[Card], key: str) -> str | None:
    """Draw wafers as cards and return the id of the one that was just clicked."""
    data: dict[str, Any] = {
        "cards": list(wafers),
        "drawn": _drawn(wafers),
        "colours": {
            name: {"teacher": colours.teacher, "student": colours.student}
            for name, colours in (("light", LIGHT), ("dark", DARK))
        },
    }
    result = _gallery(data=data, key=key, on_opened_change=lambda: None)
    return cast("str | None", result.opened)


def _drawn(wafers: Sequence[Card]) -> float:
    """Return when these cards were first drawn, in seconds since 1970; the same cards keep their time.

    Cards that stay are sent to the browser once.
    """
    drawn, before = st.session_state.get("gallery-drawn", (0.0, None))
    if before != wafers:
        drawn = time.time()
        st.session_state["gallery-drawn"] = drawn, wafers
    return cast("float", drawn)
