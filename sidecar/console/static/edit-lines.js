// Two texts, line by line beside each other.

const MOST = 4_000_000;

export function besides(left, right) {
  const a = left.split("\n"), b = right.split("\n");
  let head = 0, tail = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const middle = changed(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const same = (line) => ({ left: line, right: line, same: true });
  return [...a.slice(0, head).map(same), ...middle, ...a.slice(a.length - tail).map(same)];
}

function changed(a, b) {
  // The table takes the product; beyond that all of it counts as changed.
  if (a.length * b.length > MOST) return paired(a, b);
  const width = b.length + 1, longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] = a[i] === b[j] ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const rows = [];
  let i = 0, j = 0, gone = [], come = [];
  const flush = () => { rows.push(...paired(gone, come)); gone = []; come = []; };
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      flush();
      rows.push({ left: a[i++], right: b[j++], same: true });
    } else if (j >= b.length || (i < a.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      gone.push(a[i++]);
    } else {
      come.push(b[j++]);
    }
  }
  flush();
  return rows;
}

function paired(gone, come) {
  const rows = [];
  for (let i = 0; i < Math.max(gone.length, come.length); i++) {
    rows.push({ left: gone[i] ?? null, right: come[i] ?? null, same: false });
  }
  return rows;
}

// Only what is different, with some lines around it; null stands for lines left out.
export function clipped(rows, around = 3) {
  const kept = rows.map(() => false);
  rows.forEach((row, at) => {
    if (!row.same) kept.fill(true, Math.max(0, at - around), at + around + 1);
  });
  const shown = [];
  rows.forEach((row, at) => {
    if (kept[at]) shown.push(row);
    else if (shown.length === 0 || shown.at(-1) !== null) shown.push(null);
  });
  return shown;
}
