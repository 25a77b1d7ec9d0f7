/** Closer than this to the end counts as being there. */
const NEAR_END = 48;

/**
 * Keeps the reader's place while a list changes above or below: at the end it stays at the end, else
 * what is at the top of the view stays exactly where it is.
 */
export class ScrollKeeper {
  following = true;

  /**
   * @param {HTMLElement} box what scrolls
   * @param {HTMLElement} list whose children are the lines
   * @param {() => void} moved after the reader's place changed
   */
  constructor(box, list, moved) {
    this.box = box;
    this.list = list;
    this.moved = moved;
    box.addEventListener('scroll', () => {
      this.following = this.distanceToEnd < NEAR_END;
      moved();
    }, { passive: true });
    // A keyboard that comes up, a composer that grows, a window that is resized.
    const observer = new ResizeObserver(() => this.following && this.toEnd());
    observer.observe(box);
    observer.observe(list);
  }

  get distanceToEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
  }

  get distanceToTop() {
    return this.box.scrollTop;
  }

  /** @param {() => void} change what changes the list */
  keep(change) {
    const anchor = this.following ? null : this.#firstInView();
    const top = anchor?.getBoundingClientRect().top ?? 0;
    change();
    if (this.following) this.toEnd();
    else if (anchor?.isConnected) this.box.scrollTop += anchor.getBoundingClientRect().top - top;
  }

  toEnd() {
    this.following = true;
    this.box.scrollTop = this.box.scrollHeight;
  }

  /**
   * Puts a line near the top of the view, unless it is in view at the end anyway.
   * @param {Element} line
   * @returns {boolean} whether the place is now away from the end
   */
  beginAt(line) {
    this.toEnd();
    const above = this.box.getBoundingClientRect().top - line.getBoundingClientRect().top;
    if (above <= 0) return false;
    this.box.scrollTop -= above + this.box.clientHeight / 5;
    this.following = this.distanceToEnd < NEAR_END;
    return !this.following;
  }

  #firstInView() {
    const edge = this.box.getBoundingClientRect().top;
    let low = 0;
    let high = this.list.children.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.list.children[middle].getBoundingClientRect().bottom <= edge) low = middle + 1;
      else high = middle;
    }
    return this.list.children[low];
  }
}
