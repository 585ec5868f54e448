'use strict';
// Sorts a table by the column whose heading is pressed: numbers by data-n, everything else as text.
document.querySelectorAll('th button').forEach((button) => {
  button.addEventListener('click', () => {
    const heading = button.parentElement;
    const row = heading.parentElement;
    const at = Array.prototype.indexOf.call(row.children, heading);
    const up = heading.getAttribute('aria-sort') !== 'ascending';
    const body = row.closest('table').tBodies[0];
    const key = (line) => {
      const cell = line.children[at];
      return cell.dataset.n === undefined ? cell.textContent : BigInt(cell.dataset.n);
    };
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (typeof x === 'string' || typeof y === 'string') return String(x).localeCompare(String(y));
      return x < y ? -1 : x > y ? 1 : 0;
    };
    const lines = Array.from(body.rows).sort((a, b) => (up ? order(a, b) : order(b, a)));
    Array.from(row.children).forEach((other) => other.removeAttribute('aria-sort'));
    heading.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    body.append(...lines);
  });
});
