// Edits as tracked changes, with their scores on hover and on focus.

const tip = h("div", { id: "tip", role: "tooltip", hidden: true });
let tipOwner = null;

function hideTip() {
  tip.hidden = true;
  tipOwner?.removeAttribute("aria-describedby");
  tipOwner = null;
}

function showTip(owner, content) {
  if (tipOwner === owner) return;
  hideTip();
  tipOwner = owner;
  owner.closest("main").append(tip);
  fill(tip, content);
  tip.hidden = false;
  owner.setAttribute("aria-describedby", "tip");
  placeTip();
}

function placeTip() {
  const owner = tipOwner;
  const box = owner.getClientRects()[0] ?? owner.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left), document.documentElement.clientWidth - size.width - 8);
  const last = owner.getBoundingClientRect().bottom;
  const below = last + 8 + size.height < innerHeight;
  tip.style.left = `${left}px`;
  tip.style.top = `${below ? last + 6 : Math.max(8, box.top - size.height - 6)}px`;
}

// The scores stay open while the pointer moves onto them, to read or copy them.
let leaving = null;
tip.addEventListener("pointerenter", () => clearTimeout(leaving));
tip.addEventListener("pointerleave", hideTip);
document.addEventListener("scroll", () => {
  if (tipOwner && tipOwner === document.activeElement) placeTip();
  else hideTip();
}, true);

/** What an edit does, in words for screen readers. */
const inWords = (before, after) => (before && after ? `“${plain(before)}” becomes “${plain(after)}”. ` : `“${plain(before || after)}” is ${before ? "deleted" : "inserted"}. `);

/** One edit inside its text. `rest` builds the details that hover and focus show. */
function inlineEdit(text, { edit, index }, state, after, rest) {
  const { mark, says: word } = STATES[state];
  const before = beforeOf(text, edit);
  const says = () => [hidden(inWords(before, after)), rest()];
  const element = h("span", {
    class: `edit ${state}`, dir: "auto", tabindex: "0", role: "group", "data-edit": index, "aria-label": `Edit ${index + 1}, ${word}`,
    focus: () => showTip(element, says()), blur: hideTip,
    pointerenter: () => { clearTimeout(leaving); showTip(element, says()); light(element, index, true); },
    pointerleave: () => { light(element, index, false); leaving = setTimeout(() => { if (document.activeElement !== element) hideTip(); }, 150); },
  }, before ? h("del", {}, shown(before)) : null, after ? h("ins", {}, shown(after)) : null,
  h("sup", { class: "mark", "aria-hidden": "true" }, `${index + 1}${mark}`));
  return element;
}

function light(element, index, on) {
  for (const other of element.closest(".system")?.querySelectorAll(`[data-edit="${index}"]`) ?? []) other.classList.toggle("lit", on);
}

/** The rewards that have a score, each with its score. */
const scored = (scores, rewards) => rewards.map((reward, i) => [reward, scores?.[i] ?? null]).filter(([, score]) => score !== null);

/** The scores of an edit: name, value, limit, verdict in words. */
function scoreTable(scores, rewards) {
  const rows = scored(scores, rewards).map(([reward, score]) => {
    const name = h("th", { scope: "row" }, named(reward.name));
    if (typeof score === "string") return h("tr", { class: "alarm" }, name, h("td", { colspan: 3 }, "failed: ", shown(score)));
    const [value, passed] = score;
    return h("tr", {}, name, h("td", { class: "number" }, value === null ? "n/a" : fixed(value, 3)),
      h("td", { class: "number muted" }, reward.threshold === null ? "" : limitOf(reward.threshold, reward.higher)),
      h("td", {}, gateMark(reward, passed, plain)));
  });
  return rows.length ? h("table", { class: "scores" }, h("tbody", {}, rows)) : null;
}

/** The details that hover and focus show of an edit; `rewards` is null where scores stay hidden. */
function tipOf(edit, index, state, rewards) {
  return [h("p", { class: "tip-title" }, h("strong", {}, `Edit ${index + 1}`), " ", badge(state), edit.reason ? h("span", {}, shown(edit.reason)) : h("span", { class: "muted" }, "no reason given")),
    edit.why ? h("p", { class: "why" }, shown(edit.why)) : null, turnedDown(edit, rewards), scoreTable(edit.scores, rewards ?? [])];
}

/** The gates that an edit failed; gates on sentences judge all edits of one together, and are not among the edit's scores. */
function turnedDown(edit, rewards) {
  if (!rewards) return null;
  return [edit.failed ? h("p", { class: "why" }, "Not passed: ", edit.failed.map(plain).join(", "), ".") : null,
    edit.together ? h("p", { class: "why" }, "Passes alone, but not as one edit with the others of its sentence that do: ", edit.together.map((gate) => notTogether(gate, rewards)).join(", "), ".") : null];
}

/** A gate, with its threshold and its joint value for the edits of a sentence. */
function notTogether([name, value, threshold], rewards) {
  if (typeof value === "string") return `${plain(name)} failed: ${plain(value)}`;
  const higher = rewards.find((reward) => reward.name === name)?.higher;
  return `${plain(name)} ${value === null ? "n/a" : fixed(value, 3)}${threshold === null ? "" : `, not ${limitOf(threshold, higher)}`}`;
}

const badge = (state) => h("span", { class: `badge ${state}` }, h("span", { "aria-hidden": "true" }, STATES[state].mark), ` ${STATES[state].says}`);

/** An edit in the list below the text. */
function editCard(text, edit, index, state, rewards, actions) {
  const before = beforeOf(text, edit);
  const change = before === edit.after ? [h("span", { class: "muted" }, "changes nothing: "), h("q", {}, shown(before))]
    : [before ? h("del", {}, shown(before)) : h("span", { class: "muted" }, edit.place ? "inserted" : ""), h("span", { class: "to", role: "img", "aria-label": "becomes" }, " → "),
      edit.after ? h("ins", {}, shown(edit.after)) : h("span", { class: "muted" }, "deleted")];
  return h("li", { class: `card ${state}`, "data-edit": index },
    h("div", { class: "card-head" }, h("span", { class: "index" }, `${index + 1}`), badge(state), h("span", { class: "reason" }, edit.reason ? shown(edit.reason) : h("span", { class: "muted" }, "no reason given"))),
    h("p", { class: "change" }, change), edit.why ? h("p", { class: "why" }, "Not applied: ", shown(edit.why), ".") : null,
    turnedDown(edit, rewards), scoreChips(edit.scores, rewards ?? []), actions);
}

function scoreChips(scores, rewards) {
  const chips = scored(scores, rewards).map(([reward, score]) => {
    if (typeof score === "string") return h("li", { class: "alarm" }, named(reward.name), " failed: ", shown(score));
    const [value, passed] = score;
    return h("li", {}, h("span", { class: "muted" }, named(reward.name)), " ", h("span", { class: "value" }, value === null ? "n/a" : fixed(value, 2)), " ", gateMark(reward, passed));
  });
  return chips.length ? h("ul", { class: "chips" }, chips) : null;
}
