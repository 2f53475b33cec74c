// The list of arguments. Only entries near the viewport are built: a thousand arguments open as fast as ten, the last as fast as
// the first.

const STEP = 60;
const MOST = 5 * STEP; // entries: with more of them the list is rebuilt, since every decision lays out all of them again

const breakpoint = matchMedia("(max-width: 56.2em)");

/** Whether the window is too narrow to show the list beside an argument. */
const narrow = () => breakpoint.matches;

function argumentList(open, summaryOf) {
  let items = [], first = 0, made = 0, current = null; // the items from index `first` up to, not including, `made` have an entry
  const status = h("p", { class: "status", role: "status" });
  const list = h("ol", { class: "arguments", "aria-label": "Arguments" });
  const more = h("div", { class: "more", "aria-hidden": "true" });
  const watcher = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) make(made + STEP); }, { rootMargin: "600px", scrollMargin: "600px" });
  watcher.observe(more);
  const earlier = h("button", { type: "button", class: "quiet", hidden: true, click: () => makeEarlier() }, "Earlier arguments");

  /** Replace the entries by those of the items from index `at` on. */
  function begin(at) {
    first = made = at;
    fill(list);
    earlier.hidden = !first;
    make(first + STEP);
  }

  function makeEarlier() {
    const [from, last] = [Math.max(0, first - STEP), first - 1];
    list.prepend(...items.slice(from, first).map((argument, offset) => entry(argument, from + offset)));
    first = from;
    list.children[last - first].firstChild.focus();
    earlier.hidden = !first;
  }

  function make(upTo) {
    const next = items.slice(made, upTo);
    list.append(...next.map((argument, offset) => entry(argument, made + offset)));
    made += next.length;
    // Observed again, since an element that stays in view is not reported twice.
    watcher.unobserve(more);
    if (made < items.length) watcher.observe(more);
  }

  function entry(argument, index) {
    return h("li", {}, h("button", { type: "button", "data-index": index, "aria-current": argument === current ? "true" : null, click: () => open(argument) }, summaryOf(argument)));
  }

  function show(found, total) {
    items = found;
    fill(status, found.length === total ? count(total, "argument") : `${found.length.toLocaleString("en")} of ${count(total, "argument")}`);
    begin(0);
    list.scrollTop = 0;
  }

  function mark(argument, scroll = true) {
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    current = argument;
    const index = items.indexOf(argument);
    if (index < 0) return;
    const many = made - first > MOST && !list.contains(document.activeElement);
    if (index < first || index >= made || many) begin(Math.max(0, index - STEP / 2));
    const button = list.children[index - first].firstChild;
    button.setAttribute("aria-current", "true");
    if (scroll) button.scrollIntoView({ block: "nearest" });
  }

  function refresh(argument) {
    const index = items.indexOf(argument);
    if (index >= first && index < made) list.children[index - first].replaceWith(entry(argument, index));
  }

  /** The argument `step` places after the one that is open. */
  function beside(step) {
    if (!items.length) return null;
    const index = items.indexOf(current);
    return index < 0 ? items[0] : items[Math.min(items.length - 1, Math.max(0, index + step))];
  }

  const position = () => `${items.indexOf(current) + 1 || "–"} / ${items.length}`;
  return { status, earlier, list, more, show, mark, refresh, beside, position };
}

/** The view of the arguments: selection and list at the side, and the open argument. */
function readerOf(picker, list) {
  const detail = h("div", { class: "detail", id: "detail", tabindex: "-1" });
  const skip = h("button", { type: "button", class: "skip", click: () => detail.focus() }, "Skip the list");
  const side = h("div", { class: "side" }, skip, picker.form, list.status, h("div", { class: "list-scroll" }, list.earlier, list.list, list.more));
  return [h("main", { id: "reader", class: "reader" }, side, detail), detail];
}

/** Buttons to the list and to the previous and next argument, with the position of the open one. */
function stepsOf(argument, list, back, step, system = null) {
  return h("div", { class: "steps" }, h("button", { type: "button", class: "quiet back", click: back }, "‹ List"),
    h("button", { type: "button", class: "quiet", "aria-label": "Previous argument", title: "Previous (k)", click: () => step(-1) }, "‹"),
    h("span", { class: "position muted" }, list.position()),
    h("button", { type: "button", class: "quiet", "aria-label": "Next argument", title: "Next (j)", click: () => step(1) }, "›"),
    h("span", { class: "muted small" }, system ? [shown(system), " · "] : null, "id ", shown(argument.id)));
}

/** An entry of the list: issue, beginning, how many edits of each kind, and where wanted its scores. */
function entryOf(argument, system, states, scores = true) {
  const record = argument.systems[system];
  const parts = [h("span", { class: "issue" }, clip(plain(argument.issue || "(no issue)"), 90)), h("span", { class: "excerpt" }, clip(plain(argument.text).replace(/\s+/g, " "), 150))];
  if (!record) return [...parts, h("span", { class: "facts" }, "missing")];
  const counts = new Map();
  for (const state of states(argument, record)) counts.set(state, (counts.get(state) ?? 0) + 1);
  const tally = Object.keys(STATES).filter((state) => counts.has(state)).map((state) =>
    h("span", { class: `tally ${state}` }, h("span", { "aria-hidden": "true" }, STATES[state].mark), ` ${counts.get(state)}`, hidden(` ${STATES[state].says}`)));
  const fell = overall(record);
  return [...parts, h("span", { class: "facts" }, tally.length ? tally : "no edits",
    record.status === "failed" ? h("strong", { class: "alarm" }, "failed") : null,
    scores && h("span", { class: "numbers" }, fell && fell.fell !== null ? h("span", { title: "P(inappropriate) before and after" }, `${fixed(fell.before)} → ${fixed(fell.after)}`) : null,
      record.reward !== null ? h("strong", { title: "reward" }, fixed(record.reward)) : null))];
}
