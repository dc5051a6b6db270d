// How dies become pixels: the layers of a map, one pixel a die, and a map on a square of any size.

const STEPS = 256;
const HAIRLINE = 5; // pixels a die is wide before a gap beside it can be spared
const EDGE = 0.53; // the wafer's radius, where the dies end at a half

const decoded = new Map();

const numbers = (text, Kind) => {
  const key = Kind.name + text;
  if (!decoded.has(key)) {
    if (decoded.size > 64) decoded.clear();
    decoded.set(key, new Kind(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer));
  }
  return decoded.get(key);
};

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// The colours of a scale in even steps: red, green, blue and cover, four numbers a step.
const ramp = (stops) => {
  const table = new Float32Array(4 * (STEPS + 1));
  const known = stops.map(([at, colour, cover]) => [at, ...rgb(colour), cover]);
  for (let step = 0, next = 1; step <= STEPS; step++) {
    const at = step / STEPS;
    while (next < known.length - 1 && at > known[next][0]) next++;
    const [from, to] = [known[next - 1], known[next]];
    const share = (at - from[0]) / (to[0] - from[0]);
    for (let part = 0; part < 4; part++) table[4 * step + part] = from[part + 1] + share * (to[part + 1] - from[part + 1]);
  }
  return table;
};

// Lay a colour over a pixel, `parts` holding it from `at` on.
const cover = (pixels, pixel, parts, at, strength) => {
  const above = parts[at + 3] * strength;
  const below = (pixels[pixel + 3] / 255) * (1 - above);
  const whole = above + below;
  if (!whole) return;
  for (let part = 0; part < 3; part++) {
    pixels[pixel + part] = (parts[at + part] * above + pixels[pixel + part] * below) / whole;
  }
  pixels[pixel + 3] = 255 * whole;
};

const layCodes = (pixels, layer, theme) => {
  const codes = numbers(layer.codes, Uint8Array);
  const parts = layer.colours.map((shades) => [...rgb(shades[theme === "dark" ? 1 : 0]), 1]);
  codes.forEach((code, die) => code && cover(pixels, 4 * die, parts[code - 1], 0, 1));
};

const layValues = (pixels, layer, theme) => {
  const table = ramp(layer.scale[theme]);
  const { low, high } = layer.scale;
  numbers(layer.values, Float32Array).forEach((value, die) => {
    if (Number.isNaN(value)) return;
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    cover(pixels, 4 * die, table, 4 * Math.round(STEPS * share), layer.strength);
  });
};

// Return a map as a canvas of one pixel a die; what has no die stays see-through.
const pixelsOf = (map, stage, theme) => {
  const picture = new ImageData(stage.columns, stage.rows);
  for (const layer of map.layers) (layer.codes ? layCodes : layValues)(picture.data, layer, theme);
  const canvas = make("canvas");
  canvas.width = stage.columns;
  canvas.height = stage.rows;
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
};

// Pixels between dies that the map can spare.
const gapOf = (stage, unit) => {
  const cell = unit / Math.max(stage.columns, stage.rows);
  return cell < HAIRLINE ? 0 : cell < 14 ? 1 : 2;
};

const gaps = (pen, stage, { left, top, unit }, page) => {
  const wide = gapOf(stage, unit);
  if (!wide) return;
  pen.fillStyle = page;
  for (let i = 0; i <= stage.columns; i++) pen.fillRect(Math.round(left + (i * unit) / stage.columns), top, wide, unit);
  for (let i = 0; i <= stage.rows; i++) pen.fillRect(left, Math.round(top + (i * unit) / stage.rows), unit, wide);
};

const NOTCHES = { up: -Math.PI / 2, right: 0, down: Math.PI / 2, left: Math.PI };

const outline = (pen, stage, { left, top, unit }, colours) => {
  const [x, y] = [left + unit / 2, top + unit / 2];
  pen.strokeStyle = colours.line;
  pen.lineWidth = Math.max(1, unit / 320);
  pen.beginPath();
  pen.arc(x, y, EDGE * unit, 0, 2 * Math.PI);
  pen.stroke();
  if (!(stage.notch in NOTCHES)) return;
  pen.save();
  pen.translate(x, y);
  pen.rotate(NOTCHES[stage.notch]);
  pen.fillStyle = colours.muted;
  pen.beginPath();
  const size = unit / 36;
  pen.moveTo((EDGE - 0.002) * unit - size, 0);
  pen.lineTo(EDGE * unit + 1, -0.6 * size);
  pen.lineTo(EDGE * unit + 1, 0.6 * size);
  pen.fill();
  pen.restore();
};

const HATCH = 48; // hatching lines across a wafer, along its edge
const FINEST = 4; // pixels between them at least
const SPECK = 3; // pixels a die is wide below which a contour around it alone would hide it

// The rectangle of pixels that a die covers, gaps and all.
const rectangle = (die, stage, { left, top, unit }) => {
  const [row, column] = [Math.floor(die / stage.columns), die % stage.columns];
  const [from, to] = [column, column + 1].map((at) => Math.round(left + (at * unit) / stage.columns));
  const [above, below] = [row, row + 1].map((at) => Math.round(top + (at * unit) / stage.rows));
  return [from, above, to, below];
};

// Diagonals within the path, in the colour of the page so that they show on any shade.
const hatch = (pen, path, { x, y, side }, gap, width, page) => {
  pen.save();
  pen.clip(path);
  pen.strokeStyle = page;
  pen.lineWidth = width;
  pen.beginPath();
  for (let at = gap / 2; at < 2 * side; at += gap) {
    pen.moveTo(x + at, y);
    pen.lineTo(x, y + at);
  }
  pen.stroke();
  pen.restore();
};

const marked = (signs) => {
  const dies = [];
  signs.forEach((sign, die) => sign && dies.push(die));
  return dies;
};

// Marks as most of the dies in the square around each have them: no specks, no pinholes.
const smoothed = (signs, { rows, columns }) => {
  const sums = new Uint8Array(signs.length);
  for (const die of marked(signs)) {
    const [row, column] = [Math.floor(die / columns), die % columns];
    for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y++)
      for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x++) sums[y * columns + x]++;
  }
  return sums.map((sum) => (sum > 4 ? 1 : 0));
};

// First and last of marked dies that stand side by side in a row: one rectangle to clip to instead of many.
const runs = (signs, columns) => {
  const found = [];
  for (const die of marked(signs)) {
    const last = found.at(-1);
    if (last?.[1] === die - 1 && die % columns) last[1] = die;
    else found.push([die, die]);
  }
  return found;
};

// What can be told without colours: hatching over some dies, a contour around others.
const paintSigns = (pen, signs, stage, square, place, colours) => {
  const { unit } = place;
  const width = Math.max(1, Math.round(unit / 240));
  pen.save();
  pen.globalAlpha = signs.strength;
  const against = new Path2D();
  for (const [first, last] of runs(numbers(signs.hatched, Uint8Array), stage.columns)) {
    const [left, top] = rectangle(first, stage, place);
    const [, , right, bottom] = rectangle(last, stage, place);
    against.rect(left, top, right - left, bottom - top);
  }
  hatch(pen, against, square, Math.max(FINEST, unit / HATCH), Math.max(1, unit / 400), colours.page);

  const outlined = numbers(signs.outlined, Uint8Array);
  const inside = unit / Math.max(stage.columns, stage.rows) < SPECK ? smoothed(outlined, stage) : outlined;
  const beyond = (row, column) =>
    row < 0 || row >= stage.rows || column < 0 || column >= stage.columns || !inside[row * stage.columns + column];
  const contour = new Path2D();
  const edge = (x, y, toX, toY) => (contour.moveTo(x, y), contour.lineTo(toX, toY));
  for (const die of marked(inside)) {
    const [left, top, right, bottom] = rectangle(die, stage, place);
    const [row, column] = [Math.floor(die / stage.columns), die % stage.columns];
    if (beyond(row - 1, column)) edge(left, top, right, top);
    if (beyond(row + 1, column)) edge(left, bottom, right, bottom);
    if (beyond(row, column - 1)) edge(left, top, left, bottom);
    if (beyond(row, column + 1)) edge(right, top, right, bottom);
  }
  // Amid the gaps and on whole pixels, or it would be a blur.
  const amid = Math.floor((gapOf(stage, unit) - width) / 2) + width / 2;
  pen.translate(amid, amid);
  pen.strokeStyle = colours.text;
  pen.lineWidth = width;
  pen.lineCap = "square";
  pen.stroke(contour);
  pen.restore();
};

// Draw a map onto a square: `view` is the part of the grid seen, whose left, top and size are shares of the grid.
const paint = (pen, pixels, stage, square, view, colours, signs) => {
  const unit = square.side / view.size;
  const place = { unit, left: square.x - view.left * unit, top: square.y - view.top * unit };
  pen.save();
  pen.beginPath();
  pen.rect(square.x, square.y, square.side, square.side);
  pen.clip();
  pen.imageSmoothingEnabled = false;
  pen.drawImage(pixels, place.left, place.top, unit, unit);
  gaps(pen, stage, place, colours.page);
  if (signs) paintSigns(pen, signs, stage, square, place, colours);
  outline(pen, stage, place, colours);
  pen.restore();
};

