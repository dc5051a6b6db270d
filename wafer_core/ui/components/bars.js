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

const row = (told, pick) => {
  const element = make("div", told.strong ? "row strong" : "row");
  const name = make(pick ? "button" : "div", "name", told.name);
  if (pick) {
    name.title = "Show the wafers with " + told.name;
    name.onclick = () => pick(told.name);
  }
  const lines = make("div");
  lines.append(...told.bars.map(bar));
  element.append(name, lines);
  return element;
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
  bars.replaceChildren(...data.rows.map((told) => row(told, pick)), ...(paired ? [keys(data.roles)] : []));
}
