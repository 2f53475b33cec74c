// The page: two views, one selection, one argument open.

const data = JSON.parse(document.getElementById("data").textContent);
const { report } = data;
const systems = report.systems.map((system) => system.name);
const opened = { argument: null, view: "tracked", picked: systems[0], systems: systems.slice(0, 1) };

document.title = plain(report.title);
const picker = selection(data.arguments, systems, () => refreshList());
const listed = argumentList((argument) => openArgument(argument, true), (argument) => entryOf(argument, picker.state.system, (_, record) => record.edits.map((edit) => KIND[edit.kind])));
const [reader, detail] = readerOf(picker, listed);
const first = overview(report);
const tabs = [["overview", "Overview"], ["arguments", "Arguments"]].map(([key, text]) => h("a", { href: `#${key}`, "data-tab": key }, text));
document.body.append(h("header", { class: "top" }, h("h1", {}, shown(report.title)), h("nav", { "aria-label": "Views" }, tabs),
  h("div", { class: "tools" }, themeButton(), helpButton(() => help.showModal()))), first, reader);

function refreshList() {
  const found = picker.chosen();
  if (opened.picked !== picker.state.system) {
    opened.picked = picker.state.system;
    if (opened.systems.length < 2) { opened.systems = [opened.picked]; draw(); }
  }
  listed.show(found, data.arguments.length);
  const lost = !found.includes(opened.argument);
  if (!found.length) showNothing();
  else if (lost && (!narrow() || opened.argument)) openArgument(found[0], false);
  else listed.mark(opened.argument);
  detail.querySelector(".position")?.replaceChildren(listed.position());
}

function showNothing() {
  opened.argument = null;
  fill(detail, h("p", { class: "empty" }, "No argument fits the filters."));
}

/** Show an argument; with `go` also in the address and in a narrow window, where it replaces the list. */
function openArgument(argument, go) {
  hideTip();
  opened.argument = argument;
  if (!opened.systems.some((name) => argument.systems[name]) && opened.systems.length < 2) opened.systems = [picker.state.system];
  listed.mark(argument);
  draw();
  detail.scrollTop = 0;
  if (go) {
    history.replaceState(null, "", `#argument=${encodeURIComponent(JSON.stringify(argument.id))}`);
    document.body.dataset.open = "argument";
    if (narrow()) {
      scrollTo(0, 0);
      if (listed.list.contains(document.activeElement)) detail.focus({ preventScroll: true }); // the list is gone
    }
  }
}

function draw() {
  const { argument } = opened;
  if (!argument) return;
  const several = systems.length > 1 ? h("div", { class: "choice", role: "group", "aria-label": "Systems shown side by side" }, systems.map((name) =>
    h("button", { type: "button", "aria-pressed": String(opened.systems.includes(name)), click: () => toggleSystem(name) }, shown(name)))) : null;
  const focused = buttons().indexOf(document.activeElement);
  fill(detail,
    h("div", { class: "detail-head" },
      stepsOf(argument, listed, backToList, step),
      h("h2", {}, shown(argument.issue || "(no issue)")),
      h("div", { class: "switches" }, choice("Text", VIEWS, opened.view, (view) => { opened.view = view; draw(); }), several)),
    detailOf(argument, systems.filter((name) => opened.systems.includes(name)), opened.view, data.rewards),
    argument.reference ? h("details", { class: "reference", open: true }, h("summary", {}, "Rewritten by a person"), h("div", { class: "text" }, shown(argument.reference))) : null);
  buttons()[focused]?.focus({ preventScroll: true });
}

// Drawing replaces these by the same number of new ones; the focus stays on the same one.
const buttons = () => [...detail.querySelectorAll(".detail-head button")];

function toggleSystem(name) {
  const on = opened.systems.includes(name);
  if (on && opened.systems.length === 1) return;
  opened.systems = on ? opened.systems.filter((other) => other !== name) : [...opened.systems, name];
  draw();
}

function step(by) {
  const next = listed.beside(by);
  if (next && (next !== opened.argument || document.body.dataset.open !== "argument")) openArgument(next, true);
}

function backToList() {
  document.body.dataset.open = "list";
  history.replaceState(null, "", "#arguments");
  listed.mark(opened.argument);
  listed.list.querySelector("[aria-current]")?.focus();
}

function focusEdit(by) {
  const all = [...detail.querySelectorAll(".edit")];
  const now = all.indexOf(document.activeElement);
  const next = now < 0 ? (by > 0 ? all[0] : all.at(-1)) : all[now + by];
  next?.scrollIntoView({ block: "nearest" });
  next?.focus();
}

const scrolled = {}; // the scroll position of each view, to be restored

function show(tab) {
  const before = document.body.dataset.tab;
  if (before && before !== tab) scrolled[before] = scrollY;
  document.body.dataset.tab = tab;
  first.hidden = tab !== "overview";
  reader.hidden = tab !== "arguments";
  for (const link of tabs) {
    if (link.dataset.tab === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (before !== tab) scrollTo(0, scrolled[tab] ?? 0);
  hideTip();
}

function route() {
  const match = /^#argument=(.*)$/.exec(location.hash);
  let wanted = null;
  if (match) {
    try {
      const id = JSON.parse(decodeURIComponent(match[1]));
      wanted = data.arguments.find((argument) => argument.id === id) ?? null;
    } catch { /* an invalid address, typed by hand */ }
  }
  show(match || location.hash === "#arguments" ? "arguments" : "overview");
  if (wanted) openArgument(wanted, true);
  else if (location.hash === "#arguments") document.body.dataset.open = "list";
}

// Up and down scroll the overview, and the argument while it has the focus; elsewhere they go through the list.
const arrowsStep = (event) => !reader.hidden && (!["ArrowUp", "ArrowDown"].includes(event.key) || !detail.contains(event.target));

const go = (tab) => { location.hash = `#${tab}`; };
const inReader = (action) => (event) => { if (reader.hidden) go("arguments"); else action(event); };
const help = keyboard([
  [["j", "↓", "→"], "next argument", inReader(() => step(1))],
  [["k", "↑", "←"], "previous argument", inReader(() => step(-1))],
  [["n"], "next edit, with its scores", inReader(() => focusEdit(1))],
  [["p"], "previous edit", inReader(() => focusEdit(-1))],
  [["/"], "search", () => { if (reader.hidden) show("arguments"); if (narrow()) backToList(); picker.search.focus(); picker.search.select(); }],
  [["v"], "changes, after, before", inReader(() => { const at = VIEWS.findIndex(([key]) => key === opened.view); opened.view = VIEWS[(at + 1) % VIEWS.length][0]; draw(); })],
  [["s"], "all systems side by side, or one", inReader(() => { opened.systems = opened.systems.length > 1 ? [picker.state.system] : [...systems]; draw(); })],
  [["o"], "overview", () => go("overview")],
  [["a"], "arguments", () => go("arguments")],
], arrowsStep);
addEventListener("hashchange", route);
breakpoint.addEventListener("change", refreshList);
route();
refreshList();
