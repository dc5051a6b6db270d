// All maps of a sheet as one PNG for a report, always on white: title, maps with their captions, scale.

const SIDE = 330;
const MARGIN = 28;
const GUTTER = 30;
const SHARP = 2;

const written = (pen, text, x, y, size, colour, weight = 400) => {
  pen.font = `${weight} ${size}px "Source Sans", "Source Sans Pro", sans-serif`;
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
};

// Write words on as many lines as a width asks for.
const wrapped = (pen, text, x, y, width, size, colour) => {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    pen.font = `400 ${size}px "Source Sans", "Source Sans Pro", sans-serif`;
    if (pen.measureText(longer).width > width && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  lines.forEach((line, i) => written(pen, line, x, y + LINE * i, size, colour));
};

// Dies are drawn in whole pixels of the picture, or the gaps between them would be of many widths.
const drawMap = (pen, stage, map, x, y, colours) => {
  pen.save();
  pen.resetTransform();
  const square = { x: SHARP * x, y: SHARP * y, side: SHARP * SIDE };
  paint(pen, pixelsOf(map, stage, "light"), stage, square, WHOLE, colours, map.signs);
  pen.restore();
};

const LINE = 17;

const drawFacts = (pen, facts, x, y, colours) => {
  facts.forEach(({ label, text, grave }, i) => {
    written(pen, label, x, y + LINE * i, 12, colours.muted);
    const after = x + pen.measureText(label).width + 10;
    written(pen, (grave ? "\u26a0 " : "") + text, after, y + LINE * i, 12, colours.text, grave ? 650 : 400);
  });
};

const drawGroup = (pen, sheet, group, x, y, colours) => {
  written(pen, group.title, x, y, 15, colours.text, 650);
  const after = pen.measureText(group.title).width + 8;
  written(pen, group.note, x + after, y, 12, colours.muted);
  group.maps.forEach((told, i) => {
    const left = x + i * (SIDE + GUTTER);
    written(pen, told.caption, left, y + 20, 12, colours.muted);
    if (told.map) drawMap(pen, sheet.stage, told.map, left, y + 28, colours);
    else written(pen, told.message || "", left, y + 52, 12, colours.muted);
    drawFacts(pen, told.facts || [], left, y + SIDE + 46, colours);
  });
};

const drawScale = (pen, scale, x, y, room, colours) => {
  const wide = 360;
  const shades = pen.createLinearGradient(x, 0, x + wide, 0);
  for (const [at, colour, covers] of scale.light) shades.addColorStop(at, `rgba(${rgb(colour)},${covers})`);
  pen.fillStyle = shades;
  pen.fillRect(x, y, wide, 10);
  const hatched = new Path2D();
  hatched.rect(x, y, wide * (scale.hatched || 0), 10);
  hatch(pen, hatched, { x, y, side: wide }, FINEST, 1, colours.page);
  [...scale.ticks].forEach((tick, i) => {
    written(pen, tick, x + (wide * i) / 2 - (i * pen.measureText(tick).width) / 2, y + 24, 12, colours.muted);
  });
  wrapped(pen, scale.note, x + wide + 20, y, room - wide - 20, 12, colours.muted);
  if (!scale.ends) return;
  written(pen, scale.ends[0], x, y - 6, 12, colours.muted);
  written(pen, scale.ends[1], x + wide - pen.measureText(scale.ends[1]).width, y - 6, 12, colours.muted);
};

const picture = (sheet, colours) => {
  const across = Math.min(2, sheet.groups.length);
  const facts = Math.max(0, ...sheet.groups.flatMap((group) => group.maps.map((told) => told.facts?.length || 0)));
  const [wide, high] = [2 * SIDE + GUTTER, SIDE + 48 + (facts && LINE * (facts + 1))];
  const [columns, rows] = [across, Math.ceil(sheet.groups.length / across)];
  const { title, line, warnings } = sheet.save;
  const top = MARGIN + 68 + (warnings.length && LINE * warnings.length + 6);
  const canvas = make("canvas");
  canvas.width = SHARP * (2 * MARGIN + columns * wide + (columns - 1) * MARGIN);
  canvas.height = SHARP * (top + rows * high + MARGIN + 32);
  const pen = canvas.getContext("2d");
  pen.scale(SHARP, SHARP);
  pen.fillStyle = colours.page;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  written(pen, title, MARGIN, MARGIN + 12, 20, colours.text, 650);
  written(pen, line, MARGIN, MARGIN + 34, 13, colours.muted);
  warnings.forEach((told, i) => written(pen, "\u26a0 " + told, MARGIN, MARGIN + 56 + LINE * i, 13, colours.text, 650));
  sheet.groups.forEach((group, i) => {
    const [column, row] = [i % across, Math.floor(i / across)];
    drawGroup(pen, sheet, group, MARGIN + column * (wide + MARGIN), top + row * high, colours);
  });
  if (sheet.scale) drawScale(pen, sheet.scale, MARGIN, top + 2 + rows * high, canvas.width / SHARP - 2 * MARGIN, colours);
  return canvas;
};

const savePicture = (sheet, colours) =>
  picture(sheet, colours).toBlob((blob) => {
    const link = make("a");
    link.href = URL.createObjectURL(blob);
    link.download = sheet.save.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");

