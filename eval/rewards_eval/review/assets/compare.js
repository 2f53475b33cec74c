// Two results side by side. The page does not know which system wrote which.

const SIDES = [["left", ["← Left is better", "Above"], "1"], ["tie", ["No difference", "Same"], "0"], ["right", ["Right is better →", "Below"], "2"]];
const SAID = { left: "Left is better", tie: "No difference", right: "Right is better", clear: "Taken back" };
const worded = ([long, short]) => [h("span", { class: "long" }, long), h("span", { class: "short" }, short)]; // in a narrow window one side is above the other

function start(data, decisions) {
  const decided = new Map();
  const opened = { trial: 0, changes: false };
  const note = ({ trial, decision }) => (decision === "clear" ? decided.delete(trial) : decided.set(trial, decision));
  const trail = []; // what was decided on this page, in order
  decisions.forEach(note);
  const help = keyboard([
    [["1", "←"], "the left (or upper) one is better", once(() => decide("left"))],
    [["2", "→"], "the right (or lower) one is better", once(() => decide("right"))],
    [["0", "="], "no difference", once(() => decide("tie"))],
    [["u"], "take the decision back, or else the last one", once(() => takeBack())],
    [["j", "n"], "next", () => step(1)],
    [["k", "p"], "previous", () => step(-1)],
    [["c"], "show or hide changes", () => toggleChanges()],
  ], () => true);
  const bar = reviewBar("Compare", data.reviewer, () => help.showModal());
  const saver = saving(data.digest, () => update());
  saver.waiting().forEach(note);
  const main = h("main", { class: "compare" });
  document.body.append(...bar.nodes, main);

  function update() {
    bar.update(saver.status(), decided.size, data.trials.length);
  }

  function decide(decision) {
    if (!data.trials.length || (decision === "clear" && !decided.has(opened.trial))) return;
    const made = { trial: opened.trial, decision, changes_shown: opened.changes };
    note(made);
    saver.put(made);
    trail.push(opened.trial);
    if (decision !== "clear") opened.trial = nextOpen(opened.trial + 1) ?? opened.trial;
    bar.say(`${SAID[decision]}. Shown: ${opened.trial + 1} of ${data.trials.length}`);
    draw();
  }

  function takeBack() {
    opened.trial = lastDecided(opened.trial, trail, (trial) => decided.has(trial));
    decide("clear");
  }

  function nextOpen(from) {
    const order = data.trials.map((_, offset) => (from + offset) % data.trials.length);
    return order.find((trial) => !decided.has(trial)) ?? null;
  }

  function step(by) {
    opened.trial = Math.min(data.trials.length - 1, Math.max(0, opened.trial + by));
    draw();
  }

  function toggleChanges() {
    opened.changes = !opened.changes;
    draw();
  }

  function draw() {
    hideTip();
    const same = data.same ? `${count(data.same, "argument")} for which both texts are the same ${data.same === 1 ? "is" : "are"} left out.` : null;
    if (!data.trials.length) { fill(main, h("p", { class: "empty" }, "Both systems give the same text for every argument.")); return; }
    const { issue, text, sides } = data.trials[opened.trial];
    const choice = decided.get(opened.trial);
    const focused = document.activeElement?.dataset.key;
    fill(main,
      h("div", { class: "detail-head" },
        h("div", { class: "steps" }, h("button", { type: "button", class: "quiet", "data-key": "previous", "aria-label": "Previous", title: "Previous (k)", click: () => step(-1) }, "‹"),
          h("span", { class: "position muted" }, `${opened.trial + 1} / ${data.trials.length}`),
          h("button", { type: "button", class: "quiet", "data-key": "next", "aria-label": "Next", title: "Next (j)", click: () => step(1) }, "›"),
          h("button", { type: "button", class: "quiet small", "data-key": "changes", "aria-pressed": String(opened.changes), click: () => toggleChanges() }, opened.changes ? "Hide changes" : "Show changes")),
        h("h2", {}, shown(issue || "(no issue)")), h("p", { class: "muted" }, "Which text would you rather see published under this issue?")),
      h("details", { class: "original", open: true }, h("summary", {}, "The original"), h("div", { class: "text" }, shown(text))),
      h("div", { class: "pair" }, sides.map((side, i) => h("section", { class: `candidate${choice === SIDES[i * 2][0] ? " chosen" : ""}`, "aria-labelledby": `side-${i}` },
        h("h3", { id: `side-${i}` }, worded(i ? ["Right", "Below"] : ["Left", "Above"])), h("div", { class: "text" }, opened.changes ? changesOf(text, side) : shown(side.after))))),
      h("div", { class: "choices", role: "group", "aria-label": "Your choice" }, SIDES.map(([value, label, key]) =>
        h("button", { type: "button", "aria-pressed": String(choice === value), title: `${label[0]} (${key})`, "data-decision": value, "data-key": value, click: () => decide(value) }, worded(label), h("kbd", { "aria-hidden": "true" }, key))),
      choice ? h("button", { type: "button", class: "quiet", title: "Take it back (u)", click: () => decide("clear") }, "Undo") : null),
      h("p", { class: "muted small" }, decided.size === data.trials.length ? "Everything is decided; thank you. " : null, same));
    if (focused) main.querySelector(`[data-key="${focused}"]`)?.focus();
  }

  function changesOf(text, side) {
    return segments(text, side.edits).map((part) => {
      if (typeof part === "string") return shown(part);
      const before = beforeOf(text, part.edit);
      return h("span", { class: "edit accepted still", dir: "auto" }, before ? h("del", {}, shown(before)) : null, part.edit.after ? h("ins", {}, shown(part.edit.after)) : null);
    });
  }

  document.title = "Compare";
  opened.trial = nextOpen(0) ?? 0;
  draw();
  update();
}

load(start);
