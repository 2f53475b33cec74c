// Suggestions one by one: accept, reject, amend, and see the text that comes out.

const DECIDED = { accept: "accepted", reject: "rejected", amend: "amended" };

function start(data, decisions) {
  const systems = data.systems;
  const decided = new Map();
  const keyOf = (argument, system, edit) => JSON.stringify([argument, system, edit]);
  const placeOf = new Map(data.arguments.map((argument, place) => [argument, place]));
  const opened = { argument: null, edit: 0, scores: memory.get("scores") === "shown" };
  const keptDrafts = () => new Map(JSON.parse(memory.get(`drafts.${data.digest}`) ?? "[]"));
  const drafts = keptDrafts(); // amendments being typed, by edit
  const trail = []; // what was decided on this page, in order
  const total = data.arguments.flatMap((argument) => Object.values(argument.systems)).flatMap((record) => record.edits).filter((edit) => edit.kind !== INVALID).length;

  const note = ({ argument, system, edit, decision, amended }) => {
    if (decision === "clear") decided.delete(keyOf(argument, system, edit));
    else decided.set(keyOf(argument, system, edit), { decision, amended });
  };
  /** Store the amendment typed for an edit, or delete it; those typed in other tabs are kept. */
  const keepDraft = (key, text) => {
    const kept = keptDrafts();
    for (const all of [drafts, kept]) text === undefined ? all.delete(key) : all.set(key, text);
    memory.set(`drafts.${data.digest}`, JSON.stringify([...kept]));
  };
  decisions.forEach(note);
  const help = keyboardOf();
  const bar = reviewBar("Review", data.reviewer, () => help.showModal());
  const saver = saving(data.digest, () => update());
  saver.waiting().forEach(note);

  const verdictOn = (argument, index, system = picker.state.system) => decided.get(keyOf(placeOf.get(argument), system, index));
  const stateOf = (argument, edit, index, system) => (edit.kind === INVALID ? "invalid" : DECIDED[verdictOn(argument, index, system)?.decision] ?? "pending");
  const statesOf = (argument, record) => record.edits.map((edit, index) => stateOf(argument, edit, index));
  const conditions = {
    any: CONDITIONS.any,
    open: ["with undecided edits", (record, argument) => record && statesOf(argument, record).includes("pending")],
    done: ["decided in full", (record, argument) => record && !statesOf(argument, record).includes("pending")],
    amended: ["with amendments", (record, argument) => record && statesOf(argument, record).includes("amended")],
    invalid: CONDITIONS.invalid,
  };
  const { file, edits, length } = ORDERS;
  const picker = selection(data.arguments, systems, () => refreshList(), conditions, { file, edits, length });
  const list = argumentList((argument) => openArgument(argument, true), (argument) => entryOf(argument, picker.state.system, statesOf, opened.scores));
  const [reader, detail] = readerOf(picker, list);
  document.body.append(...bar.nodes, reader);

  function update() {
    bar.update(saver.status(), decided.size, total);
  }

  function refreshList() {
    const found = picker.chosen();
    list.show(found, data.arguments.length);
    if (opened.argument && found.includes(opened.argument)) { list.mark(opened.argument); draw(); }
    else if (found.length) openArgument(found.find((one) => nextOpen(one, 0) !== null) ?? found[0], false);
    else { opened.argument = null; fill(detail, h("p", { class: "empty" }, "No argument fits the filters.")); }
  }

  function openArgument(argument, go) {
    hideTip();
    opened.argument = argument;
    opened.edit = nextOpen(argument, 0) ?? 0;
    list.mark(argument);
    draw();
    detail.scrollTop = 0;
    if (!go) return;
    document.body.dataset.open = "argument";
    if (narrow()) { scrollTo(0, 0); detail.focus({ preventScroll: true }); } // the list, which had the focus, is gone
  }

  /** The first undecided edit from `from` on, continuing at the start after the end. */
  function nextOpen(argument, from) {
    const states = statesOf(argument, argument.systems[picker.state.system] ?? { edits: [] });
    const order = states.map((_, offset) => (from + offset) % states.length);
    return order.find((index) => states[index] === "pending") ?? null;
  }

  function draw() {
    const { argument } = opened, system = picker.state.system, record = argument.systems[system];
    const head = h("div", { class: "detail-head" }, stepsOf(argument, list, () => backToList(argument), step, systems.length > 1 ? system : null),
      h("h2", {}, shown(argument.issue || "(no issue)")));
    fill(detail, head, record ? suggestions(argument, record) : h("p", { class: "empty" }, "This system has no record of the argument."));
  }

  function backToList(argument) {
    document.body.dataset.open = "list";
    list.mark(argument);
    list.list.querySelector("[aria-current]")?.focus();
  }

  function suggestions(argument, record) {
    const text = textOf(argument, record), states = statesOf(argument, record);
    const rewards = opened.scores ? (data.rewards[picker.state.system] ?? []).filter((reward) => reward.level === "edit") : null;
    const afterOf = (edit, index) => verdictOn(argument, index)?.amended ?? edit.after;
    const tracked = h("div", { class: "text" }, segments(text, record.edits).map((part) => (typeof part === "string" ? shown(part)
      : withFocus(inlineEdit(text, part, states[part.index], afterOf(part.edit, part.index), () => tipOf(part.edit, part.index, states[part.index], rewards)), part))));
    const kept = record.edits.map((edit, index) => ({ ...edit, after: afterOf(edit, index), state: states[index] })).filter(({ state }) => state === "accepted" || state === "amended");
    const left = states.filter((state) => state === "pending").length;
    return h("div", { class: "system halves" },
      h("div", {}, h("h3", { class: "hidden" }, "Suggestions"), tracked,
        h("h4", {}, count(record.edits.length, "suggestion"), h("button", { type: "button", class: "quiet small", "data-key": "scores", "aria-pressed": String(opened.scores), click: () => toggleScores() }, opened.scores ? "Hide scores" : "Show scores")),
        record.edits.length ? h("ol", { class: "cards" }, record.edits.map((edit, index) => cardOf(argument, text, edit, index, states[index], rewards))) : h("p", { class: "empty" }, "Nothing was suggested.")),
      h("aside", { class: "result", "aria-label": "Resulting text" }, h("h4", {}, "Resulting text"),
        h("div", { class: "text" }, shown(applyEdits(text, record.spans, kept))),
        h("p", { class: "muted small" }, left ? `${count(left, "suggestion")} undecided, left out so far.` : "Everything is decided; j goes on.")));
  }

  /** An edit in the text that is decided on by the keys when it has the focus, as its card is. */
  function withFocus(element, { edit, index }) {
    if (edit.kind !== INVALID) for (const comes of ["click", "focus"]) element.addEventListener(comes, () => makeCurrent(index));
    return element;
  }

  function cardOf(argument, text, edit, index, state, rewards) {
    const valid = edit.kind !== INVALID, verdict = verdictOn(argument, index);
    const button = (decision, label, key) => h("button", { type: "button", "aria-pressed": String(verdict?.decision === decision), title: `${label} (${key})`, "data-decision": decision,
      click: () => (decision === "amend" ? amend(index) : decide(index, decision)) }, label, h("kbd", { "aria-hidden": "true" }, key));
    const actions = valid ? h("div", { class: "actions", role: "group", "aria-label": `Decide on edit ${index + 1}` }, button("accept", "Accept", "a"), button("reject", "Reject", "r"), button("amend", "Amend", "e"),
      verdict ? h("button", { type: "button", class: "quiet", title: "Take it back (u)", click: () => decide(index, "clear") }, "Undo") : null) : null;
    const drafting = drafts.has(keyNow(index));
    const amended = verdict?.decision === "amend" && !drafting ? h("p", { class: "change amendment" }, h("span", { class: "muted" }, "Amended: "), verdict.amended ? h("ins", {}, shown(verdict.amended)) : h("span", { class: "muted" }, "deleted")) : null;
    const card = editCard(text, edit, index, state, rewards, [amended, drafting ? amendment(index) : actions]);
    card.tabIndex = -1;
    if (valid && index === opened.edit) { card.classList.add("current"); card.setAttribute("aria-current", "true"); }
    if (valid) card.addEventListener("focusin", () => makeCurrent(index));
    return card;
  }

  function amendment(index) {
    const key = keyNow(index);
    const area = h("textarea", { rows: "3", maxlength: "20000", dir: "auto", "aria-label": `Text in place of edit ${index + 1}`, input: (event) => keepDraft(key, event.target.value),
      keydown: (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); save(); }
        if (event.key === "Escape") { event.stopPropagation(); cancel(); }
      } });
    area.value = drafts.get(key);
    const save = () => { const text = drafts.get(key).toWellFormed(); keepDraft(key); decide(index, "amend", text); };
    const cancel = () => { keepDraft(key); draw(); focusCard(index); };
    return h("div", { class: "amending" }, area, h("div", { class: "actions" }, h("button", { type: "button", class: "primary", click: save }, "Save ", h("kbd", { "aria-hidden": "true" }, "Ctrl ⏎")),
      h("button", { type: "button", class: "quiet", click: cancel }, "Cancel")));
  }

  function amend(index) {
    const edit = recordNow()?.edits[index];
    if (!edit || edit.kind === INVALID) return;
    if (!drafts.has(keyNow(index))) drafts.set(keyNow(index), verdictOn(opened.argument, index)?.amended ?? edit.after);
    opened.edit = index;
    draw();
    detail.querySelector(`.card[data-edit="${index}"] textarea`)?.focus();
  }

  function decide(index, decision, amended = null) {
    const edit = recordNow()?.edits[index];
    if (!edit || edit.kind === INVALID || (decision === "clear" && !verdictOn(opened.argument, index))) return;
    const made = { argument: placeOf.get(opened.argument), system: picker.state.system, edit: index, decision, amended, scores_shown: opened.scores };
    note(made);
    saver.put(made);
    trail.push([opened.argument, made.system, index]);
    bar.say(`Edit ${index + 1} ${DECIDED[decision] ?? "undecided"}, ${decided.size} of ${total} decided`);
    opened.edit = decision === "clear" ? index : nextOpen(opened.argument, index + 1) ?? index;
    draw();
    list.refresh(opened.argument);
    focusCard(opened.edit);
  }

  function takeBack() {
    const isDecided = ([argument, system, edit]) => system === picker.state.system && verdictOn(argument, edit);
    const [argument, , edit] = lastDecided([opened.argument, picker.state.system, opened.edit], trail, isDecided);
    if (argument !== opened.argument) openArgument(argument, true);
    decide(edit, "clear");
  }

  const keyNow = (index) => keyOf(placeOf.get(opened.argument), picker.state.system, index);
  const recordNow = () => opened.argument?.systems[picker.state.system];

  function makeCurrent(index) {
    opened.edit = index;
    for (const card of detail.querySelectorAll(".card")) {
      card.classList.toggle("current", Number(card.dataset.edit) === index);
      if (Number(card.dataset.edit) === index) card.setAttribute("aria-current", "true"); // an empty value would mean false
      else card.removeAttribute("aria-current");
    }
    for (const edit of detail.querySelectorAll(".edit")) edit.classList.toggle("lit", Number(edit.dataset.edit) === index);
  }

  function focusCard(index, go = true) {
    const card = detail.querySelector(`.card[data-edit="${index}"]`);
    card?.focus({ preventScroll: true });
    if (go) card?.scrollIntoView({ block: "nearest" });
    makeCurrent(index);
  }

  function moveEdit(by) {
    const edits = recordNow()?.edits ?? [];
    for (let index = opened.edit + by; index >= 0 && index < edits.length; index += by) {
      if (edits[index].kind !== INVALID) { focusCard(index); return; }
    }
  }

  function step(by) {
    const next = list.beside(by);
    if (next && next !== opened.argument) { openArgument(next, true); focusCard(opened.edit, false); } // without scrolling to the card: the text comes first, however long
  }

  function toggleScores() {
    const held = document.activeElement.closest("[data-key], .detail");
    opened.scores = !opened.scores;
    memory.set("scores", opened.scores ? "shown" : "hidden");
    refreshList();
    if (held === detail) focusCard(opened.edit);
    else if (held) detail.querySelector(`[data-key="${held.dataset.key}"]`)?.focus();
  }

  function keyboardOf() {
    return keyboard([
      [["a"], "accept the edit", once(() => decide(opened.edit, "accept"))],
      [["r"], "reject it", once(() => decide(opened.edit, "reject"))],
      [["e"], "amend it", () => amend(opened.edit)],
      [["u"], "take the decision back, or else the last one", once(() => takeBack())],
      [["n", "↓"], "next edit", () => moveEdit(1)],
      [["p", "↑"], "previous edit", () => moveEdit(-1)],
      [["j", "→"], "next argument", () => step(1)],
      [["k", "←"], "previous argument", () => step(-1)],
      [["/"], "search", () => { document.body.dataset.open = "list"; picker.search.focus(); picker.search.select(); }],
      [["s"], "show or hide scores", () => toggleScores()],
    ], () => true);
  }

  document.title = `Review · ${plain(systems.join(", "))}`;
  document.body.dataset.open = "argument";
  refreshList();
  update();
}

load(start);
