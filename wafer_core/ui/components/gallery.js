// The gallery: a card a wafer, which is a link; a plain click opens the wafer in place.

const SIGNS = { differ: "\u2260", unsure: "?" };
const MOST_LETTERS = 26; // Two lines of a narrow card.
const MEANINGS = { differ: "the models name different patterns", unsure: "a model is unsure" };

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
  card.append(map, head, make("strong", "flag"), says("teacher", "T"), says("student", "S"), make("div", "marks"));
  return card;
};

// Wafers of a lot are told apart at either end of their names; what is cut of a very long one is its middle.
const fitting = (name) =>
  name.length > MOST_LETTERS ? name.slice(0, MOST_LETTERS / 2) + "\u2026" + name.slice(-MOST_LETTERS / 2) : name;

const say = (card, role, verdict) => {
  const line = card.querySelector(".says." + role);
  line.className = "says " + role + (verdict === null ? " waiting" : verdict === "Normal" ? " normal" : "");
  line.lastChild.textContent = verdict ?? "\u2026";
};

const fill = (card, wafer, theme) => {
  card.href = wafer.href;
  const map = card.querySelector(".map");
  if (map.src !== wafer[theme]) map.src = wafer[theme];
  card.classList.toggle("long", wafer.title.length > 9);
  const [name, figure] = card.querySelector(".head").children;
  name.textContent = fitting(wafer.title);
  name.title = wafer.title;
  figure.textContent = wafer.figure;
  card.querySelector(".flag").textContent = wafer.flag;
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
  const flag = wafer.flag ? ", " + wafer.flag.toLowerCase() : "";
  card.setAttribute("aria-label", "Wafer " + wafer.title + ", yield " + wafer.figure + flag + ", teacher: " +
    verdict(wafer.teacher) + ", student: " + verdict(wafer.student) + (wafer.marks.length ? ", " : "") +
    wafer.marks.join(", "));
};

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const gallery = parentElement.querySelector(".gallery");
  if (!gallery || !data) return;
  if (outdated(gallery, data)) return;
  const theme = dressed(gallery, data.colours);

  const drawn = Array.from(gallery.children).map((card) => card.dataset.id);
  const wanted = data.cards.map((wafer) => wafer.id);
  if (drawn.join("\n") !== wanted.join("\n")) {
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
