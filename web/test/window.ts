// What jsdom lacks of a browser, as little of it as the page asks for.
import { vi } from "vitest";

class Chart {
  static paths = { stepped: () => null };
  cursor = { idx: null };
  setData(): void {}
  setSize(): void {}
  destroy(): void {}
}
vi.mock("uplot", () => ({ default: Chart }));

const nothing = { observe: () => undefined, disconnect: () => undefined };
Object.assign(globalThis, {
  matchMedia: () => ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }),
  ResizeObserver: class {
    observe = nothing.observe;
    disconnect = nothing.disconnect;
  },
  scrollTo: () => undefined,
  // jsdom's own frames run on the interval timer that `load` replaces and clears: cleared once, they never come again.
  requestAnimationFrame: (run: FrameRequestCallback) => setTimeout(() => run(performance.now()), 4),
  cancelAnimationFrame: (frame: ReturnType<typeof setTimeout>) => clearTimeout(frame),
});
HTMLDialogElement.prototype.showModal = function (this: HTMLDialogElement) {
  this.open = true;
};
// Node 20 has it not yet.
Map.groupBy ??= function <K, T>(all: Iterable<T>, of: (one: T, at: number) => K): Map<K, T[]> {
  const found = new Map<K, T[]>();
  let at = 0;
  for (const one of all) {
    const key = of(one, at++);
    found.set(key, [...(found.get(key) ?? []), one]);
  }
  return found;
};
