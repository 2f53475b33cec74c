// Decisions on their way to the file. What the server has not confirmed is kept by the browser and sent again.

const RETRY = 1500;

/** An action for a key that decides: a key that repeats while held must not decide on the next item. */
const once = (action) => (event) => { if (!event.repeat) action(); };

/** What to undo: the decision on the current item, else, if the page has moved on, the last decision. */
const lastDecided = (here, trail, isDecided) => (isDecided(here) ? here : trail.findLast(isDecided) ?? here);

/** A queue of decisions for the session with this `digest`. `changed` is called after every step; `status` is the state. */
function saving(digest, changed) {
  // Each page has a queue of its own, so that two tabs do not overwrite each other's, and takes over those of earlier pages.
  const key = `waiting.${digest}.${crypto.randomUUID()}`;
  const left = memory.keys(`waiting.${digest}`);
  const waiting = left.flatMap((one) => JSON.parse(memory.get(one) ?? "[]"));
  let busy = false, problem = null, refused = null, saved = null;
  const keep = () => (waiting.length ? memory.set(key, JSON.stringify(waiting)) : memory.drop(key));
  keep();
  left.forEach(memory.drop);

  async function send(decision) {
    let answer;
    try {
      answer = await fetch("/decisions", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(decision) });
    } catch {
      return "The server does not answer. Start the same command again; what waits here is sent then.";
    }
    if (answer.ok) return null;
    const reason = await answer.text();
    if ([400, 413, 422].includes(answer.status)) { // a retry would be refused again, and block the others
      refused = reason;
      return null;
    }
    if (answer.status === 401) return "This page belongs to a server that has ended. Open the address that the new one printed; what waits here is sent then.";
    return reason;
  }

  async function flush() {
    if (busy) return;
    busy = true;
    while (waiting.length) {
      problem = await send(waiting[0]);
      if (problem) break;
      waiting.shift();
      saved = new Date();
      keep();
      changed();
    }
    busy = false;
    changed();
    if (waiting.length) setTimeout(flush, RETRY);
  }

  if (waiting.length) flush();
  return {
    put(decision) {
      waiting.push({ ...decision, digest });
      keep();
      changed();
      flush();
    },
    waiting: () => waiting,
    status: () => (refused ? { problem: `A decision was refused and is not saved: ${refused}` }
      : problem ? { problem: `${count(waiting.length, "decision")} not saved. ${problem}` }
      : waiting.length ? { text: "Saving …" } : { text: saved ? `Saved at ${saved.toLocaleTimeString()}` : "Every decision is saved at once" }),
  };
}

/** The bar at the top: title, progress, state of saving, export, colours, help. */
function reviewBar(title, reviewer, openHelp) {
  const status = h("span", { class: "saving", role: "status" });
  const progress = h("progress", { max: "1", value: "0", "aria-label": "Decided" });
  const done = h("span", { class: "done muted" });
  const said = h("span", { class: "hidden", role: "status" });
  const alarm = h("p", { class: "banner", role: "alert", hidden: true });
  const bar = h("header", { class: "top" }, h("h1", {}, title), h("span", { class: "who muted" }, shown(reviewer)), progress, done, status, said,
    h("div", { class: "tools" }, h("a", { class: "button", href: "/export.jsonl", download: "" }, "Export"), themeButton(),
      helpButton(openHelp)));
  return {
    nodes: [bar, alarm],
    /** Announce to screen readers what has happened. */
    say: (text) => fill(said, text),
    update(now, decided, total) {
      fill(status, now.text ?? "Not saved");
      alarm.hidden = !now.problem;
      if (now.problem && alarm.textContent !== now.problem) fill(alarm, plain(now.problem));
      progress.max = Math.max(1, total);
      progress.value = decided;
      fill(done, `${decided.toLocaleString("en")} of ${total.toLocaleString("en")}`);
    },
  };
}

/** The data from the server, or a message on why there is nothing to show. */
async function load(start) {
  try {
    const [data, decisions] = await Promise.all(["/data.json", "/decisions.json"].map(async (address) => {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    }));
    start(data, decisions);
  } catch (error) {
    document.body.append(h("main", { class: "overview" }, h("h1", {}, "Nothing to show"), h("p", { role: "alert" }, plain(error.message))));
    throw error;
  }
}
