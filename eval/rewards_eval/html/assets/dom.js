// Elements and texts. Nothing here, or anywhere, parses markup: every text of the data becomes a text node.

// Invisible characters, and those that reorder text (bidi). Joiners are kept after non-ASCII characters, where they belong.
const UNSEEN = new RegExp(
  "[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u034f\\u115f\\u1160\\u2800\\u3164\\uffa0]" +
    "|\\r(?!\\n)|(?<=^|[\\u0000-\\u007f])[\\u200c\\u200d]|[\\u{e0000}-\\u{e007f}]|[\\ud800-\\udfff]", "gu");

const code = (char) => `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** The text with invisible characters written out, for places that hold plain text only. */
const plain = (text) => String(text).replace(UNSEEN, (char) => `[${code(char)}]`);

/** The text as nodes, with invisible characters as labelled marks. */
function shown(text) {
  const nodes = document.createDocumentFragment();
  let from = 0;
  for (const match of String(text).matchAll(UNSEEN)) {
    nodes.append(String(text).slice(from, match.index), h("span", { class: "unseen", title: "a character that is not seen" }, code(match[0])));
    from = match.index + match[0].length;
  }
  nodes.append(String(text).slice(from));
  return nodes;
}

/** An element. Properties that are functions become event listeners; `false` and `null` leave a property out. */
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  return fill(element, ...children);
}

/** The same element with other children. */
function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const hidden = (text) => h("span", { class: "hidden" }, text);

const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** A number with this many decimals, separated thousands, a typographic minus, and no minus before zero. */
function fixed(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return Number(value.toFixed(digits)) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** A name with optional line breaks after underscores. */
const named = (name) => plain(name).split(/(?<=_)(?=[^_])/).flatMap((part, i) => (i ? [h("wbr"), part] : [part]));

/** The threshold of a value, with the relation sign before it. */
const limitOf = (threshold, higher) => `${higher === false ? "≤" : "≥"} ${Number(threshold.toPrecision(4))}`;

/** Whether a gate was passed, as a sign, and in words that are visible only with `said`; nothing for a reward that is no gate. */
function gateMark(reward, passed, said = hidden) {
  if (passed === null || !reward.gate) return null;
  return h("span", { class: passed ? "pass" : "miss" }, passed ? "✓" : "✕", said(passed ? " passed" : " not passed"));
}

/** A value kept between visits where the browser allows it. */
const memory = {
  get(key) {
    try { return localStorage.getItem(`rewards.${key}`); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(`rewards.${key}`, value); } catch { /* a page opened from a file may have no storage */ }
  },
  drop(key) {
    try { localStorage.removeItem(`rewards.${key}`); } catch { /* as above */ }
  },
  keys(start) {
    try { return Object.keys(localStorage).filter((key) => key.startsWith(`rewards.${start}`)).map((key) => key.slice("rewards.".length)); } catch { return []; }
  },
};

/** A row of buttons of which one is pressed. */
function choice(label, options, chosen, change) {
  const group = h("div", { class: "choice", role: "group", "aria-label": label });
  for (const [value, text] of options) {
    group.append(h("button", {
      type: "button", "aria-pressed": String(value === chosen), "data-value": value, click: () => {
        for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.value === value));
        change(value);
      },
    }, text));
  }
  return group;
}

/** The choice of colours: light, dark, or the system's. */
function themeButton() {
  const names = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" };
  const order = Object.keys(names);
  let now = order.includes(memory.get("theme")) ? memory.get("theme") : "auto";
  const button = h("button", { type: "button", class: "quiet", id: "theme", title: "Colours: as the system, light, dark (t)" });
  const apply = () => {
    if (now === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    fill(button, names[now]);
    button.setAttribute("aria-label", `Colours: ${now}`);
  };
  button.addEventListener("click", () => {
    now = order[(order.indexOf(now) + 1) % order.length];
    memory.set("theme", now);
    apply();
  });
  apply();
  return button;
}
