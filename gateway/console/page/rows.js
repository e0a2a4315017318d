/**
 * Keyed rows of a list: each item has one element for as long as it is there. So the focus stays where it is, and a
 * screen reader hears only what is new.
 * @template {{id: string}} Item
 * @param {HTMLElement} list
 * @param {() => {line: HTMLElement, update: (item: Item) => void}} create
 * @returns {(items: Item[]) => void}
 */
export function createRows(list, create) {
  const rows = new Map();

  return function show(items) {
    const ids = new Set(items.map(({ id }) => id));
    for (const [id, row] of rows) if (!ids.has(id)) rows.delete(id) && row.line.remove();
    items.forEach((item, place) => {
      if (!rows.has(item.id)) rows.set(item.id, create());
      const { line, update } = rows.get(item.id);
      update(item);
      if (list.children[place] !== line) list.insertBefore(line, list.children[place] ?? null);
    });
  };
}
