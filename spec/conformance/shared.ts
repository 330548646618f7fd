/** Models, SAEs, caches and other things that several checks look at: made when first needed, disposed together. */

export class Shared {
  readonly #made = new Map<string, Promise<{ dispose(): unknown }>>()

  /** What `make` gives the first time; when it fails, every check that needs it fails with its error. */
  once<T extends { dispose(): unknown }>(key: string, make: () => T | Promise<T>): Promise<T> {
    let made = this.#made.get(key)
    if (!made) this.#made.set(key, (made = Promise.resolve().then(make)))
    made.catch(() => undefined) // it is reported by those who wait for it
    return made as Promise<T>
  }

  /** The latest first, as a cache needs its model. */
  async dispose(): Promise<void> {
    for (const made of [...this.#made.values()].reverse())
      await made.then((thing) => thing.dispose()).catch(() => undefined)
    this.#made.clear()
  }
}
