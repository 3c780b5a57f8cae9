// A grid that draws only what is seen. Where each photograph lies follows from how many there are in
// each month, so the whole height is known before any of them is loaded.

import { h } from "./parts.js";

const HEAD = 32;
const GAP = 3;
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

export class Grid {
  // `load(month, from)` gives the photographs of a month in order; `on` hears `open`, `pick`.
  constructor({ months, load, cell, on, signal }) {
    Object.assign(this, { months, load, cell, on });
    this.shown = new Map();
    this.pool = [];
    this.picked = new Map();
    this.here = 0;
    this.anchor = null;
    this.space = h("div", { class: "space", role: "presentation" });
    this.box = h("div", { class: "grid", role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "Photographs by date" }, this.space);
    this.scrubber = h("div", { class: "scrubber" });
    this.element = h("div", { class: "shelf" }, this.box, this.scrubber);
    let total = 0;
    for (const month of months) {
      Object.assign(month, { first: total, items: [], loading: null });
      total += month.count;
    }
    this.total = total;
    this.box.addEventListener("scroll", () => this.soon(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("pointerdown", (event) => this.down(event));
    this.box.addEventListener("dblclick", (event) => { const at = this.at(event); if (at !== null) this.on.open(at); });
    new ResizeObserver(() => this.lay()).observe(this.box);
    this.scrub();
    signal.addEventListener("abort", () => cancelAnimationFrame(this.frame));
  }

  // Where everything lies, at this width.
  lay() {
    const wide = this.box.clientWidth;
    if (!wide) return;
    const kept = this.columns && this.box.scrollTop > 0 ? this.topmost() : null;
    const least = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--cell")) * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.columns = Math.max(2, Math.floor(wide / least));
    this.side = Math.floor((wide - GAP) / this.columns) - GAP;
    let y = 0;
    for (const month of this.months) {
      month.y = y;
      y += HEAD + Math.ceil(month.count / this.columns) * (this.side + GAP);
    }
    this.height = y;
    this.space.style.height = `${y}px`;
    for (const [n] of this.shown) this.hide(n);
    this.heads?.forEach((head) => head.remove());
    this.heads = new Map();
    if (kept !== null) this.box.scrollTop = this.place(kept).y - HEAD;
    this.mark();
    this.draw();
  }

  month(n) {
    let [low, high] = [0, this.months.length - 1];
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (this.months[mid].first <= n) low = mid; else high = mid - 1;
    }
    return this.months[low];
  }

  place(n) {
    const month = this.month(n);
    const inside = n - month.first;
    return { x: GAP + (inside % this.columns) * (this.side + GAP), y: month.y + HEAD + Math.floor(inside / this.columns) * (this.side + GAP) };
  }

  // The first photograph at a height.
  below(y) {
    let [low, high] = [0, this.months.length - 1];
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (this.months[mid].y <= y) low = mid; else high = mid - 1;
    }
    const month = this.months[low];
    const row = Math.max(0, Math.floor((y - month.y - HEAD) / (this.side + GAP)));
    return Math.min(month.first + row * this.columns, month.first + Math.max(month.count - 1, 0));
  }

  topmost() {
    return this.total ? this.below(this.box.scrollTop) : null;
  }

  soon() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
      this.mark();
    });
  }

  draw() {
    if (!this.columns || !this.total) return;
    const [top, tall] = [this.box.scrollTop, this.box.clientHeight];
    const first = this.below(top - tall / 2);
    const last = Math.min(this.below(top + tall * 1.5) + this.columns, this.total);
    for (const [n] of this.shown) if (n < first || n >= last) this.hide(n);
    for (let n = first; n < last; n += 1) if (!this.shown.has(n)) this.show(n);
    for (const month of this.months) {
      const near = month.y + HEAD > top - tall && month.y < top + 2 * tall;
      if (near && !this.heads.has(month)) {
        const head = h("h2", { role: "presentation" }, `${MONTHS[month.month - 1]} ${month.year}`);
        head.style.top = `${month.y}px`;
        this.space.append(head);
        this.heads.set(month, head);
      } else if (!near && this.heads.has(month)) {
        this.heads.get(month).remove();
        this.heads.delete(month);
      }
    }
  }

  show(n) {
    const cell = this.pool.pop() ?? h("div", { class: "cell", role: "option" });
    const { x, y } = this.place(n);
    cell.style.transform = `translate(${x}px, ${y}px)`;
    cell.style.width = cell.style.height = `${this.side}px`;
    cell.id = `photograph-${n}`;
    this.shown.set(n, cell);
    this.space.append(cell);
    this.fill(n, cell);
  }

  hide(n) {
    const cell = this.shown.get(n);
    this.shown.delete(n);
    cell.remove();
    cell.replaceChildren();
    this.pool.push(cell);
  }

  item(n) {
    const month = this.month(n);
    return month.items[n - month.first];
  }

  fill(n, cell) {
    const item = this.item(n);
    cell.setAttribute("aria-selected", item ? this.picked.has(item.id) : false);
    cell.classList.toggle("here", n === this.here);
    if (item) {
      cell.setAttribute("aria-label", this.cell.label(item));
      cell.replaceChildren(...this.cell.draw(item));
    } else {
      cell.setAttribute("aria-label", "Loading");
      this.want(this.month(n), n - this.month(n).first);
    }
  }

  // Loads a month as far as it is needed.
  want(month, inside) {
    month.wanted = Math.max(month.wanted ?? 0, inside + 1);
    month.loading ??= (async () => {
      try {
        while (month.items.length < Math.min(month.wanted, month.count) && !month.ended) {
          const before = month.items.length;
          await this.load(month);
          if (month.items.length === before) month.ended = true;
          for (const [n, cell] of this.shown) if (this.month(n) === month && n - month.first >= before && n - month.first < month.items.length) this.fill(n, cell);
        }
      } finally {
        month.loading = null;
      }
    })().catch((error) => this.on.problem(error));
    return month.loading;
  }

  async ready(n) {
    const month = this.month(n);
    while (!month.items[n - month.first] && !month.ended) await this.want(month, n - month.first);
    return this.item(n);
  }

  // Moves the focus; the photograph is scrolled to.
  go(n) {
    const old = this.here;
    this.here = Math.max(0, Math.min(n, this.total - 1));
    const { y } = this.place(this.here);
    const box = this.box;
    if (y < box.scrollTop) box.scrollTop = y - HEAD;
    else if (y + this.side > box.scrollTop + box.clientHeight) box.scrollTop = y + this.side - box.clientHeight + GAP;
    this.draw();
    this.shown.get(old)?.classList.remove("here");
    this.shown.get(this.here)?.classList.add("here");
    box.setAttribute("aria-activedescendant", `photograph-${this.here}`);
  }

  async pick(from, to, only) {
    if (only) this.picked.clear();
    for (let n = Math.min(from, to); n <= Math.max(from, to); n += 1) {
      const item = await this.ready(n);
      if (item) this.picked.set(item.id, item);
    }
    this.repaint();
  }

  async toggle(n) {
    const item = await this.ready(n);
    if (!item) return;
    if (!this.picked.delete(item.id)) this.picked.set(item.id, item);
    this.repaint();
  }

  repaint() {
    for (const [n, cell] of this.shown) cell.setAttribute("aria-selected", this.picked.has(this.item(n)?.id));
    this.on.pick(this.picked);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / (this.side + GAP))) * this.columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page, Home: -this.total, End: this.total };
    if (event.key in steps) {
      if (event.shiftKey) this.anchor ??= this.here; else this.anchor = null;
      this.go(this.here + steps[event.key]);
      if (event.shiftKey) this.pick(this.anchor, this.here, true);
    } else if (event.key === " ") this.toggle(this.here);
    else if (event.key === "Enter") this.on.open(this.here);
    else if (event.key === "Escape") { this.picked.clear(); this.repaint(); } else return;
    event.preventDefault();
  }

  at(event) {
    const box = this.space.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const row = this.below(y);
    const n = row + Math.min(Math.max(Math.floor(x / (this.side + GAP)), 0), this.columns - 1);
    const month = this.month(row);
    return this.total ? Math.min(n, month.first + month.count - 1) : null;
  }

  // A press picks one, with shift the range, with ctrl one more; a drag picks what it passes.
  down(event) {
    if (event.button !== 0 || event.pointerType === "touch" || event.offsetX > this.box.clientWidth) {
      if (event.pointerType === "touch") this.touched(event);
      return;
    }
    const n = this.at(event);
    if (n === null) return;
    this.box.focus({ preventScroll: true });
    const before = this.here;
    this.go(n);
    if (event.shiftKey) { this.pick(this.anchor ?? before, n, true); return; }
    this.anchor = n;
    if (event.ctrlKey || event.metaKey) { this.toggle(n); return; }
    this.pick(n, n, true);
    let last = n;
    const move = (moved) => {
      const to = this.at(moved);
      if (to === null || to === last) return;
      last = to;
      this.go(to);
      this.pick(n, to, true);
    };
    const up = () => removeEventListener("pointermove", move);
    addEventListener("pointermove", move);
    addEventListener("pointerup", up, { once: true });
    event.preventDefault();
  }

  // A finger scrolls; a short tap picks.
  touched(event) {
    const [x, y] = [event.clientX, event.clientY];
    this.box.addEventListener("pointerup", (up) => {
      if (Math.hypot(up.clientX - x, up.clientY - y) < 8) { const n = this.at(up); this.go(n); this.toggle(n); }
    }, { once: true });
  }

  // Years along the side; a drag goes through all of time.
  scrub() {
    const pull = (event) => {
      const box = this.scrubber.getBoundingClientRect();
      this.box.scrollTop = ((event.clientY - box.top) / box.height) * this.height - this.box.clientHeight / 2;
    };
    this.scrubber.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button")) return;
      this.scrubber.setPointerCapture(event.pointerId);
      pull(event);
      this.scrubber.addEventListener("pointermove", pull);
      this.scrubber.addEventListener("pointerup", () => this.scrubber.removeEventListener("pointermove", pull), { once: true });
    });
  }

  mark() {
    const tall = this.scrubber.clientHeight;
    const at = this.height ? this.box.scrollTop / this.height : 0;
    if (this.marked !== `${tall} ${this.height}`) {
      this.marked = `${tall} ${this.height}`;
      this.line = h("i");
      const years = [];
      let free = -20;
      for (const [n, month] of this.months.entries()) {
        if (n > 0 && this.months[n - 1].year === month.year) continue;
        const y = (month.y / this.height) * tall;
        if (y < free || y > tall - 18) continue;
        free = y + 19;
        const button = h("button", { type: "button", "aria-label": `To ${month.year}`, onclick: () => { this.go(month.first); this.box.scrollTop = month.y; this.box.focus({ preventScroll: true }); } }, `${month.year}`);
        button.style.top = `${y}px`;
        years.push(button);
      }
      this.scrubber.replaceChildren(this.line, ...years);
    }
    this.line.style.top = `${at * tall}px`;
  }
}
