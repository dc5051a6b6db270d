// Maps of dies: what a die says when pointed at, the same die marked on every map of the page, and a
// closer look at a part: drag over it, double-click to see the whole wafer again. Where dies are flipped a
// click and a drag do that, and a drag with the shift key held looks closer.

const LINK = "wafer-dies";
const WHOLE = { left: -0.04, top: -0.04, size: 1.08 };
const DRAGGED = 8; // pixels before a press is a drag
const DIGITS = { share: 0, "fine share": 2 };

const within = (value) => Math.min(1, Math.max(0, value));

const said = (map, stage, die) => {
  const [row, column] = [Math.floor(die / stage.columns), die % stage.columns];
  const [x, y, xStep, yStep, swapped] = stage.frame;
  const [alongX, alongY] = swapped ? [row, column] : [column, row];
  const value = (name) => {
    if (name === "x") return x + xStep * alongX;
    if (name === "y") return y + yStep * alongY;
    if (name === "state") return stage.names[numbers(stage.states, Uint8Array)[die]];
    if (name === "value") return amount(map, die);
    const found = numbers(stage.fields[name], Int32Array)[die];
    return name === "bin" && found < 0 ? "none" : found.toLocaleString("en");
  };
  return map.lines.map((line) => line.replace(/{(\w+)}/g, (_, name) => value(name)));
};

const amount = (map, die) => {
  const value = numbers(map.layers.at(-1).values, Float32Array)[die];
  if (Number.isNaN(value)) return "–";
  if (map.unit in DIGITS) return (100 * value).toFixed(DIGITS[map.unit]) + " %";
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(4);
};

const scaleBar = (scale, theme) => {
  const element = make("div", "scale");
  const body = make("div", "measure");
  if (scale.ends) {
    const ends = make("div", "ends");
    ends.append(...scale.ends.map((end) => make("span", "", end)));
    body.append(ends);
  }
  const band = make("div", "band");
  const stops = scale[theme].map(([at, colour, covers]) => `rgba(${rgb(colour)},${covers}) ${100 * at}%`);
  const lines = "repeating-linear-gradient(-45deg, var(--st-background-color) 0 1px, transparent 1px 4px)";
  band.style.background = `${lines} 0 0 / ${100 * (scale.hatched || 0)}% 100% no-repeat, linear-gradient(90deg, ${stops.join(",")})`;
  const ticks = make("div", "ticks");
  ticks.append(...scale.ticks.map((tick) => make("span", "", tick)));
  body.append(band, ticks);
  body.setAttribute("role", "figure");
  body.setAttribute("aria-label", scale.alt);
  element.append(body, make("div", "note", scale.note));
  return element;
};

const keyEntries = (key, theme) =>
  key.map(([name, shades]) => {
    const entry = make("span", "", name);
    const patch = make("i");
    patch.style.background = shades[theme === "dark" ? 1 : 0];
    entry.prepend(patch);
    return entry;
  });

// Lines under a map; what is grave has a sign, not only a colour.
const factsOf = (facts) => {
  const list = make("dl", "facts");
  for (const { label, text, hint, grave } of facts) {
    const line = make("div", grave ? "grave" : "");
    line.title = hint;
    line.append(make("dt", "", label), make("dd", "", (grave ? "\u26a0 " : "") + text));
    list.append(line);
  }
  return list;
};

// One element on the page: a stage and the maps drawn on it.
class Sheet {
  constructor(root) {
    this.root = root;
    this.view = WHOLE;
    this.marked = null;
    this.figures = [];
    this.trial = new Trial();
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(root);
    this.hear = ({ detail }) => detail.link === this.link && this.follow(detail);
    window.addEventListener(LINK, this.hear);
  }

  close() {
    this.sized.disconnect();
    window.removeEventListener(LINK, this.hear);
  }

  show({ trial, session, drawn, save, ...data }, theme) {
    this.trial.show(trial, data.stage);
    const told = JSON.stringify([theme, this.trial.on, data]);
    // What is there already keeps the pointer's drag and the keyboard's focus.
    if (told === this.told) return this.refresh();
    this.told = told;
    this.colours = data.colours[theme];
    this.theme = theme;
    this.stage = data.stage;
    if (this.link !== data.link) [this.view, this.die] = [WHOLE, undefined];
    this.link = data.link;
    this.marked = null;
    this.figures = [];
    const groups = make("div", data.framed ? "groups framed" : "groups");
    this.root.style.setProperty("--most", data.most + "px");
    groups.append(...data.groups.map((group) => this.group(group)));
    // A map alone has its scale right under it.
    const below = data.framed ? [] : groups.querySelectorAll(".facts");
    this.root.replaceChildren(groups, ...(data.scale ? [scaleBar(data.scale, theme)] : []), ...below);
    this.refresh();
  }

  refresh() {
    for (const { key, map } of this.figures) {
      key.replaceChildren(...keyEntries(this.trial.on ? this.trial.key : map.key, this.theme));
    }
    this.draw();
  }

  group(told) {
    const element = make("section", "group");
    if (told.title) {
      const head = make("div", "head");
      head.append(make("b", "", told.title), make("span", "", told.note));
      element.append(head);
    }
    const maps = make("div", "maps");
    maps.append(...told.maps.map((each) => this.figure(each)));
    element.append(maps);
    return element;
  }

  figure(told) {
    const element = make("div", "figure");
    if (told.caption) element.append(make("div", "caption", told.caption));
    const box = make("div", told.map ? "box" : told.message ? "told" : "box waiting");
    element.append(box);
    if (!told.map) {
      if (told.message) box.textContent = told.message;
      return element;
    }
    element.setAttribute("role", "figure");
    element.setAttribute("aria-label", told.alt);
    const [canvas, mark, frame, tip] = [make("canvas"), make("div", "mark"), make("div", "drag"), make("div", "tip")];
    const back = make("button", "back", "Whole wafer");
    back.onclick = () => this.tell({ view: WHOLE });
    box.append(canvas, mark, frame, tip, back);
    const key = make("div", "key");
    const figure = { map: told.map, signs: told.map.signs, box, canvas, mark, frame, tip, back, key };
    figure.pixels = pixelsOf(told.map, this.stage, this.theme);
    this.figures.push(figure);
    this.listen(figure);
    if (this.trial.on) this.listenForFlips(figure);
    element.append(key);
    if (told.facts?.length) element.append(factsOf(told.facts));
    return element;
  }

  listen(figure) {
    const { box } = figure;
    box.onpointermove = (event) => (this.from ? this.drag(figure, event) : this.point(figure, event));
    box.onpointerleave = () => !this.from && this.tell({ die: null });
    box.onpointerdown = (event) => {
      this.dragged = false;
      if (event.button || event.pointerType === "touch" || event.target === figure.back) return;
      this.from = this.where(figure, event);
      box.setPointerCapture(event.pointerId);
    };
    box.onpointerup = (event) => this.drop(figure, event);
    box.onpointercancel = () => this.drop(figure, null);
    box.ondblclick = () => !this.trial.on && this.tell({ view: WHOLE });
  }

  listenForFlips(figure) {
    const { box, tip } = figure;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Arrow keys choose a die, Enter flips it");
    tip.setAttribute("aria-live", "polite");
    box.onblur = () => this.tell({ die: null });
    box.onclick = (event) => {
      const die = this.dieAt(this.where(figure, event));
      if (!this.dragged && die !== null && event.target !== figure.back) this.flip(figure, () => this.trial.flip(die));
    };
    box.onkeydown = (event) => {
      const moves = event.key.startsWith("Arrow");
      if (event.target !== box || event.ctrlKey || event.metaKey || !(moves || event.key === "Enter" || event.key === " ")) return;
      event.preventDefault();
      event.stopPropagation(); // the page has arrow keys of its own
      this.die ??= Math.floor(this.stage.rows / 2) * this.stage.columns + Math.floor(this.stage.columns / 2);
      if (moves) this.die = stepped(this.die, event.key, this.stage);
      else this.flip(figure, () => this.trial.flip(this.die));
      this.say(figure, this.die);
    };
  }

  flip(figure, change) {
    change();
    this.draw();
    if (figure.tip.classList.contains("on") && this.die !== undefined) this.say(figure, this.die);
  }

  // Where on the grid the pointer is, as shares of it, and on the box, in pixels.
  where({ box }, event) {
    const { left, top, width } = box.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    return { x, y, across: this.view.left + (x / width) * this.view.size, down: this.view.top + (y / width) * this.view.size };
  }

  // The cell at a place of the grid, or null beside it.
  dieAt({ across, down }) {
    const { rows, columns } = this.stage;
    const [row, column] = [Math.floor(down * rows), Math.floor(across * columns)];
    return row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : null;
  }

  point(figure, event) {
    const place = this.where(figure, event);
    this.die = this.dieAt(place) ?? undefined;
    this.say(figure, this.die, place);
  }

  // Mark a die on every map and say what it is beside a place on one of them, or beside the die itself.
  say(figure, die, place) {
    const there = die !== undefined && numbers(this.stage.states, Uint8Array)[die] !== 0;
    this.tell({ die: there ? die : null });
    if (!there) return;
    const { tip, box, mark } = figure;
    const lines = [...said(figure.map, this.stage, die), ...this.trial.says(die)];
    const [x, y] = place ? [place.x, place.y] : [mark.offsetLeft, mark.offsetTop];
    tip.replaceChildren(...lines.map((line) => make("div", "", line)));
    tip.className = "tip on" + (x > box.clientWidth / 2 ? " before" : "") + (y > box.clientHeight / 2 ? " above" : "");
    tip.style.left = x + "px";
    tip.style.top = y + "px";
  }

  drag(figure, event) {
    const to = this.where(figure, event);
    const { x, y } = this.from;
    const far = Math.max(Math.abs(to.x - x), Math.abs(to.y - y)) > DRAGGED;
    this.tell({ die: null });
    figure.frame.className = far ? "drag on" : "drag";
    Object.assign(figure.frame.style, {
      left: Math.min(x, to.x) + "px",
      top: Math.min(y, to.y) + "px",
      width: Math.abs(to.x - x) + "px",
      height: Math.abs(to.y - y) + "px",
    });
  }

  drop(figure, event) {
    const far = figure.frame.className === "drag on";
    const from = this.from;
    this.from = null;
    figure.frame.className = "drag";
    if (!event || !from || !far) return;
    const to = this.where(figure, event);
    this.dragged = true;
    if (this.trial.on && !event.shiftKey) return this.flip(figure, () => this.trial.brush(this.between(from, to)));
    const [across, down] = [(from.across + to.across) / 2, (from.down + to.down) / 2];
    const size = Math.max(Math.abs(from.across - to.across), Math.abs(from.down - to.down), 0.05);
    this.tell({ view: { left: within(across) - size / 2, top: within(down) - size / 2, size } });
  }

  // The cells of the rectangle between two places.
  between(from, to) {
    const { rows, columns } = this.stage;
    const span = (one, two, size) => {
      const [low, high] = [Math.min(one, two), Math.max(one, two)].map((share) => Math.floor(share * size));
      return Array.from({ length: Math.min(size - 1, high) - Math.max(0, low) + 1 }, (_, i) => Math.max(0, low) + i);
    };
    const across = span(from.across, to.across, columns);
    return span(from.down, to.down, rows).flatMap((row) => across.map((column) => row * columns + column));
  }

  tell(detail) {
    window.dispatchEvent(new CustomEvent(LINK, { detail: { link: this.link, ...detail } }));
  }

  // Do what a map of the same wafer does, be it another's or an own one; seen closer, no die is pointed at any longer.
  follow({ die, view }) {
    if (view) this.view = view;
    this.marked = view ? null : die;
    if (this.marked === null) for (const { tip } of this.figures) tip.className = "tip";
    if (view) this.draw();
    else for (const { mark } of this.figures) this.place(mark);
  }

  // Lay a map's mark on the die that is pointed at.
  place(mark) {
    mark.className = this.marked === null ? "mark" : "mark on";
    const { rows, columns } = this.stage;
    const { left, top, size } = this.view;
    mark.style.left = (100 * ((this.marked % columns) / columns - left)) / size + "%";
    mark.style.top = (100 * (Math.floor(this.marked / columns) / rows - top)) / size + "%";
    mark.style.width = 100 / columns / size + "%";
    mark.style.height = 100 / rows / size + "%";
  }

  draw() {
    for (const { canvas, box, pixels, signs, mark, back } of this.figures) {
      const side = Math.round(box.clientWidth * window.devicePixelRatio);
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, side, side);
      paint(pen, pixels, this.stage, { x: 0, y: 0, side }, this.view, this.colours, signs);
      if (this.trial.on) this.trial.paint(pen, this.stage, side, this.view, this.theme, this.colours.text);
      this.place(mark);
      back.className = this.view === WHOLE ? "back" : "back on";
    }
  }
}

const sheets = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".dies");
  if (!root || !data) return;
  if (!sheets.has(root)) sheets.set(root, new Sheet(root));
  const sheet = sheets.get(root);
  sheet.trial.tell = (value) => setTriggerValue("flipped", value);
  if (!outdated(root, data)) {
    sheet.show(data, dressed(root, data.colours));
    if (data.save && root.dataset.saved !== data.save.token) {
      root.dataset.saved = data.save.token;
      savePicture(data, data.colours.light);
    }
  }
  return () => {
    sheet.close();
    sheets.delete(root);
  };
}
