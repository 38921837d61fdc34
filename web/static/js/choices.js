// What of the book is shown: chosen in the bar above it, and kept in the address, so that it can be shared.

const CARRIED = [10, 25, 50, 100, 500]; // levels a side that the stream has classes of

export class Choices {
  /**
   * @param {HTMLFormElement} form
   * @param {(name: string) => void} onChange called with what was chosen anew: group, depth, minutes
   */
  constructor(form, onChange) {
    this.form = form;
    form.addEventListener("change", ({ target }) => {
      if (target.name === "publisher") form.requestSubmit(); // another book: another page
      else {
        this.#keep();
        onChange(target.name);
      }
    });
    form.addEventListener("submit", () => {
      for (const each of form.elements) each.disabled = each.value === each.dataset.default;
    });
  }

  get group() {
    return Number(this.form.elements.group.value);
  }

  get depth() {
    return Number(this.form.elements.depth.value);
  }

  get minutes() {
    return Number(this.form.elements.minutes.value);
  }

  get publisher() {
    return this.form.elements.publisher?.value ?? "";
  }

  /** Levels a side that are needed for as many groups of ticks; the last of them may be cut. */
  get carried() {
    const wanted = this.group === 1 ? this.depth : (this.depth + 1) * this.group;
    return CARRIED.find((each) => each >= wanted) ?? CARRIED.at(-1);
  }

  /** Rows of the ladder. */
  get rows() {
    return 2 * this.depth + 1;
  }

  #keep() {
    const url = new URL(location.href);
    for (const { name, value, dataset } of this.form.elements) {
      if (!name || dataset.default === undefined) continue;
      if (value === dataset.default) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    history.replaceState(history.state, "", url);
  }
}
