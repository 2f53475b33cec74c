// Which arguments are listed, and in which order.

/** Sorted, with missing values last in either direction. */
function compareValues(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  return down ? -order : order;
}

const CONDITIONS = {
  any: ["all arguments", () => true],
  accepted: ["with accepted edits", (record) => record?.edits.some((edit) => edit.kind === ACCEPTED)],
  none: ["with no accepted edit", (record) => record && !record.edits.some((edit) => edit.kind === ACCEPTED)],
  rejected: ["with rejected edits", (record) => record?.edits.some((edit) => edit.kind === REJECTED)],
  invalid: ["with invalid edits", (record) => record?.edits.some((edit) => edit.kind === INVALID)],
  failed: ["where scoring failed", (record) => record?.status === "failed"],
  problem: ["completion not read in full", (record) => record?.problem],
  missing: ["missing for the system", (record) => !record],
};

const ORDERS = {
  file: ["order of the file", (_, __, index) => index],
  reward: ["reward", (record) => record?.reward ?? null],
  change: ["fall of P(inappropriate)", (record) => (record ? overall(record)?.fell ?? null : null)],
  edits: ["number of edits", (record) => record?.edits.length ?? null],
  accepted: ["accepted edits", (record) => record?.edits.filter((edit) => edit.kind === ACCEPTED).length ?? null],
  length: ["length", (_, argument) => argument.text.length],
  spread: ["difference between systems", (_, argument) => {
    const rewards = Object.values(argument.systems).map((record) => record.reward).filter((reward) => reward !== null);
    return rewards.length > 1 ? Math.max(...rewards) - Math.min(...rewards) : null;
  }],
};

/** The state of the selection, the arguments that it lets through, and the controls that change it. */
function selection(all, systems, changed, conditions = CONDITIONS, orders = ORDERS) {
  const everything = { search: "", issue: "", condition: "any", reason: "", system: systems[0], order: "file", down: false };
  const state = { ...everything };
  const haystacks = all.map((argument) =>
    [argument.id, argument.issue, argument.text, ...Object.values(argument.systems).flatMap((record) => record.edits.map((edit) => edit.after))].join("\n").toLowerCase());
  const places = new Map(all.map((argument, index) => [argument, index]));

  function chosen() {
    const wanted = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    const [, lets] = conditions[state.condition];
    const found = all.filter((argument, index) => {
      const record = argument.systems[state.system];
      return (!state.issue || argument.issue === state.issue) && lets(record, argument) &&
        (!state.reason || record?.edits.some((edit) => (edit.reason ?? "") === state.reason)) &&
        wanted.every((word) => haystacks[index].includes(word));
    });
    const [, keyOf] = orders[state.order];
    const keys = new Map(found.map((argument) => [argument, keyOf(argument.systems[state.system], argument, places.get(argument))]));
    return found.sort((a, b) => compareValues(keys.get(a), keys.get(b), state.down) || places.get(a) - places.get(b));
  }

  const set = (key, value) => { state[key] = value; changed(); };
  const counted = (values) => [...values.reduce((map, value) => map.set(value, (map.get(value) ?? 0) + 1), new Map())];
  const pick = (label, key, options, picked = (value) => set(key, value)) => h("label", { class: "field" }, h("span", {}, label),
    h("select", { name: key, change: (event) => picked(event.target.value) }, options.map(([value, text]) => h("option", { value }, text))));

  const reasons = counted(all.flatMap((argument) => Object.values(argument.systems).flatMap((record) => record.edits.map((edit) => edit.reason ?? ""))).filter(Boolean));
  const issues = counted(all.map((argument) => argument.issue)).sort((a, b) => String(a[0]).localeCompare(String(b[0])));
  const listed = (pairs) => pairs.map(([value, number]) => [value, `${clip(plain(value).trim() || "(none)", 60)} (${number})`]);
  const search = h("input", { type: "search", name: "search", placeholder: "Search  /", "aria-label": "Search the arguments and their edits", autocomplete: "off", spellcheck: "false",
    input: (event) => set("search", event.target.value) });
  const direction = h("button", { type: "button", class: "quiet", id: "direction", click: () => turn() });
  const showDirection = () => { fill(direction, state.down ? "↓" : "↑"); direction.setAttribute("aria-label", state.down ? "Descending; turn" : "Ascending; turn"); };
  const turn = () => { state.down = !state.down; showDirection(); changed(); };
  showDirection();
  const offered = Object.entries(orders).filter(([key]) => key !== "spread" || systems.length > 1).map(([key, [text]]) => [key, text]);
  const orderField = pick("Sort by", "order", offered, (value) => {
    Object.assign(state, { order: value, down: value !== "file" });
    showDirection();
    changed();
  });
  const form = h("form", { class: "filters", role: "search", submit: (event) => event.preventDefault() }, search,
    h("details", { open: matchMedia("(min-width: 56.25em)").matches }, h("summary", {}, "Filter and sort"),
      systems.length > 1 ? pick("System", "system", systems.map((name) => [name, plain(name)])) : null,
      pick("Show", "condition", Object.entries(conditions).map(([key, [text]]) => [key, text])),
      reasons.length ? pick("Reason", "reason", [["", "any reason"], ...listed(reasons.sort((a, b) => b[1] - a[1]))]) : null,
      issues.length > 1 ? pick("Issue", "issue", [["", "any issue"], ...listed(issues)]) : null,
      h("div", { class: "sorting" }, orderField, direction),
      h("button", { type: "button", class: "quiet reset", click: () => reset() }, "Reset")));
  const reset = () => {
    Object.assign(state, everything);
    search.value = "";
    for (const field of form.querySelectorAll("select")) field.value = state[field.name];
    showDirection();
    changed();
  };
  return { state, chosen, form, search };
}

/** The text, cut to `length` UTF-16 code units with an ellipsis, and never inside a surrogate pair. */
const clip = (text, length) => (text.length > length ? `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "").trimEnd()}…` : text);
