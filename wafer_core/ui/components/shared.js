// What the scripts of all elements share; it stands before each of them.

const make = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};

// While a script loads, the browser may call it for later data first.
const outdated = (element, { session, drawn }) => {
  const shown = element.dataset;
  if (session === shown.session && drawn < Number(shown.drawn)) return true;
  Object.assign(shown, { session, drawn });
  return false;
};

const themeOf = (element) => {
  const probe = make("span");
  probe.style.color = "var(--st-background-color)";
  element.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
};

// Gives the style the roles' colours and returns which theme holds.
const dressed = (element, colours) => {
  const theme = themeOf(element);
  element.style.setProperty("--teacher", colours[theme].teacher);
  element.style.setProperty("--student", colours[theme].student);
  return theme;
};

