// Dies flipped by hand. They change under the pointer at once; the page is told all steps so far, so none is
// lost where it hears of two at a time, and what it drew before it heard of the last is known by its turn.

const [PASSES, FAILS] = [1, 2];

class Trial {
  constructor() {
    this.on = false;
    this.session = null;
    this.turn = 0;
    this.steps = [];
  }

  show(told, stage) {
    this.on = Boolean(told);
    this.states = numbers(stage.states, Uint8Array);
    // A session that begins anew, as after a restart of the server, has heard of none of these turns.
    if (!told || (told.session === this.session && told.turn < this.turn)) return;
    Object.assign(this, told);
  }

  get flipped() {
    const dies = new Set();
    for (const die of this.steps.flat()) if (!dies.delete(die)) dies.add(die);
    return dies;
  }

  tested(die) {
    return this.states[die] === PASSES || this.states[die] === FAILS;
  }

  // What a die is once these have been flipped.
  now(die, flipped) {
    return flipped.has(die) ? PASSES + FAILS - this.states[die] : this.states[die];
  }

  // What a flipped die says beside what it was.
  says(die) {
    const flipped = this.flipped;
    return this.on && flipped.has(die) ? [this.now(die, flipped) === FAILS ? "flipped: fails now" : "flipped: passes now"] : [];
  }

  take(dies) {
    if (!dies.length) return;
    this.steps = [...this.steps, dies];
    this.turn += 1;
    this.tell({ turn: this.turn, steps: this.steps });
  }

  flip(die) {
    if (this.tested(die)) this.take([die]);
  }

  // Of the dies brushed over the failing ones pass; where none fails, those that were made to pass fail again.
  brush(dies) {
    const flipped = this.flipped;
    const failing = dies.filter((die) => this.now(die, flipped) === FAILS);
    this.take(failing.length ? failing : dies.filter((die) => flipped.has(die)));
  }

  // Draw flipped dies in the colour of what they are now, with a dot, so that they are known without it.
  paint(pen, stage, side, view, theme, ink) {
    const flipped = this.flipped;
    const edge = (at, cells, from) => Math.round((at / cells - from) * (side / view.size));
    for (const die of flipped) {
      const [row, column] = [Math.floor(die / stage.columns), die % stage.columns];
      const [left, right] = [column, column + 1].map((at) => edge(at, stage.columns, view.left));
      const [top, bottom] = [row, row + 1].map((at) => edge(at, stage.rows, view.top));
      const gap = right - left < HAIRLINE ? 0 : right - left < 14 ? 1 : 2;
      pen.fillStyle = this.colours[this.now(die, flipped) - PASSES][theme === "dark" ? 1 : 0];
      pen.fillRect(left + gap, top + gap, right - left - gap, bottom - top - gap);
      const dot = Math.max(2, Math.round(0.36 * (right - left - gap)));
      pen.fillStyle = ink;
      pen.fillRect(Math.round((left + gap + right - dot) / 2), Math.round((top + gap + bottom - dot) / 2), dot, dot);
    }
  }
}

// The die that an arrow key leads to from another, staying on the grid.
const stepped = (die, key, { rows, columns }) => {
  const [row, column] = [Math.floor(die / columns), die % columns];
  const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  const inside = (value, size) => Math.min(size - 1, Math.max(0, value));
  return inside(row + down, rows) * columns + inside(column + across, columns);
};

