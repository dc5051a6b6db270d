// Bars of patterns: a row a pattern, a bar a model, the number at the end; a name may be clicked.

const bar = (told) => {
  const line = make("div", "line");
  const track = make("div", "track");
  const fill = make("div", "fill " + told.role + (told.quiet ? " quiet" : ""));
  fill.style.width = 100 * told.share + "%";
  track.append(fill);
  if (told.before !== undefined) {
    const before = make("div", "before");
    before.style.width = 100 * told.before + "%";
    track.append(before);
  }
  if (told.mark !== undefined) {
    const mark = make("div", "mark");
    mark.style.left = 100 * told.mark + "%";
    track.append(mark);
  }
  line.title = told.hint;
  line.append(track, make("div", "text", told.text));
  return line;
};

const blank = (told, pick) => {
  const row = make("div", "row");
  row.dataset.name = told.name;
  row.append(make(pick ? "button" : "div", "name", told.name), make("div"));
  return row;
};

const fill = (row, told, pick) => {
  row.className = told.strong ? "row strong" : "row";
  const [name, lines] = row.children;
  if (pick) {
    name.title = "Show the wafers with " + told.name;
    name.onclick = () => pick(told.name);
  }
  lines.replaceChildren(...told.bars.map(bar));
};

// A pattern that is there already keeps its row, and with it the keyboard's focus, whatever comes before it.
const draw = (bars, rows, pick) => {
  const known = new Map(Array.from(bars.children, (row) => [row.dataset.name, row]));
  const wanted = rows.map((told) => known.get(told.name) ?? blank(told, pick));
  for (const child of Array.from(bars.children)) if (!wanted.includes(child)) child.remove();
  wanted.forEach((row, i) => {
    if (bars.children[i] !== row) bars.insertBefore(row, bars.children[i] ?? null);
    fill(row, rows[i], pick);
  });
};

const keys = (roles) => {
  const element = make("div", "keys");
  for (const role of roles) {
    const key = make("span");
    key.append(make("i", role), role);
    element.append(key);
  }
  return element;
};

export default function ({ data, parentElement, setTriggerValue }) {
  const bars = parentElement.querySelector(".bars");
  if (!bars || !data || outdated(bars, data)) return;
  dressed(bars, data.colours);
  const paired = data.roles.length > 1;
  bars.setAttribute("role", "figure");
  bars.setAttribute("aria-label", data.alt);
  bars.classList.toggle("paired", paired);
  bars.classList.toggle("changed", data.rows.some((told) => told.bars.some((each) => each.before !== undefined)));
  bars.style.setProperty("--thick", paired ? "0.8rem" : "0.95rem");
  bars.style.setProperty("--gap", data.gap);
  const pick = data.pick ? (name) => setTriggerValue("picked", name) : null;
  draw(bars, data.rows, pick);
  if (paired) bars.append(keys(data.roles));
}
