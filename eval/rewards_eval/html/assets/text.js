// Edits and the texts that they give. Offsets count UTF-16 code units of the argument.

const ACCEPTED = 0, REJECTED = 1, INVALID = 2;
const STATES = {
  accepted: { mark: "✓", says: "accepted" },
  rejected: { mark: "✕", says: "rejected" },
  invalid: { mark: "!", says: "invalid" },
  amended: { mark: "✎", says: "amended" },
  pending: { mark: "?", says: "undecided" },
};
const KIND = ["accepted", "rejected", "invalid"];

const textOf = (argument, record) => record.text ?? argument.text;

const breaks = (gap) => gap.split("\n").length;

/** The text that the edit replaces. */
const beforeOf = (text, edit) => (edit.place ? text.slice(...edit.place) : edit.before);

/**
 * The text after edits, each `{place, after, sentence}`, in any order: the rule of `Revision.apply`. A sentence
 * that becomes empty leaves one gap behind, that with more line breaks, and none at the edges.
 */
function applyEdits(text, spans, edits) {
  if (!edits.length) return text;
  const sorted = [...edits].sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
  const pieces = [text.slice(0, spans.length ? spans[0][0] : text.length)];
  spans.forEach(([start, end], index) => {
    let sentence = "", from = start;
    for (const edit of sorted) {
      if (edit.sentence !== index + 1) continue;
      sentence += text.slice(from, edit.place[0]) + edit.after;
      from = edit.place[1];
    }
    sentence += text.slice(from, end);
    const last = index === spans.length - 1;
    const gap = text.slice(end, last ? text.length : spans[index + 1][0]);
    if (sentence || start === end) pieces.push(sentence, gap);
    else if (last || (pieces.length > 1 && breaks(gap) > breaks(pieces.at(-1)))) pieces[pieces.length - 1] = gap;
  });
  return pieces.join("");
}

/** The text cut at its edits: strings between, and `{edit, index}` where an edit stands. */
function segments(text, edits) {
  const placed = edits.map((edit, index) => ({ edit, index })).filter(({ edit }) => edit.place);
  placed.sort((a, b) => a.edit.place[0] - b.edit.place[0] || a.edit.place[1] - b.edit.place[1]);
  const parts = [];
  let from = 0;
  for (const item of placed) {
    parts.push(text.slice(from, item.edit.place[0]), item);
    from = item.edit.place[1];
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== "");
}

/** The overall dimension before and after, and how far it fell; null where it was not scored. */
function overall(record) {
  const [first] = Object.values(record.dimensions ?? {});
  if (!first) return null;
  const [before, after] = first;
  return { before, after, fell: before === null || after === null ? null : before - after };
}
